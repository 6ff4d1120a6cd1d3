"""Who waits for an answer that names what it answers: a record or a blob.

Source: messages.md (SUBMISSION RESULT, BLOB RESULT, BLOB): an answer carries
the id or the hash, no number of a question.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Generic, TypeVar

from mosaic.errors import MosaicError

_T = TypeVar("_T")


class Waiting(Generic[_T]):
    """Those who wait, in the order in which they asked; several may ask for the same."""

    def __init__(self) -> None:
        self._futures: dict[bytes, list[asyncio.Future[_T]]] = {}

    def __bool__(self) -> bool:
        return bool(self._futures)

    @contextlib.contextmanager
    def answer(self, key: bytes) -> Iterator[asyncio.Future[_T]]:
        """A place in the queue for what `key` names, given up on leaving."""
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(key, []).append(future)
        try:
            yield future
        finally:
            futures = self._futures.get(key)
            if futures is not None and future in futures:
                futures.remove(future)
                if not futures:
                    del self._futures[key]

    def resolve(self, key: bytes, answer: _T) -> bool:
        """Gives an answer to whoever has waited longest for it; whether anybody had."""
        for future in self._futures.get(key, ()):
            if not future.done():
                future.set_result(answer)
                return True
        return False

    def fail(self, error: MosaicError) -> None:
        """Ends all waiting with an error."""
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # perhaps nobody waits any more
        self._futures.clear()
