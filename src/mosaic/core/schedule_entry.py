"""The entries of a key schedule: which key, what for, and its proof.

    [0]    kind: 1 attestation, 2 encryption key    [1]   zero
    [2:4]  length of the entry, little-endian       [4:6] marker    [6:8] zero
    [8:16] timestamp of the marker, or zeros
    [16:]  attestation (136 bytes) or encryption key data (40 bytes)

An attestation is signed by the subkey: it says whose subkey it is. So nobody
can claim another's key, and no subkey can be listed against its holder's will.

Source: keyschedule.md; edition §3, §5 (Y2, Y3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import coincurve

from mosaic._kernel import _rust
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidKeySchedule

HEAD_BYTES: Final = 16
ATTESTATION: Final = 1
ENCRYPTION_KEY: Final = 2

ATTESTATION_MAGIC: Final = bytes.fromhex("2c2898f58b")
ATTESTATION_HEAD_BYTES: Final = 72
ATTESTATION_BYTES: Final = 136
ENCRYPTION_MAGIC: Final = bytes.fromhex("d6daf0bd33")
ENCRYPTION_BYTES: Final = 40

_CONTEXT = b"Mosaic"


class Marker(IntEnum):
    """What an entry says about its key."""

    ACTIVE_SIGNING_KEY = 0x00
    ACTIVE_ENCRYPTION_KEY = 0x01
    REVOKED_ALL = 0x40
    REVOKED_PAST = 0x41
    OUT_OF_USE = 0x4F
    ACTIVE_NOSTR_KEY = 0x80

    @property
    def requires_timestamp(self) -> bool:
        """Whether the entry must give a time (a revocation's)."""
        return self in {Marker.REVOKED_ALL, Marker.REVOKED_PAST}

    @property
    def uses_timestamp(self) -> bool:
        """Whether a time in the entry means anything."""
        return self.requires_timestamp or self is Marker.OUT_OF_USE


class Algorithm(IntEnum):
    """The cryptosystem of a key, as its attestation or encryption data names it."""

    CURVE_25519 = 0
    """Ed25519 in attestations, X25519 in encryption key data."""
    SECP256K1 = 1
    """Keys of nostr: x-only, 32 bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key in a schedule.

    Args:
        marker: What is said about the key.
        timestamp: Since when, ns; 0 where the marker uses none.
        data: The attestation (136 bytes) or encryption key data (40 bytes).

    Raises:
        InvalidKeySchedule: the data is neither, its layout is wrong, the marker does not fit
            it, or a revocation has no time. The signature is checked by `verify`, not here.
    """

    marker: Marker
    timestamp: Timestamp
    data: bytes

    def __post_init__(self) -> None:
        _check_layout(self.data)
        _check_marker(self.marker, self.kind, self.algorithm)
        if self.marker.requires_timestamp and self.timestamp == 0:
            raise InvalidKeySchedule(f"an entry with {self.marker.name} has no timestamp")

    @classmethod
    def of(cls, marker: Marker, data: bytes, timestamp: int = 0) -> Entry:
        """The entry as it is written: the time is dropped where the marker uses none."""
        return cls(marker, Timestamp(timestamp if marker.uses_timestamp else 0), data)

    @classmethod
    def signing(
        cls,
        attestation: bytes,
        marker: Marker = Marker.ACTIVE_SIGNING_KEY,
        timestamp: int = 0,
    ) -> Entry:
        """A signing subkey (or a nostr key, with that marker) by its attestation (136 bytes)."""
        return cls.of(marker, attestation, timestamp)

    @classmethod
    def encryption(
        cls,
        key: bytes,
        marker: Marker = Marker.ACTIVE_ENCRYPTION_KEY,
        timestamp: int = 0,
    ) -> Entry:
        """An X25519 key (32 bytes) for data that is encrypted to the author."""
        return cls.of(marker, ENCRYPTION_MAGIC + bytes(3) + key, timestamp)

    @property
    def kind(self) -> int:
        """ATTESTATION or ENCRYPTION_KEY."""
        return ATTESTATION if self.data.startswith(ATTESTATION_MAGIC) else ENCRYPTION_KEY

    @property
    def algorithm(self) -> Algorithm:
        """The cryptosystem of the key."""
        return Algorithm(self.data[5])

    @property
    def subkey(self) -> bytes:
        """The key that the entry is about (32 bytes)."""
        return self.data[8:40]

    def marked(self, marker: Marker, timestamp: int = 0) -> Entry:
        """The same key with another marker, as when it is revoked or taken out of use."""
        return Entry.of(marker, self.data, timestamp)

    def encode(self) -> bytes:
        """The entry's bytes: 152 of an attestation, 56 of an encryption key."""
        length = HEAD_BYTES + len(self.data)
        return b"".join(
            (
                bytes((self.kind, 0)),
                length.to_bytes(2, "little"),
                self.marker.to_bytes(2, "little"),
                bytes(2),
                self.timestamp.to_bytes(),
                self.data,
            )
        )

    def verify(self, master: PublicKey) -> None:
        """Checks that the subkey itself says it belongs to `master`; encryption keys can't say so.

        Raises:
            InvalidKeySchedule: the attestation names another master or its signature is wrong.
        """
        if self.kind != ATTESTATION:
            return
        head, signature = self.data[:ATTESTATION_HEAD_BYTES], self.data[ATTESTATION_HEAD_BYTES:]
        if head[40:72] != master.bytes:
            raise InvalidKeySchedule("an attestation names another master key")
        if not _signature_holds(self.algorithm, self.subkey, head, signature):
            raise InvalidKeySchedule("an attestation is not signed by its subkey")


def attest(subkey: SecretKey, master: PublicKey) -> bytes:
    """The attestation (136 bytes) by which `subkey` says that it belongs to `master`."""
    head = attestation_head(Algorithm.CURVE_25519, subkey.public.bytes, master)
    return head + _rust.sign_attestation(subkey.reveal(), head)


def attestation_head(algorithm: Algorithm, subkey: bytes, master: PublicKey) -> bytes:
    """The 72 bytes that a subkey signs.

    An Ed25519 subkey signs as it signs records (`attest`). A nostr key signs
    their BLAKE3 (32 bytes) as its own software signs events (BIP 340).
    """
    return ATTESTATION_MAGIC + bytes((algorithm, 64, 0)) + subkey + master.bytes


def entries_from_payload(payload: bytes) -> Iterator[Entry]:
    """The entries of a schedule's payload, in their order; signatures are not checked yet.

    Raises:
        InvalidKeySchedule: on the first rule of the layout that is broken.
    """
    offset = 0
    while offset < len(payload):
        head = payload[offset : offset + HEAD_BYTES]
        length = int.from_bytes(head[2:4], "little")
        if len(head) < HEAD_BYTES or length < HEAD_BYTES or offset + length > len(payload):
            raise InvalidKeySchedule(f"the entry at byte {offset} is cut short or gives a wrong length")
        if head[1] or any(head[6:8]):
            raise InvalidKeySchedule(f"reserved bytes of the entry at byte {offset} are not zero")
        entry = Entry(_marker(head), _timestamp(head), payload[offset + HEAD_BYTES : offset + length])
        if head[0] != entry.kind:
            raise InvalidKeySchedule(f"the entry at byte {offset} is of kind {head[0]}, its data of another")
        yield entry
        offset += length


def _marker(head: bytes) -> Marker:
    number = int.from_bytes(head[4:6], "little")
    try:
        return Marker(number)
    except ValueError:
        raise InvalidKeySchedule(f"no marker has the number 0x{number:x}") from None


def _timestamp(head: bytes) -> Timestamp:
    try:
        return Timestamp.from_bytes(head[8:16])
    except FormatError as error:
        raise InvalidKeySchedule(f"an entry's timestamp is invalid: {error}") from error


def _check_layout(data: bytes) -> None:
    if data.startswith(ATTESTATION_MAGIC):
        if len(data) != ATTESTATION_BYTES or data[6:8] != b"\x40\x00":
            raise InvalidKeySchedule("an attestation or its signature has a wrong length")
    elif data.startswith(ENCRYPTION_MAGIC):
        if len(data) != ENCRYPTION_BYTES or any(data[6:8]):
            raise InvalidKeySchedule("encryption key data has a wrong length or reserved bytes set")
    else:
        raise InvalidKeySchedule("an entry's data is neither an attestation nor an encryption key")
    if data[5] not in set(Algorithm):
        raise InvalidKeySchedule(f"an entry names the unknown algorithm {data[5]}")


def _check_marker(marker: Marker, kind: int, algorithm: Algorithm) -> None:
    fits = {
        Marker.ACTIVE_SIGNING_KEY: kind == ATTESTATION and algorithm is Algorithm.CURVE_25519,
        Marker.ACTIVE_NOSTR_KEY: kind == ATTESTATION and algorithm is Algorithm.SECP256K1,
        Marker.ACTIVE_ENCRYPTION_KEY: kind == ENCRYPTION_KEY,
    }
    if not fits.get(marker, True):
        raise InvalidKeySchedule(f"the marker {marker.name} does not fit the entry's key")


def _signature_holds(algorithm: Algorithm, subkey: bytes, head: bytes, signature: bytes) -> bool:
    if algorithm is Algorithm.CURVE_25519:
        return _rust.verify(subkey, _rust.blake3(head, 64), signature, _CONTEXT)
    try:
        return coincurve.PublicKeyXOnly(subkey).verify(signature, _rust.blake3(head, 32))
    except ValueError:
        return False  # the bytes are no point of the curve
