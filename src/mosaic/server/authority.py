"""Who may sign for whom, by the key schedules in the own store.

Of all valid schedules of an author, whatever their nonce, the one with the
greatest (timestamp, id) holds. What is learned is kept until a schedule of
that author changes; all calls belong to the thread of the event loop, or to
the one writer while the loop waits for it.

Source: keyschedule.md, edition §2 (a connection counts as …), §3 (who may sign).
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from mosaic.core import core_tags, key_schedule, vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule, Standing, Verdict
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.errors import InvalidContent, InvalidKeySchedule
from mosaic.store.store import Store

_REMEMBERED: Final = 8_192
_LOOKED_AT: Final = 32
_SLICE_NS: Final = 50_000_000
_MASTERS: Final = 16
_STRANGERS: Final = 256
"""So many schedules are looked at for whom else a key signs: anybody can write one that tags it."""
_VOUCHES: Final = 8
"""So many of an author's newest Vouches count: 174,760 records."""
_VOUCHED: Final = 500_000
"""So many ids of all authors are kept at hand."""


class ScheduleSource(Protocol):
    """Where key schedules of people who live elsewhere come from; the node implements it."""

    def wanted(self, author: bytes) -> None:
        """The newest key schedule of a master key (32 bytes) is needed soon; never blocks.

        What is found comes back through intake, as everything does.
        """


class Signer(IntEnum):
    """What is known about the right of a key to sign for an author."""

    UNVERIFIED = 0
    """The author's schedule is not held: nobody knows."""
    VERIFIED = 1
    """The master itself, or a key that the schedule lists without a revocation."""
    DATED = 2
    """Revoked since a time: each record is judged by when it was made and received."""
    UNLISTED = 3
    """The schedule does not list it."""
    REVOKED = 4
    """All its records are invalid."""


_SIGNERS: Final = {
    Standing.MASTER: Signer.VERIFIED,
    Standing.ACTIVE: Signer.VERIFIED,
    Standing.OUT_OF_USE: Signer.VERIFIED,
    Standing.REVOKED_PAST: Signer.DATED,
    Standing.REVOKED_ALL: Signer.REVOKED,
    Standing.UNLISTED: Signer.UNLISTED,
}


class Held(NamedTuple):
    """A schedule with the time of its first receipt (ns)."""

    schedule: KeySchedule
    received_ns: int


class Authority:
    """Key schedules of the own store, and what follows from them.

    Args:
        store: Where the schedules are.
        served: Whether a master key (32 bytes) lives here.
        now_ns: The clock.
        fresh_ns: For how long after its receipt a schedule of somebody who lives elsewhere gives
            a connection his rights.
        source: Whom to ask for schedules that are missing or old, if anybody.
        people: The master keys (32 bytes each) of those who live here; without it, their devices are
            known as anybody else's are.
    """

    def __init__(
        self,
        store: Store,
        served: Callable[[bytes], bool],
        now_ns: Callable[[], int],
        *,
        fresh_ns: int,
        source: ScheduleSource | None = None,
        people: Callable[[], Iterable[bytes]] = tuple,
    ) -> None:
        self._store = store
        self._served = served
        self._now_ns = now_ns
        self._fresh_ns = fresh_ns
        self._source = source
        self._people = people
        self._lists: dict[bytes, tuple[bytes, ...]] = {}
        self._listed_by: dict[bytes, set[bytes]] = {}
        self._held: OrderedDict[bytes, Held | None] = OrderedDict()
        self._checked: OrderedDict[bytes, int] = OrderedDict()
        self._signers: dict[bytes, Signer] = {}
        self._vouched: OrderedDict[bytes, frozenset[bytes]] = OrderedDict()
        self._vouched_ids = 0

    def schedule_of(self, master: bytes) -> KeySchedule | None:
        """The schedule that holds for a master key (32 bytes), if one is in the store."""
        held = self._find(master)
        return None if held is None else held.schedule

    def signer(self, pair: bytes) -> Signer:
        """What is known about a signer; `pair` is author ‖ signing key (64 bytes), as in a record."""
        known = self._signers.get(pair)
        if known is not None:
            return known
        schedule = self.schedule_of(pair[:32])
        known = Signer.UNVERIFIED if schedule is None else _SIGNERS[schedule.standing(PublicKey(pair[32:]))]
        if len(self._signers) >= _REMEMBERED:
            self._signers.clear()
        self._signers[pair] = known
        return known

    def judge(self, record: bytes, received_ns: int) -> Verdict:
        """What the author's schedule makes of a valid record; VALID where none is held.

        What the author's Vouches name counts as received in time.
        """
        schedule = self.schedule_of(record[64:96])
        if schedule is None:
            return Verdict.VALID
        in_time = record[:48] in self.vouched(record[64:96])
        return schedule.judge(Record(record), 0 if in_time else received_ns)

    def vouched(self, author: bytes) -> frozenset[bytes]:
        """The ids (48 bytes each) that the newest valid Vouches of an author (32 bytes) name."""
        known = self._vouched.get(author)
        if known is None:
            known = self._read_vouches(author)
            self._vouched_ids += len(known) + 1
            while self._vouched and self._vouched_ids > _VOUCHED:
                self._forget_vouches(next(iter(self._vouched)))
            self._vouched[author] = known
        return known

    def _forget_vouches(self, author: bytes) -> None:
        known = self._vouched.pop(author, None)
        if known is not None:
            self._vouched_ids -= len(known) + 1

    def vouch_changed(self, author: bytes) -> None:
        """A Vouch of this author is about to be stored or deleted."""
        self._forget_vouches(author)

    def viewers_of(self, key: bytes | None) -> tuple[bytes, ...]:
        """What a connection counts as that has proven `key`: that key, then master keys (32 bytes each).

        A master key counts when its schedule lists the proven key as active. The
        schedule of somebody who lives elsewhere counts while its receipt, or the
        last time that it was found to be the newest, is recent enough; an older
        one is asked for again.
        """
        if key is None:
            return ()
        viewers = [key]
        for master, held in self._masters_that_list(key).items():
            if self._is_fresh(master, held):
                viewers.append(master)
            elif self._source is not None:
                self._source.wanted(master)
        return tuple(viewers)

    def is_newest(self, record: bytes) -> bool:
        """Whether a valid key schedule record is the one that holds for its author."""
        schedule = self.schedule_of(record[64:96])
        return schedule is not None and schedule.id.bytes == record[:48]

    def ask_for(self, author: bytes) -> None:
        """Asks for the schedule of an author (32 bytes) that is not held."""
        if self._source is not None:
            self._source.wanted(author)

    def recheck(self, master: bytes) -> None:
        """Asks for the newest schedule of somebody whose schedule was not checked for too long."""
        held = self._find(master)
        if self._source is not None and (held is None or not self._was_checked(master, held)):
            self._source.wanted(master)

    def confirm(self, master: bytes) -> None:
        """Another server of the author has just shown the same newest schedule again."""
        self._checked.pop(master, None)
        self._checked[master] = self._now_ns()
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)

    def changed(self, master: bytes) -> None:
        """A schedule of this author was stored or removed: what was learned from former ones is void."""
        self._held.pop(master, None)
        self._forget_devices(master)
        self._signers = {pair: known for pair, known in self._signers.items() if pair[:32] != master}

    # --- inside

    def _is_fresh(self, master: bytes, held: Held) -> bool:
        return self._served(master) or self._was_checked(master, held)

    def _was_checked(self, master: bytes, held: Held) -> bool:
        checked = max(held.received_ns, self._checked.get(master, 0))
        return self._now_ns() - checked <= self._fresh_ns

    def _read_vouches(self, author: bytes) -> frozenset[bytes]:
        """What the newest Vouches by the master name together: each revocation has brought one or more."""
        key = PublicKey(author)
        scan = self._store.scan(
            Filter.of(authors=[key], signers=[key], kinds=[VOUCH]).compiled, limit=_LOOKED_AT
        )
        ids: set[bytes] = set()
        counted, finished = 0, False
        while not finished and counted < _VOUCHES:
            found, finished = scan.records(1, _SLICE_NS)
            for _, _, data in found:
                with contextlib.suppress(InvalidContent):
                    ids |= vouch.parse(Record(data))
                    counted += 1
        return frozenset(ids)

    def _find(self, master: bytes) -> Held | None:
        try:
            held = self._held[master]
        except KeyError:
            held = self._read(master)
            if len(self._held) >= _REMEMBERED:
                self._held.popitem(last=False)
            self._held[master] = held
        return held

    def _read(self, master: bytes) -> Held | None:
        wanted = Filter.of(authors=[PublicKey(master)], kinds=[KEY_SCHEDULE]).compiled
        scan = self._store.scan(wanted, limit=_LOOKED_AT)
        finished = False
        while not finished:
            found, finished = scan.records(_LOOKED_AT, _SLICE_NS)
            for _, received_ns, data in found:
                try:
                    return Held(key_schedule.parse(Record(data)), received_ns)
                except InvalidKeySchedule:
                    continue
        return None

    def _masters_that_list(self, key: bytes) -> dict[bytes, Held]:
        """The authors whose schedule lists `key` as active.

        A subkey tag alone proves nothing, and anybody can write one: the devices of
        those who live here are known by heart, of others the newest schedules are
        looked at, a bounded number.
        """
        masters: dict[bytes, Held] = {}
        for master in (*self._people_that_list(key), *self._authors_that_tag(key)):
            if len(masters) >= _MASTERS:
                break
            held = self._find(master)
            if held is not None and held.schedule.standing(PublicKey(key)) is Standing.ACTIVE:
                masters[master] = held
        return masters

    def _people_that_list(self, key: bytes) -> tuple[bytes, ...]:
        """Of those who live here, whose schedule lists `key`."""
        for master in self._people():
            if master not in self._lists:
                schedule = self.schedule_of(master)
                keys = () if schedule is None else tuple(device.bytes for device in schedule.signing_keys())
                self._lists[master] = keys
                for device in keys:
                    self._listed_by.setdefault(device, set()).add(master)
        return tuple(master for master in self._listed_by.get(key, ()) if self._served(master))

    def _forget_devices(self, master: bytes) -> None:
        for device in self._lists.pop(master, ()):
            masters = self._listed_by[device]
            masters.discard(master)
            if not masters:
                del self._listed_by[device]

    def _authors_that_tag(self, key: bytes) -> dict[bytes, None]:
        """The authors of the newest schedules that tag `key`."""
        wanted = Filter.of(kinds=[KEY_SCHEDULE], tags=[core_tags.subkey(key)]).compiled
        scan = self._store.scan(wanted, limit=_STRANGERS)
        authors: dict[bytes, None] = {}
        finished = False
        while not finished:
            found, finished = scan.records(_LOOKED_AT, _SLICE_NS)
            authors.update((data[64:96], None) for _, _, data in found)
        return authors
