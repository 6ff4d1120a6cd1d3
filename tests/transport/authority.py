"""An authority with one certificate between itself and its hosts, made for a test."""

import datetime as dt
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Secret = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

KINDS = ("ecdsa", "ed25519", "rsa")


def secret(kind: str) -> Secret:
    match kind:
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def pem(key: Secret, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


@dataclass(frozen=True)
class Issued:
    """A host's certificate with those between it and the authority, and its key (PEM)."""

    chain: bytes
    key: bytes


class Authority:
    """Issues certificates for hosts."""

    def __init__(self, name: str = "An authority") -> None:
        self._root_key, self._key = secret("ecdsa"), secret("ecdsa")
        self._root = _issue(name, self._root_key, name, self._root_key, authority=True)
        self._between = _issue(f"{name}, daily", self._key, name, self._root_key, authority=True)
        self._name = f"{name}, daily"

    @property
    def root(self) -> bytes:
        """The certificate that clients trust (PEM)."""
        return self._root.public_bytes(Encoding.PEM)

    def issue(
        self, *hosts: str, kind: str = "ecdsa", form: PrivateFormat = PrivateFormat.PKCS8, days: int = 1
    ) -> Issued:
        """A certificate for hosts (names or addresses) that holds for so many days, from an hour ago on."""
        key = secret(kind)
        own = _issue(hosts[0], key, self._name, self._key, hosts=hosts, days=days)
        chain = own.public_bytes(Encoding.PEM) + self._between.public_bytes(Encoding.PEM)
        return Issued(chain, pem(key, form))


def _issue(
    subject: str,
    key: Secret,
    issuer: str,
    issuer_key: Secret,
    *,
    hosts: tuple[str, ...] = (),
    authority: bool = False,
    days: int = 1,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
