"""A record: the unit of everything that is signed, a view on its bytes.

    [0:8]     timestamp       } id: [0:48], its hash is the first 40 bytes
    [8:48]    hash            } of BLAKE3 over the signed data
    [48:56]   nonce           }
    [56:64]   kind            } address: [48:96]
    [64:96]   author          }
    [96:128]  signing key         signed data: from 48 to the signature
    [128:136] timestamp
    [136:144] flags
    [144:146] LenT  [146:148] LenS  [148:152] LenP
    [152:]    tags, padded to 8; payload, padded to 8; signature (64 bytes)

Fields are read when asked for and cost a slice; nothing is copied up front.

Source: record.md; edition §3, §5.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import total_ordering
from typing import Final

from mosaic._kernel import _rust
from mosaic.core import compression, human, tag, validation
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.reference import Address, Id
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp

HEADER_BYTES: Final = 152
SIGNATURE_BYTES: Final = 64

FLAG_ZSTD: Final = 0x01
"""Flag byte 0: the payload is one zstd frame."""
FLAG_FROM_AUTHOR: Final = 0x04
"""Flag byte 0: servers take it on the author's own connection only."""


def padded(length: int) -> int:
    """`length` rounded up to a multiple of 8, as the sections of a record are."""
    return (length + 7) & ~7


def hash_of(signed: bytes) -> bytes:
    """The 64-byte BLAKE3 hash of a record's signed data: its first 40 stand in the id, all are signed."""
    return _rust.blake3(signed, 64)


@total_ordering
class Record:
    """A record over its bytes.

    `Record(data)` checks nothing: it is for bytes that are known to be valid,
    because the kernel's check passed or the own store holds them. Bytes from
    anywhere else go through `Record.parse`. Equal when the bytes are; ordered
    as answers are, by (timestamp, id).
    """

    __slots__ = ("data",)

    data: Final[bytes]
    """The whole record, 216 to 1,048,576 bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def parse(cls, data: bytes) -> Record:
        """The record in `data`, fully validated.

        Raises:
            InvalidRecord: the subclass of the first rule that is broken.
        """
        data = bytes(data)
        validation.validate(data)
        return cls(data)

    @classmethod
    def parse_text(cls, text: str) -> Record:
        """The record in `morecord0…`, fully validated. Raises InvalidText or InvalidRecord."""
        return cls.parse(human.decode(human.RECORD, text))

    @property
    def text(self) -> str:
        """`morecord0…`: the whole record as text (8 characters for 5 bytes)."""
        return human.encode(human.RECORD, self.data)

    @property
    def id(self) -> Id:
        """Timestamp and hash (48 bytes): names exactly this record."""
        return Id(self.data[0:48])

    @property
    def address(self) -> Address:
        """Nonce, kind and author (48 bytes): names this record and what replaces it."""
        return Address(self.data[48:96])

    @property
    def nonce(self) -> bytes:
        """8 bytes; the first bit is 1."""
        return self.data[48:56]

    @property
    def kind(self) -> Kind:
        """What the record is and how it is handled."""
        return Kind(self.data[56:64])

    @property
    def author_bytes(self) -> bytes:
        """The author's master key (32 bytes), without the cost of an object."""
        return self.data[64:96]

    @property
    def author(self) -> PublicKey:
        """The author's master key."""
        return PublicKey(self.data[64:96])

    @property
    def signer_bytes(self) -> bytes:
        """The key that signed (32 bytes), without the cost of an object."""
        return self.data[96:128]

    @property
    def signer(self) -> PublicKey:
        """The key that signed: the author's own or a subkey of his."""
        return PublicKey(self.data[96:128])

    @property
    def timestamp(self) -> Timestamp:
        """When it says it was made."""
        return Timestamp(int.from_bytes(self.data[128:136], "big"))

    @property
    def flags(self) -> bytes:
        """8 bytes; only byte 0 has flags that are in use."""
        return self.data[136:144]

    @property
    def compressed(self) -> bool:
        """Whether the payload is a zstd frame."""
        return bool(self.data[136] & FLAG_ZSTD)

    @property
    def from_author(self) -> bool:
        """Whether servers may take it on the author's own connection only."""
        return bool(self.data[136] & FLAG_FROM_AUTHOR)

    @property
    def tags_section(self) -> bytes:
        """The tags as they stand, LenT bytes without padding."""
        return self.data[HEADER_BYTES : HEADER_BYTES + self._tags_length]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags in their order; type 0 is padding and left out."""
        return tag.tags_from_section(self.tags_section)

    def tags_of(self, *types: int) -> Iterator[Tag]:
        """The tags of these types, in their order."""
        return (entry for entry in self.tags if entry.type in types)

    @property
    def payload(self) -> bytes:
        """The payload as it stands: LenP bytes, compressed if `compressed`."""
        start = HEADER_BYTES + padded(self._tags_length)
        return self.data[start : start + self._payload_length]

    def content(self) -> bytes:
        """The payload unpacked, at most 1,048,576 bytes.

        Raises:
            InvalidContent: it says it is compressed and is no single zstd frame of bounded size.
        """
        return compression.decompress(self.payload) if self.compressed else self.payload

    @property
    def padding(self) -> bytes:
        """The bytes that fill up tags and payload to multiples of 8; zeros unless written by others."""
        tags_end = HEADER_BYTES + self._tags_length
        payload_start = HEADER_BYTES + padded(self._tags_length)
        payload_end = payload_start + self._payload_length
        return self.data[tags_end:payload_start] + self.data[payload_end : len(self.data) - SIGNATURE_BYTES]

    @property
    def signed_data(self) -> bytes:
        """What hash and signature cover: from the nonce to the padded payload."""
        return self.data[48 : len(self.data) - SIGNATURE_BYTES]

    @property
    def signature(self) -> bytes:
        """64 bytes by the signing key."""
        return self.data[len(self.data) - SIGNATURE_BYTES :]

    @property
    def _tags_length(self) -> int:
        return int.from_bytes(self.data[144:146], "little")

    @property
    def _payload_length(self) -> int:
        return int.from_bytes(self.data[148:152], "little")

    def __len__(self) -> int:
        """Its length in bytes."""
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.data == other.data

    def __lt__(self, other: object) -> bool:
        # The id begins with the timestamp, so ids sort by (timestamp, hash).
        return self.data[0:48] < other.data[0:48] if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.data[0:48])

    def __repr__(self) -> str:
        return f"Record({self.id.text}, {len(self.data)} bytes)"
