from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.core.makers import MASTER, NOW, OTHER, STRANGER, SUBKEY, post

from mosaic.client.authority import Authority
from mosaic.core import key_schedule, kinds, vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.filter_element import ReceivedUntil
from mosaic.core.key_schedule import Entry, Marker
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.reference import Id

MINUTE = 60 * 10**9


class Shelf:
    """A server as the authority asks it: records with the times at which it received them."""

    def __init__(self, *held: tuple[Record, int]) -> None:
        self.held = list(held)
        self.asked: list[Filter] = []
        self.server_key: PublicKey | None = None

    async def query(self, wanted: Filter, limit: int = 0) -> AsyncIterator[Record]:
        self.asked.append(wanted)
        for record, received_ns in self.held:
            if wanted.matches(record, received_ns):
                yield record


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def schedule(marker: Marker = Marker.ACTIVE_SIGNING_KEY, since: int = 0, *, at: int = NOW) -> Record:
    entry = Entry.signing(key_schedule.attest(SUBKEY, MASTER.public), marker, since)
    return key_schedule.build(MASTER, [entry], at)


OWN = post(MASTER)
LISTED = post(SUBKEY)
UNLISTED = post(OTHER)


@pytest.mark.claim("C2", "C25")
async def test_a_reader_shows_what_the_master_or_a_listed_key_signed() -> None:
    shelf = Shelf((schedule(), NOW))
    accepted = await Authority(Clock()).accepted(shelf, [OWN, LISTED, UNLISTED])
    assert accepted == [OWN, LISTED]


async def test_without_a_schedule_only_the_master_counts() -> None:
    assert await Authority(Clock()).accepted(Shelf(), [OWN, LISTED]) == [OWN]


async def test_a_schedule_that_somebody_else_made_does_not_count() -> None:
    entry = Entry.signing(key_schedule.attest(SUBKEY, STRANGER.public))
    foreign = key_schedule.build(STRANGER, [entry], NOW)
    assert await Authority(Clock()).accepted(Shelf((foreign, NOW)), [LISTED]) == []


@pytest.mark.parametrize("kind", [kinds.PROFILE, kinds.KEY_SCHEDULE])
@pytest.mark.claim("C3")
async def test_profiles_and_schedules_must_be_the_masters(kind: Kind) -> None:
    forged = post(SUBKEY, kind=kind)
    assert await Authority(Clock()).accepted(Shelf((schedule(), NOW)), [forged]) == []


@pytest.mark.claim("C6")
async def test_a_key_that_is_revoked_wholly_counts_no_more() -> None:
    shelf = Shelf((schedule(Marker.REVOKED_ALL, NOW), NOW), (LISTED, NOW - MINUTE))
    assert await Authority(Clock()).accepted(shelf, [OWN, LISTED]) == [OWN]


@pytest.mark.claim("C6", "C7")
async def test_since_a_revocation_the_time_of_receipt_decides() -> None:
    revoked = schedule(Marker.REVOKED_PAST, NOW + MINUTE, at=NOW + 2 * MINUTE)
    in_time, too_late = post(SUBKEY, payload=b"in time"), post(SUBKEY, payload=b"dated back")
    shelf = Shelf((revoked, NOW + 2 * MINUTE), (in_time, NOW + 1), (too_late, NOW + 3 * MINUTE))
    clock = Clock()
    clock.now = NOW + 10 * MINUTE
    assert await Authority(clock).accepted(shelf, [in_time, too_late]) == [in_time]
    asked = [element for wanted in shelf.asked for element in wanted.elements]
    assert any(isinstance(element, ReceivedUntil) for element in asked)


@pytest.mark.claim("C8")
async def test_when_something_was_received_the_outboxes_of_its_author_say_and_nobody_else() -> None:
    dated = post(SUBKEY, timestamp=NOW - MINUTE)
    shelf = Shelf((schedule(Marker.REVOKED_PAST, NOW - 1), NOW), (dated, NOW - MINUTE))
    for known, accepted in (((), True), ((OTHER.public,), True), ((STRANGER.public,), False)):
        shelf.server_key = OTHER.public
        authority = Authority(Clock(), outboxes=lambda _, known=known: known)  # type: ignore[misc]
        assert await authority.accepted(shelf, [dated]) == [dated] * accepted


async def test_a_reader_never_goes_back_behind_a_schedule_that_it_has_seen() -> None:
    authority = Authority(Clock())
    authority.learn(schedule(Marker.REVOKED_ALL, NOW, at=NOW + 1))
    authority.learn(schedule(at=NOW))
    assert await authority.accepted(Shelf((schedule(at=NOW), NOW)), [LISTED]) == []


async def test_schedules_are_asked_for_once_a_minute_at_most() -> None:
    shelf, clock = Shelf(), Clock()
    authority = Authority(clock)
    for _ in range(3):
        assert await authority.accepted(shelf, [LISTED]) == []
    assert len(shelf.asked) == 1
    shelf.held.append((schedule(), NOW))
    clock.now += MINUTE
    assert await authority.accepted(shelf, [LISTED]) == [LISTED]
    assert await authority.accepted(shelf, [LISTED]) == [LISTED]
    assert len(shelf.asked) == 2


async def test_the_schedules_of_many_authors_are_asked_for_in_few_questions() -> None:
    authors = [SecretKey.from_seed(bytes([number + 20]) * 32) for number in range(130)]
    shelf = Shelf()
    await Authority(Clock()).accepted(shelf, [post(SUBKEY, author=author) for author in authors])
    assert len(shelf.asked) == 3


@pytest.mark.claim("C6", "C7")
async def test_what_the_master_vouches_for_counts_wherever_it_comes_from() -> None:
    clock = Clock()
    revoked = schedule(Marker.REVOKED_PAST, NOW + 1)
    word = vouch.build(MASTER, [LISTED.id], NOW + 2, nonce=FIXED)
    clock.now = NOW + MINUTE
    # A server that has it only since the revocation.
    late = (LISTED, NOW + MINUTE)
    assert await Authority(clock).accepted(Shelf((revoked, NOW), late), [LISTED]) == []
    assert await Authority(clock).accepted(Shelf((revoked, NOW), (word, NOW), late), [LISTED]) == [LISTED]
    forged = post(SUBKEY, kind=VOUCH, payload=LISTED.id.bytes)
    assert await Authority(clock).accepted(Shelf((revoked, NOW), (forged, NOW), late), [LISTED]) == []


async def test_what_authors_vouch_for_is_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.client.authority._MOST_VOUCHED", 20)
    clock = Clock()
    clock.now = NOW + MINUTE
    authority = Authority(clock)

    def revoked_by(master: SecretKey) -> tuple[Record, Record]:
        entry = Entry.signing(key_schedule.attest(SUBKEY, master.public), Marker.REVOKED_PAST, NOW + 1)
        return key_schedule.build(master, [entry], NOW), post(SUBKEY, author=master)

    last = SecretKey.from_seed(bytes([30]) * 32)
    for master in (*(SecretKey.from_seed(bytes([number]) * 32) for number in range(1, 30)), last):
        revoked, late = revoked_by(master)
        others = [Id(bytes([number]) * 48) for number in range(6)]
        word = vouch.build(master, [late.id, *others], NOW + 2, nonce=FIXED)
        shelf = Shelf((revoked, NOW), (word, NOW), (late, NOW + MINUTE))
        assert await authority.accepted(shelf, [late]) == [late]
    assert 1 <= len(authority._vouches) <= 3
    # Who vouches without end is asked again, and believed in the newest.
    clock.now += 2 * MINUTE
    revoked, late = revoked_by(last)
    many = [Id(bytes([number]) * 48) for number in range(100, 119)]
    more = vouch.build(last, [late.id, *many], NOW + 9, nonce=FIXED)
    shelf = Shelf((revoked, NOW), (more, NOW), (late, NOW + MINUTE))
    assert await authority.accepted(shelf, [late]) == [late]
    assert sum(len(ids) for _, ids in authority._vouches.values()) <= 20
