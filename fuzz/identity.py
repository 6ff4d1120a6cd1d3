"""Keys that peers show: a stranger with a key has a share of the server of his own.

Servers bound what strangers may send, by key or, without one, by address. All
peers here have one address, so most show one of many keys.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Self

from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PROTOCOL = "mosaic"


class Identity:
    """What a peer shows: a certificate that a key of its own has signed, or nothing.

    Args:
        key: Its key, or None.
    """

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self._key = key
        self._certificate = None if key is None else _certificate(key)

    @classmethod
    def of(cls, random: Random) -> Self:
        """With a key of its own."""
        return cls(Ed25519PrivateKey.from_private_bytes(random.randbytes(32)))

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """What a client over TCP needs. It does not check whom it speaks to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([PROTOCOL])
        if self._key is not None and self._certificate is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "identity.pem"
                secret = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                file.write_bytes(secret + self._certificate.public_bytes(Encoding.PEM))
                context.load_cert_chain(file)
        return context

    def quic(self, *, protocol: str = PROTOCOL, window: int = 1 << 20) -> QuicConfiguration:
        """The same for a client over QUIC.

        Args:
            protocol: What it asks for in ALPN.
            window: How many bytes the server may send before it is allowed more.
        """
        return QuicConfiguration(
            alpn_protocols=[protocol],
            server_name=PROTOCOL,
            verify_mode=ssl.CERT_NONE,
            certificate=self._certificate,
            private_key=self._key,
            max_data=window,
            max_stream_data=window,
        )


NOBODY = Identity()
"""Who shows no key."""


def _certificate(key: Ed25519PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PROTOCOL)])
    now = dt.datetime.now(dt.UTC)
    serial = int.from_bytes(key.public_key().public_bytes_raw()[:12], "big") + 1
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .sign(key, None)
    )


class Identities:
    """A pool of keys.

    Args:
        random: Where they come from.
        count: How many.
        anonymous: The share of those who show none (0 to 1).
    """

    def __init__(self, random: Random, count: int = 256, anonymous: float = 0.0) -> None:
        self._random = random
        self._all = [Identity.of(random) for _ in range(count)]
        self._anonymous = anonymous
        self._next = 0

    def take(self) -> Identity:
        """The next one, round and round."""
        if self._random.random() < self._anonymous:
            return NOBODY
        self._next = (self._next + 1) % len(self._all)
        return self._all[self._next]
