"""Key schedules: which keys may sign for an author, and since when they may not.

A schedule is a record of the author, signed by the master key. Each entry
(`schedule_entry`) lists a subkey with a marker; every subkey also stands in a
subkey tag, so that servers can find schedules by subkey.

Whose word counts is judged by the time of *receipt* as well as by the
record's own time, since a thief can date what he signs as he likes. Where two
entries contradict each other about one key, the strictest holds.

Source: keyschedule.md; edition §3 (Who may sign, Revocation), §5 (Y1 to Y4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from mosaic.core import builder, core_tags, foreign_schedule
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.schedule_entry import (
    ATTESTATION,
    ENCRYPTION_KEY,
    Algorithm,
    Entry,
    Marker,
    attest,
    entries_from_payload,
)
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import ForeignKeySchedule, InvalidContent, InvalidKeySchedule, UsageError

__all__ = ["Entry", "KeySchedule", "Marker", "Standing", "Verdict", "attest", "build", "parse"]

MAX_ENCRYPTION_KEYS: Final = 16
"""To so many keys of one recipient is anything encrypted: the newest."""


class Standing(IntEnum):
    """What a schedule says about a key as a signer, from the strictest down."""

    REVOKED_ALL = 0
    REVOKED_PAST = 1
    OUT_OF_USE = 2
    ACTIVE = 3
    MASTER = 4
    UNLISTED = 5


class Verdict(Enum):
    """What a schedule makes of a record."""

    VALID = "valid"
    UNLISTED = "unlisted"
    """The signer is not in the schedule."""
    REVOKED = "revoked"
    """The signer's revocation makes this record invalid."""


_STANDINGS: Mapping[Marker, Standing] = {
    Marker.REVOKED_ALL: Standing.REVOKED_ALL,
    Marker.REVOKED_PAST: Standing.REVOKED_PAST,
    Marker.OUT_OF_USE: Standing.OUT_OF_USE,
    Marker.ACTIVE_SIGNING_KEY: Standing.ACTIVE,
}


@dataclass(frozen=True)
class KeySchedule:
    """A verified key schedule.

    Args:
        master: The author's master key.
        id: The id of the record that it came in; its timestamp says how new it is.
        entries: In the order of the payload, the newest last as we write them.
    """

    master: PublicKey
    id: Id
    entries: tuple[Entry, ...]
    _signers: dict[bytes, tuple[Standing, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        signers: dict[bytes, tuple[Standing, int]] = {}
        for entry in self.entries:
            if entry.kind != ATTESTATION or entry.algorithm is not Algorithm.CURVE_25519:
                continue
            # The lower the pair, the stricter: first what is said, then how early it begins.
            said = (_STANDINGS[entry.marker], int(entry.timestamp))
            signers[entry.subkey] = min(said, signers.get(entry.subkey, said))
        object.__setattr__(self, "_signers", signers)

    @property
    def timestamp(self) -> Timestamp:
        """When it was made."""
        return self.id.timestamp

    def supersedes(self, other: KeySchedule) -> bool:
        """Whether this one holds rather than `other` of the same author: the greater (timestamp, id)."""
        return self.id > other.id

    def standing(self, signer: PublicKey) -> Standing:
        """What the schedule says about a signing key."""
        if signer == self.master:
            return Standing.MASTER
        return self._signers.get(signer.bytes, (Standing.UNLISTED, 0))[0]

    def may_sign(self, signer: PublicKey) -> bool:
        """Whether a key is in use now: the master or an active subkey."""
        return self.standing(signer) in {Standing.MASTER, Standing.ACTIVE}

    def judge(self, record: Record, received_ns: int) -> Verdict:
        """What the schedule makes of a record of its author.

        Args:
            record: A valid record by this author.
            received_ns: When it was first received, ns; that never moves.

        Raises:
            UsageError: the record is somebody else's.
        """
        if record.author_bytes != self.master.bytes:
            raise UsageError("the record is not by this schedule's author")
        if record.signer_bytes == self.master.bytes:
            return Verdict.VALID
        standing, since = self._signers.get(record.signer_bytes, (Standing.UNLISTED, 0))
        if standing is Standing.UNLISTED:
            return Verdict.UNLISTED
        if standing is Standing.REVOKED_ALL:
            return Verdict.REVOKED
        if standing is Standing.REVOKED_PAST and max(record.timestamp, received_ns) > since:
            return Verdict.REVOKED
        return Verdict.VALID

    def revoked_past(self, signer: PublicKey) -> int | None:
        """Since when (ns) what a key signs or signed is invalid, if its revocation has such a time."""
        standing, since = self._signers.get(signer.bytes, (Standing.UNLISTED, 0))
        return since if standing is Standing.REVOKED_PAST else None

    def was_in_use(self, signer: PublicKey, when: int) -> bool:
        """Whether a key was one to act with at some time.

        The master and active keys always; a key out of use until then, or
        always if the schedule gives no time; a key revoked since a time until
        that time; all others never.

        Args:
            signer: The key.
            when: The time, ns.
        """
        if signer == self.master:
            return True
        standing, since = self._signers.get(signer.bytes, (Standing.UNLISTED, 0))
        if standing is Standing.OUT_OF_USE:
            return not since or when <= since
        return standing is Standing.ACTIVE or (standing is Standing.REVOKED_PAST and when <= since)

    def signing_keys(self) -> tuple[PublicKey, ...]:
        """The active signing subkeys, in the order of their first entries."""
        active = (key for key, (standing, _) in self._signers.items() if standing is Standing.ACTIVE)
        return tuple(PublicKey(key) for key in active)

    def encryption_keys(self) -> tuple[bytes, ...]:
        """The active X25519 keys (32 bytes each) to encrypt to: the 16 newest, each once."""
        entries = [
            entry
            for entry in self.entries
            if entry.kind == ENCRYPTION_KEY and entry.algorithm is Algorithm.CURVE_25519
        ]
        ended = {entry.subkey for entry in entries if entry.marker is not Marker.ACTIVE_ENCRYPTION_KEY}
        active = dict.fromkeys(entry.subkey for entry in entries if entry.subkey not in ended)
        return tuple(active)[-MAX_ENCRYPTION_KEYS:]

    def nostr_keys(self) -> tuple[bytes, ...]:
        """The active nostr keys (x-only secp256k1, 32 bytes each), each once."""
        entries = [
            entry
            for entry in self.entries
            if entry.kind == ATTESTATION and entry.algorithm is Algorithm.SECP256K1
        ]
        ended = {entry.subkey for entry in entries if entry.marker is not Marker.ACTIVE_NOSTR_KEY}
        return tuple(dict.fromkeys(entry.subkey for entry in entries if entry.subkey not in ended))


def parse(record: Record) -> KeySchedule:
    """Reads and verifies the key schedule in a valid record.

    Raises:
        ForeignKeySchedule: it has the 48-byte entries of an older format.
        InvalidKeySchedule: another kind, not signed by the master, an entry breaks a rule, an
            attestation is false, or a subkey has no tag.
    """
    if record.kind != KEY_SCHEDULE:
        raise InvalidKeySchedule("the record is of another kind than a key schedule")
    if record.signer_bytes != record.author_bytes:
        raise InvalidKeySchedule("a key schedule must be signed by the master key itself")
    try:
        return _verified(record)
    except InvalidKeySchedule:
        _raise_if_foreign(record)
        raise


def build(
    master: SecretKey,
    entries: Iterable[Entry],
    timestamp: int,
    *,
    nonce: bytes = FIXED,
) -> Record:
    """Builds the key schedule record of an author; it replaces the former one.

    Args:
        master: The author's master key.
        entries: All keys that the schedule lists, the newest last.
        timestamp: When it is made, ns; must be later than the former one's.
        nonce: The fixed one of a record of which an author has one.

    Raises:
        InvalidKeySchedule: an attestation is not for this master, or not by its subkey.
        RecordTooLong: more entries than a record holds.
    """
    entries = tuple(entries)
    for entry in entries:
        entry.verify(master.public)
    return builder.build(
        master,
        kind=KEY_SCHEDULE,
        nonce=nonce,
        timestamp=timestamp,
        tags=tags_for(entries),
        payload=b"".join(entry.encode() for entry in entries),
    )


def tags_for(entries: Iterable[Entry]) -> tuple[Tag, ...]:
    """A subkey tag for each subkey that is listed, once, in order."""
    return tuple(core_tags.subkey(key) for key in dict.fromkeys(entry.subkey for entry in entries))


def _verified(record: Record) -> KeySchedule:
    try:
        payload = record.content()
    except InvalidContent as error:
        raise InvalidKeySchedule(f"the key schedule can't be unpacked: {error}") from error
    entries = tuple(entries_from_payload(payload))
    master = record.author
    tagged = set(core_tags.subkeys(record))
    for entry in entries:
        if entry.subkey not in tagged:
            raise InvalidKeySchedule("a subkey has no subkey tag")
        entry.verify(master)
    return KeySchedule(master, record.id, entries)


def _raise_if_foreign(record: Record) -> None:
    try:
        entries = foreign_schedule.read(record)
    except InvalidKeySchedule:
        return
    raise ForeignKeySchedule(
        f"the key schedule has {len(entries)} entries of an older format (48 bytes each)"
    )
