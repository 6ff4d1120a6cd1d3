"""Handing on: in the order of the log, in parts that let others have their turn."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from mosaic.server.batch import Committed
from mosaic.server.publisher import Publisher
from mosaic.server.subscriptions import Subscriptions


class Reached:
    """Stands for subscriptions: so many of them are reached by each record."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.parts: list[list[int]] = []
        self.handed: list[int] = []

    def __bool__(self) -> bool:
        return True

    def reach(
        self, records: list[bytes], _received: list[int], positions: list[int], labels: bytes, _former: bytes
    ) -> int:
        assert len(records) == len(positions) == len(labels)
        self.parts.append(positions)
        return self.each * len(records)

    def handed_on(self, position: int) -> None:
        self.handed.append(position)


def committed(count: int) -> Committed:
    positions = list(range(100, 100 + count))
    return Committed([b""] * count, [0] * count, positions, bytes(count), 100 + count)


@pytest.mark.parametrize(("each", "later"), [(0, 64), (10, 64), (500, 4), (100_000, 1)])
async def test_the_more_a_record_reaches_the_fewer_are_handed_on_at_once(each: int, later: int) -> None:
    subscriptions = Reached(each)
    publisher = Publisher(cast("Subscriptions", subscriptions))
    publisher.start()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await publisher.publish(committed(200))
    await publisher.drained()
    beside.cancel()
    await publisher.stop()
    assert [position for part in subscriptions.parts for position in part] == list(range(100, 300))
    assert [len(part) for part in subscriptions.parts[:2]] == [64, later]
    # What is opened between two parts reads from the store what lies before the next one.
    ends = [part[-1] + 1 for part in subscriptions.parts]
    assert subscriptions.handed == [*ends, 300]
    assert turns >= min(136, each * 200 // 130_000)
