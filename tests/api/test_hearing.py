"""Who listens without a home hears on when a server goes away in the wrong moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from mosaic.api.hearing import _Heard
from mosaic.api.links import Links
from mosaic.client.answers import CaughtUp
from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.errors import Disconnected
from mosaic.node.clock import Clock
from mosaic.testing import Person


class Server:
    """Gives a record as it comes, and after that nothing."""

    server_key = None
    held_since_ns = None

    def __init__(self, record: Record) -> None:
        self._record = record

    async def subscribe(self, _wanted: Filter, _limit: int = 0) -> AsyncGenerator[Record | CaughtUp, None]:
        yield CaughtUp()
        yield self._record
        await asyncio.get_running_loop().create_future()


class Judge:
    """Can't be asked at first."""

    def __init__(self, failures: int) -> None:
        self._failures = failures

    async def accepted(self, _source: object, records: Sequence[Record]) -> list[Record]:
        self._failures -= 1
        if self._failures >= 0:
            raise Disconnected("the server is gone")
        return list(records)


async def test_what_came_is_told_though_nobody_could_be_asked_at_first_who_signs() -> None:
    anna, clock = Person("anna"), Clock()
    record = anna.record(kind=MICROBLOG, timestamp=clock.now_ns(), payload=b"hello")

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        yield cast("Any", Server(record))

    links = SimpleNamespace(clock=clock, backoff=Backoff(bytes, 0.001, 0.001), authority=Judge(2))
    heard = _Heard(cast("Links", links))
    try:
        heard.add(anna.key, connect, Filter.of(authors=[anna.key]), since=None)
        async with asyncio.timeout(20):
            while (found := await heard.next(asyncio.Event())) is None:
                pass
        assert found == record
    finally:
        await heard.stop()
