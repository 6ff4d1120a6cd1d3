"""An event loop whose time is counted, not measured: when nothing is ready it jumps to the next timer.

Nothing runs beside it. What others hand to threads runs at once, on the loop;
what lies in sets is hashed by a serial number instead of by where it lies in
memory. So what happens depends on nothing but the program and what it is given.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import selectors
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple

from mosaic.errors import UsageError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_SECOND: Final = 1_000_000_000


class _NumberedTask(asyncio.Task[_T]):
    """A task that knows as which one it was made."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        *,
        loop: VirtualLoop,
        context: contextvars.Context | None,
    ) -> None:
        # First of all: the list of all tasks hashes it at once.
        self.number = loop.numbered()
        super().__init__(coroutine, loop=loop, context=context)

    def __hash__(self) -> int:
        return self.number


class _NumberedFuture(asyncio.Future[_T]):
    """A future that knows as which one it was made."""

    def __init__(self, *, loop: VirtualLoop) -> None:
        self.number = loop.numbered()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class _Jump(selectors.DefaultSelector):
    """Instead of waiting, lets the time go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise UsageError(
                "everything waits for something that can't happen any more",
                hint="Look for an event that nobody sets, or a timer that was never begun.",
            )
        if timeout > 0:
            self.now_ns += math.ceil(timeout * _SECOND)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. It begins at 0 s; `now_ns` counts on from there.

    Raises:
        UsageError: nothing is ready, and no timer is set: the program would wait forever.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        # Timers within a nanosecond are due together.
        self._clock_resolution = 1e-9
        self._numbers = 0
        self.failures: list[str] = []
        """What went wrong without anybody who would have been told."""
        self.set_task_factory(_make_task)
        self.set_exception_handler(_note_failure)

    @property
    def now_ns(self) -> int:
        """How much time has passed, in ns."""
        return self._jump.now_ns

    def time(self) -> float:
        """How much time has passed, in s."""
        return self._jump.now_ns / _SECOND

    def numbered(self) -> int:
        """The next number."""
        self._numbers += 1
        return self._numbers

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio.loop.create_future`."""
        return _NumberedFuture[Any](loop=self)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Runs it now, before this returns."""
        del executor
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - an executor hands on whatever was raised
            future.set_exception(error)
        return future


def _make_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
    context: contextvars.Context | None = None,
) -> asyncio.Task[_T]:
    assert isinstance(loop, VirtualLoop)
    return _NumberedTask(coroutine, loop=loop, context=context)


def _note_failure(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    error = context.get("exception")
    loop.failures.append(f"{context.get('message', '')}: {type(error).__name__}: {error}")


def is_repeatable() -> bool:
    """Whether texts and bytes hash alike in every process, as they must where runs are compared."""
    return not sys.flags.hash_randomization


def run(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Runs a coroutine to its end in virtual time.

    Args:
        main: Makes it.

    Raises:
        UsageError: it waits for what can't happen any more.
        Exception: whatever it raises.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
