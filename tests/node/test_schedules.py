"""Key schedules of people who live elsewhere: whose come first, how many at a time, in which order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any

from mosaic.core import vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Marker
from mosaic.errors import Unreachable
from mosaic.node.schedules import Schedules
from mosaic.testing import FakeClock, Person

ANNA, BEN = Person("anna"), Person("ben")
OWN, ONE, TWO = (Person(name).key for name in ("own", "one", "two"))


class Elsewhere:
    """Outboxes of everybody, which answer when they may."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[tuple[PublicKey, PublicKey]] = []
        self.taken: list[list[bytes]] = []
        self.records: dict[PublicKey, list[Record]] = {}
        self.only: dict[PublicKey, list[Record]] = {}
        self.silent: set[PublicKey] = set()
        self.may = asyncio.Event()
        self.may.set()
        self.schedules = Schedules(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.mirror,
            self.clock.now_ns,
            own=OWN,
            served=ANNA.key_bytes.__eq__,
        )
        self._now: ContextVar[PublicKey] = ContextVar("whose servers are asked")

    async def servers_of(self, person: PublicKey, usage: object) -> Sequence[PublicKey]:
        self._now.set(person)
        return [OWN, ONE, TWO]

    @contextlib.asynccontextmanager
    async def server(self, server: PublicKey) -> AsyncIterator[Any]:
        person = self._now.get()
        self.asked.append((person, server))
        await self.may.wait()
        if server in self.silent:
            raise Unreachable("silent")
        yield Answers(self.only.get(server, self.records.get(person, [])))

    async def mirror(self, records: Sequence[bytes]) -> None:
        self.taken.append(list(records))


class Answers:
    def __init__(self, records: list[Record]) -> None:
        self._records = records

    async def query(self, wanted: Filter, limit: int) -> AsyncGenerator[Record, None]:
        for record in [one for one in self._records if wanted.matches(one)][:limit]:
            yield record


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Elsewhere]:
    elsewhere = Elsewhere()
    task = asyncio.create_task(elsewhere.schedules.run())
    try:
        yield elsewhere
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def rounds(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_next_outbox_is_asked_when_one_is_silent_and_never_the_own_server() -> None:
    async with running() as elsewhere:
        now = elsewhere.clock.now_ns()
        schedule = BEN.schedule(now)
        word = vouch.build(BEN.master, [BEN.record(now).id], now, nonce=FIXED)
        elsewhere.records[BEN.key] = [schedule, word]
        elsewhere.silent = {ONE}
        elsewhere.schedules.wanted(BEN.key_bytes)
        await rounds()
        assert elsewhere.asked == [(BEN.key, ONE), (BEN.key, TWO)]
        # The Vouch decides what the schedule removes.
        assert elsewhere.taken == [[word.data, schedule.data]]


async def test_one_outbox_that_keeps_a_revocation_back_hides_nothing() -> None:
    async with running() as elsewhere:
        now = elsewhere.clock.now_ns()
        old = BEN.schedule(now)
        new = BEN.schedule(now + 1, {"device": Marker.REVOKED_ALL}, since=now)
        elsewhere.only = {ONE: [old], TWO: [old, new]}
        elsewhere.schedules.wanted(BEN.key_bytes)
        await rounds()
        assert elsewhere.asked == [(BEN.key, ONE), (BEN.key, TWO)]
        assert {record for records in elsewhere.taken for record in records} == {old.data, new.data}


async def test_what_a_stolen_device_signed_does_not_bury_the_key_schedule() -> None:
    async with running() as elsewhere:
        now = elsewhere.clock.now_ns()
        schedule = BEN.schedule(now)
        false = [BEN.record(now + n, signer=BEN.device(), kind=VOUCH) for n in range(100)]
        elsewhere.records[BEN.key] = [*false, schedule]
        elsewhere.schedules.wanted(BEN.key_bytes)
        await rounds()
        assert elsewhere.taken == [[schedule.data]]


async def test_somebody_is_asked_for_once_in_ten_minutes() -> None:
    async with running() as elsewhere:
        for _ in range(3):
            elsewhere.schedules.wanted(BEN.key_bytes)
            await rounds()
        assert len({author for author, _ in elsewhere.asked}) == 1
        before = len(elsewhere.asked)
        elsewhere.clock.advance(seconds=601)
        elsewhere.schedules.wanted(BEN.key_bytes)
        await rounds()
        assert len(elsewhere.asked) == 2 * before


async def test_four_are_asked_at_a_time_and_whom_the_server_serves_comes_first() -> None:
    async with running() as elsewhere:
        elsewhere.may.clear()
        crowd = [Person(f"crowd {n}") for n in range(300)]
        for person in crowd:
            elsewhere.schedules.wanted(person.key_bytes)
        await rounds()
        assert len({author for author, _ in elsewhere.asked}) == 4
        elsewhere.schedules.wanted(ANNA.key_bytes)
        elsewhere.may.set()
        await rounds(20)
        order = list(dict.fromkeys(author for author, _ in elsewhere.asked))
        assert ANNA.key in order[4:9]
        await rounds(5_000)
        # A few hundred wait, no more.
        assert 256 <= len({author for author, _ in elsewhere.asked}) <= 262
