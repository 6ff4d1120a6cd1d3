"""Keys that peers show: a stranger with a key has a share of the server of his own.

Servers bound what strangers may send, by key or, without one, by address. All
peers here have one address, so most show one of many keys.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def tls_context() -> ssl.SSLContext:
    """What a client needs that shows no key and does not check whom it speaks to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["mosaic"])
    return context


def keyed_context(random: Random) -> ssl.SSLContext:
    """The same with a key of its own, in a certificate that it has signed itself."""
    key = Ed25519PrivateKey.from_private_bytes(random.randbytes(32))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mosaic")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(random.getrandbits(100) + 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .sign(key, None)
    )
    context = tls_context()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "identity.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(file)
    return context


class Identities:
    """A pool of keys.

    Args:
        random: Where they come from.
        count: How many.
        anonymous: The share of those who show none (0 to 1).
    """

    def __init__(self, random: Random, count: int = 256, anonymous: float = 0.0) -> None:
        self._random = random
        self._contexts = [keyed_context(random) for _ in range(count)]
        self._nobody = tls_context()
        self._anonymous = anonymous
        self._next = 0

    def take(self) -> ssl.SSLContext:
        """The next one, round and round."""
        if self._random.random() < self._anonymous:
            return self._nobody
        self._next = (self._next + 1) % len(self._contexts)
        return self._contexts[self._next]
