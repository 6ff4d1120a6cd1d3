from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from tests.client.test_dialling import trip
from tests.client.virtual_time import elapsed

from mosaic.client.race import race


class Field:
    """Attempts that take their time, and what became of them."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []
        self.cancelled: list[str] = []
        self.dropped: list[str] = []

    def runner(
        self, name: str, takes_s: float, *, wins: bool = True, stubborn: bool = False, error: bool = False
    ) -> Callable[[], Coroutine[object, None, str | None]]:
        async def run() -> str | None:
            self.begun.append((name, round(elapsed(), 3)))
            try:
                await asyncio.sleep(takes_s)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                if not stubborn:
                    raise
            if error:
                raise ValueError(name)
            return name if wins else None

        return run

    async def race(self, *attempts: Callable[[], Coroutine[object, None, str | None]]) -> str | None:
        return await race(attempts, pause_s=1.0, drop=self.dropped.append)


@trip
async def test_the_first_has_the_field_for_itself_a_while() -> None:
    field = Field()
    assert await field.race(field.runner("a", 0.9), field.runner("b", 0)) == "a"
    assert field.begun == [("a", 0)]


@trip
async def test_later_ones_begin_after_pauses_and_the_others_are_cancelled() -> None:
    field = Field()
    assert await field.race(field.runner("a", 9), field.runner("b", 9), field.runner("c", 0.5)) == "c"
    assert field.begun == [("a", 0), ("b", 1), ("c", 2)]
    assert sorted(field.cancelled) == ["a", "b"]
    assert field.dropped == []


@trip
async def test_a_failure_lets_the_next_begin_at_once() -> None:
    field = Field()
    lost = field.runner("a", 0.25, wins=False)
    assert await field.race(lost, field.runner("b", 0)) == "b"
    assert field.begun == [("a", 0), ("b", 0.25)]


@trip
async def test_nobody_wins() -> None:
    field = Field()
    assert await field.race(field.runner("a", 3, wins=False), field.runner("b", 1, wins=False)) is None
    assert await field.race() is None


@trip
async def test_of_two_winners_one_is_dropped() -> None:
    field = Field()
    winner = await field.race(field.runner("a", 2), field.runner("b", 1))
    assert {winner, *field.dropped} == {"a", "b"}
    assert len(field.dropped) == 1


@trip
async def test_who_wins_while_being_cancelled_is_dropped() -> None:
    field = Field()
    assert await field.race(field.runner("a", 5, stubborn=True), field.runner("b", 0)) == "b"
    assert field.dropped == ["a"]


@trip
async def test_whoever_is_cancelled_leaves_nobody_running() -> None:
    field = Field()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await field.race(field.runner("a", 9, stubborn=True), field.runner("b", 9))
    assert sorted(field.cancelled) == ["a", "b"]
    assert field.dropped == ["a"]


@trip
async def test_an_error_ends_the_race() -> None:
    field = Field()
    with pytest.raises(ValueError, match="b"):
        await field.race(field.runner("a", 9), field.runner("b", 0, error=True))
    assert field.cancelled == ["a"]
