"""What two sides sign to prove their keys to each other where TLS proves none.

    `mosaic server auth` or `mosaic client auth` ‖ 00 ‖ server key ‖ client key or zeros
    ‖ client nonce ‖ server nonce ‖ authority

Ed25519ph with context `Mosaic auth` over BLAKE3-512 of that. Both keys and the
authority that the client has dialled are in it, so that whoever passes the
messages of two others on, under a key or a name of his own, proves nothing
with them. The bare nonce, which an older text has signed, would prove anything
to anybody.

Source: edition §2 (differs from websockets.md, which signs the nonce alone).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mosaic._kernel import _rust
from mosaic.core.keys import KEY_LENGTH, SecretKey
from mosaic.errors import UsageError

NONCE_LENGTH: Final = 32
NOBODY: Final = bytes(KEY_LENGTH)
"""Stands for the key of a client that proves none."""
NO_NONCE: Final = bytes(NONCE_LENGTH)
"""Stands for the server's nonce where the client proves no key in header form."""
_CONTEXT: Final = b"Mosaic auth"


def nonce_of_text(text: str) -> bytes:
    """What is signed for a nonce that was sent as text: its BLAKE3-256 (32 bytes)."""
    return _rust.blake3(text.encode(), NONCE_LENGTH)


def nonce_from(entropy: bytes, number: int) -> bytes:
    """The nonce (32 bytes) of a number under 2^64, from 32 random bytes that are told to nobody."""
    return _rust.blake3(entropy + number.to_bytes(8, "little"), NONCE_LENGTH)


class Role(StrEnum):
    """Which side signs."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Authentication:
    """What is signed on one connection.

    Args:
        server_key: The server's key (32 bytes).
        client_key: The key that the client proves, or `NOBODY`.
        client_nonce: 32 bytes of the client's choice.
        server_nonce: 32 bytes of the server's choice.
        authority: What the client has dialled, see `mosaic.core.web_authority`.

    Raises:
        UsageError: a part has another length.
    """

    server_key: bytes
    client_key: bytes
    client_nonce: bytes
    server_nonce: bytes
    authority: str

    def __post_init__(self) -> None:
        parts = (self.server_key, self.client_key, self.client_nonce, self.server_nonce)
        if any(len(part) != KEY_LENGTH for part in parts):
            raise UsageError("keys and nonces of an authentication have 32 bytes each")

    def signed_bytes(self, role: Role) -> bytes:
        """What `role` signs."""
        return b"mosaic %b auth\0%b%b%b%b%b" % (
            role.encode(),
            self.server_key,
            self.client_key,
            self.client_nonce,
            self.server_nonce,
            self.authority.encode(),
        )

    def sign(self, role: Role, secret: SecretKey) -> bytes:
        """The signature (64 bytes) of one side.

        Raises:
            InvalidSecretKey: it is not the secret of that side.
            InvalidKey: a key is not acceptable.
            UsageError: the authority is none, or a client would sign without a nonce of the server's.
        """
        return _rust.sign_authentication(
            secret.reveal(),
            role.value,
            self.server_key,
            self.client_key,
            self.client_nonce,
            self.server_nonce,
            self.authority,
        )

    def verify(self, role: Role, signature: bytes) -> bool:
        """Whether `role` has signed this with its key. Nobody can sign for `NOBODY`."""
        key = self.server_key if role is Role.SERVER else self.client_key
        digest = _rust.blake3(self.signed_bytes(role), 64)
        return _rust.verify(key, digest, signature, _CONTEXT)
