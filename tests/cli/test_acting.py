"""Commands that give one object after another, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from mosaic.cli.acting import _stepwise
from mosaic.node.control import JsonObject


def test_a_step_that_was_cancelled_is_an_interrupt_and_what_it_held_is_released() -> None:
    released = []

    async def items() -> AsyncGenerator[JsonObject, None]:
        try:
            yield {"n": 1}
            # As the runner leaves it when the interrupt comes just before a step begins.
            raise asyncio.CancelledError
        finally:
            released.append(True)

    steps = _stepwise(items())
    assert next(steps) == {"n": 1}
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert released == [True]
