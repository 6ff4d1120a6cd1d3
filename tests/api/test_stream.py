"""Streams: what they give, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from mosaic.api.stream import LIVE, Live, Stream
from mosaic.errors import Refused, UsageError


class Source:
    """Gives what a test puts in; an error ends it."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[int | Live | Exception] = asyncio.Queue()
        self.ended = False

    async def read(self) -> AsyncGenerator[int | Live, None]:
        try:
            while True:
                item = await self.items.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.ended = True


async def some(*items: int) -> AsyncGenerator[int | Live, None]:
    for item in items:
        yield item


async def test_what_is_there_is_given_and_ends() -> None:
    stream = Stream(some(1, 2, 3))
    assert [item async for item in stream] == [1, 2, 3]
    assert [item async for item in stream] == []


async def test_a_block_begins_when_everything_is_sure_to_come() -> None:
    source = Source()
    stream = Stream(source.read(), lives=True)
    entering = asyncio.create_task(stream.__aenter__())
    await asyncio.sleep(0)
    source.items.put_nowait(1)
    await asyncio.sleep(0)
    assert not entering.done()
    source.items.put_nowait(LIVE)
    await entering
    assert await anext(stream) == 1
    await stream.aclose()
    assert source.ended


async def test_who_gives_up_waiting_loses_nothing() -> None:
    source = Source()
    async with Stream(source.read()) as stream:
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        source.items.put_nowait(7)
        assert await anext(stream) == 7


async def test_an_error_comes_after_what_came_before_it() -> None:
    source = Source()
    stream = Stream(source.read())
    source.items.put_nowait(1)
    source.items.put_nowait(Refused("no", result=33))
    assert await anext(stream) == 1
    with pytest.raises(Refused):
        await anext(stream)
    assert await anext(stream, None) is None


async def test_a_block_does_not_begin_with_an_error() -> None:
    source = Source()
    source.items.put_nowait(Refused("no", result=33))
    with pytest.raises(Refused):
        async with Stream(source.read(), lives=True):
            raise AssertionError("it began")
    assert source.ended


async def test_a_reader_who_does_not_read_holds_the_source_back_and_can_leave() -> None:
    source = Source()
    async with Stream(source.read()) as stream:
        for number in range(1_000):
            source.items.put_nowait(number)
        assert await anext(stream) == 0
        for _ in range(200):
            await asyncio.sleep(0)
        assert source.items.qsize() > 900
    assert source.ended
    with pytest.raises(UsageError):
        await stream.__aenter__()


async def test_one_that_never_began_is_closed_as_well() -> None:
    closed: list[object] = []
    stream = Stream(some(1), closed.append)
    await stream.aclose()
    await stream.aclose()
    assert closed == [stream, stream]
    assert [item async for item in stream] == []


async def test_a_block_begins_however_much_was_stored() -> None:
    source = Source()
    for number in range(1_000):
        source.items.put_nowait(number)
    source.items.put_nowait(LIVE)
    source.items.put_nowait(1_000)
    found = []
    async with asyncio.timeout(10), Stream(source.read(), lives=True) as stream:
        async for item in stream:
            found.append(item)
            if item == 1_000:
                break
    assert found == list(range(1_001))


async def test_who_gives_up_before_the_block_begins_leaves_nothing_behind() -> None:
    source = Source()
    stream = Stream(source.read(), lives=True)
    entering = asyncio.create_task(stream.__aenter__())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert source.ended
