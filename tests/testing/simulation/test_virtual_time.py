"""Virtual time: hours pass at once, timers come in order, and what runs in threads elsewhere does so too."""

from __future__ import annotations

import asyncio
import time

import pytest

from mosaic.errors import UsageError
from mosaic.testing.simulation.virtual_time import VirtualLoop, run


def test_a_day_passes_at_once_and_the_time_is_that_of_the_timers() -> None:
    async def main() -> list[tuple[float, str]]:
        told: list[tuple[float, str]] = []

        async def wait(name: str, pause_s: float) -> None:
            await asyncio.sleep(pause_s)
            told.append((asyncio.get_running_loop().time(), name))

        await asyncio.gather(wait("day", 86_400), wait("second", 1), wait("hour", 3_600))
        return told

    began = time.monotonic()
    told = run(main)
    assert [name for _, name in told] == ["second", "hour", "day"]
    assert [at for at, _ in told] == pytest.approx([1, 3_600, 86_400], abs=1e-6)
    assert time.monotonic() - began < 60


def test_what_goes_to_threads_is_done_when_the_call_returns() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        work = asyncio.get_running_loop().run_in_executor(None, told.append, "in the thread")
        told.append("after the call")
        await work
        await asyncio.to_thread(told.append, "in another")
        return told

    assert run(main) == ["in the thread", "after the call", "in another"]


def test_an_error_in_a_thread_comes_to_whoever_waits() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    run(main)


def test_tasks_in_a_set_come_in_the_order_in_which_they_were_made() -> None:
    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(100)}
        done, _ = await asyncio.wait(tasks)
        return [task.get_name() for task in sorted(done, key=hash)]

    assert run(main) == [str(number) for number in range(100)]


def test_waiting_for_what_can_not_happen_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(UsageError, match="can't happen"):
        run(main)


def test_what_fails_unseen_is_noted() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)
        assert isinstance(loop, VirtualLoop)
        return loop.failures

    (failure,) = run(main)
    assert "ZeroDivisionError" in failure
