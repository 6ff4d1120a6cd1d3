"""Encrypted payloads: who can open one, how long it is, what is inside.

    [0]      version, 1
    [1]      n, how many keys it is sealed to (1 to 16)
    [2:8]    zero
    [8:]     n stanzas of 112 bytes: X25519 key (32), what HPKE encapsulates (32),
             the content key sealed to it (32 + 16)
    then     the padded content under the content key (ChaCha20-Poly1305, nonce zero; + 16)

Each stanza is HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256),
HKDF-SHA256, ChaCha20-Poly1305. Both layers are bound to the record's bytes from
nonce to timestamp, so a payload opens in its own record only. The content key
is fresh for each payload, which is why a fixed nonce does.

The content is padded with zeros to 256 · 2^k bytes, so that a length tells
little. It has to end by itself, as a record and CBOR do.

Here are layout, padding and opening; sealing draws randomness and is
`mosaic.client.sealing`.

Source: edition §4 (Encryption); RFC 9180.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from mosaic.core.key_schedule import MAX_ENCRYPTION_KEYS
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import FLAG_ZSTD, Record
from mosaic.core.timestamp import Timestamp
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidContent, Undecryptable

VERSION: Final = 1
HEAD_BYTES: Final = 8
STANZA_BYTES: Final = 112
MAX_STANZAS: Final = MAX_ENCRYPTION_KEYS
CONTENT_KEY_BYTES: Final = 32
TAG_BYTES: Final = 16

RECORD_HEAD_BYTES: Final = 88
RECORD_HEAD: Final = slice(48, 136)
"""Where the bytes stand in a record to which its payload is bound: nonce, kind, author, signer, timestamp."""

MIN_PADDED: Final = 256
MAX_CONTENT: Final = 524_288
"""The longest content in bytes, 256 · 2^11."""

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
NONCE: Final = bytes(12)
_INFO = b"Mosaic"


@dataclass(frozen=True, slots=True)
class Stanza:
    """The content key, sealed to one X25519 key.

    Args:
        key: Whose: the public key, 32 bytes.
        sealed: What HPKE made: its encapsulated key (32 bytes), then the sealed content key (48 bytes).

    Raises:
        InvalidContent: other lengths.
    """

    key: bytes
    sealed: bytes

    def __post_init__(self) -> None:
        if len(self.key) != 32 or len(self.key) + len(self.sealed) != STANZA_BYTES:
            raise InvalidContent(f"a stanza of an encrypted payload has {STANZA_BYTES} bytes")

    def encode(self) -> bytes:
        """112 bytes."""
        return self.key + self.sealed


@dataclass(frozen=True, slots=True)
class EncryptedPayload:
    """The parts of an encrypted payload.

    Args:
        stanzas: 1 to 16, in the order in which they stand.
        body: The sealed content with its tag.

    Raises:
        InvalidContent: none or too many stanzas, or no body of this length can be.
    """

    stanzas: tuple[Stanza, ...]
    body: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.stanzas) <= MAX_STANZAS:
            raise InvalidContent(
                f"a payload is encrypted to 1 to {MAX_STANZAS} keys, not {len(self.stanzas)}"
            )
        if not _is_padded_length(len(self.body) - TAG_BYTES):
            raise InvalidContent("the encrypted content is cut short, or its length is no padded one")

    @classmethod
    def parse(cls, payload: bytes) -> EncryptedPayload:
        """The parts of a payload.

        Raises:
            InvalidContent: it is not laid out so, or of another version.
        """
        if len(payload) < HEAD_BYTES or any(payload[2:HEAD_BYTES]):
            raise InvalidContent("the payload is no encrypted one, or is cut short")
        if payload[0] != VERSION:
            raise InvalidContent(f"the payload is encrypted in version {payload[0]}, this software knows 1")
        if not 1 <= payload[1] <= MAX_STANZAS:
            raise InvalidContent(f"a payload is encrypted to 1 to {MAX_STANZAS} keys, not {payload[1]}")
        end = HEAD_BYTES + payload[1] * STANZA_BYTES
        starts = range(HEAD_BYTES, end, STANZA_BYTES)
        rows = (payload[start : start + STANZA_BYTES] for start in starts)
        return cls(tuple(Stanza(row[:32], row[32:]) for row in rows), payload[end:])

    @property
    def head(self) -> bytes:
        """The payload up to the body."""
        return head(self.stanzas)


def head(stanzas: Sequence[Stanza]) -> bytes:
    """A payload up to its body."""
    rows = (stanza.encode() for stanza in stanzas)
    return bytes((VERSION, len(stanzas))) + bytes(HEAD_BYTES - 2) + b"".join(rows)


def record_head(*, nonce: bytes, kind: Kind, author: PublicKey, signer: PublicKey, timestamp: int) -> bytes:
    """The 88 bytes of a record to which its payload is bound, before the record is built.

    Args:
        nonce: 8 bytes.
        kind: The record's.
        author: The author's master key.
        signer: The key that will sign.
        timestamp: ns.

    Raises:
        InvalidTimestamp: `timestamp` is out of range.
    """
    return b"".join((nonce, kind.bytes, author.bytes, signer.bytes, Timestamp(timestamp).to_bytes()))


def info(master: PublicKey, record_head: bytes) -> bytes:
    """What a stanza is bound to: the recipient's master key and the record (126 bytes)."""
    return _INFO + master.bytes + record_head


# --- padding ---------------------------------------------------------------------------------------------


def padded_length(length: int) -> int:
    """How long content is with its padding: the smallest 256 · 2^k that holds it.

    Args:
        length: The content's, in bytes.

    Raises:
        InvalidContent: it is longer than 524,288 bytes.
    """
    if length > MAX_CONTENT:
        raise InvalidContent(
            f"the content has {length:,} bytes, at most {MAX_CONTENT:,} can be encrypted",
            hint="Put it into a blob and encrypt the blob's key instead.",
        )
    return max(MIN_PADDED, 1 << (length - 1).bit_length()) if length else MIN_PADDED


def padded(content: bytes) -> bytes:
    """The content and zeros. Raises InvalidContent if it is longer than 524,288 bytes."""
    return content.ljust(padded_length(len(content)), b"\0")


def unpadded(plaintext: bytes, length: int) -> bytes:
    """The content of a plaintext, once its length is known.

    Args:
        plaintext: What `opened` gave.
        length: How many bytes the content has by its own reckoning.

    Raises:
        InvalidContent: it is longer than the plaintext, or what follows is other padding than ours.
    """
    if not 0 <= length <= len(plaintext):
        raise InvalidContent("the encrypted content is cut short")
    if padded_length(length) != len(plaintext) or any(plaintext[length:]):
        raise InvalidContent("the encrypted content is followed by something else than its padding")
    return plaintext[:length]


def sealed_length(keys: int, length: int) -> int:
    """How many bytes a payload has.

    Args:
        keys: How many keys it is sealed to.
        length: The content's, in bytes.
    """
    return HEAD_BYTES + keys * STANZA_BYTES + padded_length(length) + TAG_BYTES


def _is_padded_length(length: int) -> bool:
    return MIN_PADDED <= length <= MAX_CONTENT and length.bit_count() == 1


# --- opening ---------------------------------------------------------------------------------------------


def opened(payload: bytes, record_head: bytes, master: PublicKey, secrets: Iterable[X25519Secret]) -> bytes:
    """The padded content of a payload; `unpadded` takes the padding off.

    Args:
        payload: The record's payload.
        record_head: The record's bytes [48:136].
        master: The recipient's master key.
        secrets: The recipient's secrets, older ones too.

    Raises:
        InvalidContent: the payload is not laid out as an encrypted one.
        Undecryptable: none of the secrets opens it, or it was changed.
    """
    parts = EncryptedPayload.parse(payload)
    mine = {secret.public: secret for secret in secrets}
    concerned = [(stanza, mine[stanza.key]) for stanza in parts.stanzas if stanza.key in mine]
    if not concerned:
        raise Undecryptable("the message is encrypted to other keys than those of this device")
    for stanza, secret in concerned:
        try:
            private = X25519PrivateKey.from_private_bytes(secret.reveal())
            key = SUITE.decrypt(stanza.sealed, private, info(master, record_head))
            return ChaCha20Poly1305(key).decrypt(NONCE, parts.body, record_head + parts.head)
        except (InvalidTag, ValueError):
            continue  # a stanza that somebody else made up does not spoil the right one
    raise Undecryptable(
        "the message does not open: it was changed, or is not the one that was sent",
        hint="Ask the sender to send it again.",
    )


def opened_record(record: Record, master: PublicKey, secrets: Iterable[X25519Secret]) -> bytes:
    """The padded content of a valid record with an encrypted payload.

    Args:
        record: The record.
        master: The recipient's master key.
        secrets: The recipient's secrets.

    Raises:
        InvalidContent: the payload is compressed, or not laid out as an encrypted one.
        Undecryptable: none of the secrets opens it, or it was changed.
    """
    if record.flags[0] & FLAG_ZSTD:
        raise InvalidContent("an encrypted payload must not be compressed")
    return opened(record.payload, record.data[RECORD_HEAD], master, secrets)
