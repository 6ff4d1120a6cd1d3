"""A server that says nothing after it was told something is doubted in time, and one that speaks is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.client.virtual_time import run

from mosaic.client.silence import Silence

MOST_S = 10.0


def doubts(script: Callable[[Silence], Awaitable[None]], busy_s: float = 0.0) -> list[float]:
    """When the silence was doubted while a script went on, in seconds."""

    async def play() -> list[float]:
        loop = asyncio.get_running_loop()
        found: list[float] = []
        silence = Silence(MOST_S, lambda: loop.time() < busy_s)
        silence.doubt = lambda: found.append(round(loop.time()))
        await script(silence)
        await asyncio.sleep(100 * MOST_S)
        silence.end()
        return found

    return run(play())


@pytest.mark.claim("C83")
def test_who_says_nothing_is_doubted_once() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)
        await asyncio.sleep(5)
        silence.said(100)

    assert doubts(script) == [10]


def test_who_answers_is_not_doubted_and_what_is_said_later_counts_from_then_on() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)
        await asyncio.sleep(1)
        silence.heard()
        await asyncio.sleep(3)
        silence.said(100)

    assert doubts(script) == [14]


def test_nobody_is_doubted_to_whom_nothing_was_said() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)
        silence.heard()

    assert doubts(script) == []


def test_what_is_long_takes_its_time() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)
        silence.said(20 * 32_768)

    assert doubts(script) == [30]


def test_where_something_long_is_under_way_nobody_is_doubted_yet() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)

    assert doubts(script, busy_s=35.0) == [40]


def test_where_the_connection_is_over_nobody_is_doubted() -> None:
    async def script(silence: Silence) -> None:
        silence.said(100)
        silence.end()

    assert doubts(script) == []
