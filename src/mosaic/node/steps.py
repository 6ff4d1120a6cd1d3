"""Long work in a thread, one step after another, that ends cleanly when nobody waits for it any more.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

_T = TypeVar("_T")


async def in_thread(steps: Generator[_T]) -> AsyncGenerator[_T, None]:
    """Runs each step of a generator in a thread and gives what it yields.

    A step that is under way when the caller is cancelled is waited for, and
    then the generator is closed: its `finally` parts always run.
    """
    done = object()

    def step() -> _T | object:
        return next(steps, done)

    try:
        while True:
            running = asyncio.ensure_future(asyncio.to_thread(step))
            try:
                item = await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                raise
            if item is done:
                return
            yield item  # type: ignore[misc]
    finally:
        steps.close()
