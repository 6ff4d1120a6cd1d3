"""What comes as it happens: an async iterator that can be left at any time.

    async with client.mentions() as mentions:
        async for post in mentions:
            …

A task of its own reads, so that whoever waits for the next item may give up
waiting (`asyncio.timeout`) and ask again later: nothing is lost by that.

Source: this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from mosaic.errors import UsageError

_T = TypeVar("_T")

_AHEAD: Final = 64


class Live:
    """What stands among the items where the stored ones end: from here on they come as they happen."""


LIVE: Final = Live()
"""The one of its kind."""


class _End:
    """Nothing more comes."""


_END: Final = _End()


class Stream(Generic[_T]):
    """Items as they come. Ends when it is closed, by itself where all was told, or with an error.

    Used with `async with`, the block begins when what happens from then on is
    sure to come, and leaving it closes the stream. Used with `async for`
    alone, it is closed with its client.

    Args:
        items: Gives them; `LIVE` among them marks where the stored ones end.
        closed: Told when the stream is closed.
        lives: Whether `LIVE` comes, which `async with` waits for.
    """

    def __init__(
        self,
        items: AsyncGenerator[_T | Live, None],
        closed: Callable[[Stream[_T]], None] = lambda _: None,
        *,
        lives: bool = False,
    ) -> None:
        self._items = items
        self._closed = closed
        self._queue: asyncio.Queue[_T | _End] = asyncio.Queue(_AHEAD)
        self._live = asyncio.Event()
        self._lives = lives
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T:
        if self._over:
            raise StopAsyncIteration
        self._begin()
        item = await self._queue.get()
        if not isinstance(item, _End):
            return item
        self._over = True
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        if self._over:
            raise UsageError("this stream was closed", hint="Ask the client for another one.")
        self._begin()
        if self._lives:
            try:
                await self._live.wait()
            except BaseException:
                await self.aclose()
                raise
        if self._error is not None:
            await self.aclose()
            raise self._error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends it; whoever waits for the next item hears that there is none. May be called again."""
        self._over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        else:
            await self._items.aclose()
        self._closed(self)

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="stream")

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._items) as items:
                async for item in items:
                    if isinstance(item, Live):
                        self._live.set()
                    else:
                        if self._queue.full():
                            # More was stored than fits: it has to be read before anything goes on.
                            self._live.set()
                        await self._queue.put(item)
        except Exception as error:  # noqa: BLE001 - whoever reads the stream gets it
            self._error = error
        finally:
            self._live.set()
            await self._end()

    async def _end(self) -> None:
        if self._over and self._queue.full():
            # Closed: what was not read yet is of no use, and whoever waits is to hear the end.
            self._queue.get_nowait()
        await self._queue.put(_END)
