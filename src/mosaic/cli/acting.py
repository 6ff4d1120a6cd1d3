"""How a command gets its work done: in the running node, in the home itself, or without a home.

A command that finds HOME/lock held asks the node over HOME/node.sock. One that
finds it free opens the home, acts and closes it again. Both run the same acts.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mosaic.cli.configuring import file_of, settings_of
from mosaic.cli.output import notice
from mosaic.cli.reaching import from_environment
from mosaic.client.authority import Authority
from mosaic.client.link_pool import LinkPool
from mosaic.errors import HomeInUse
from mosaic.node.acts import Acts
from mosaic.node.arguments import Arguments
from mosaic.node.clock import Clock
from mosaic.node.control import Act, JsonObject, ask, reach
from mosaic.node.crash_report import tell_of_loop
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.stranger import StrangerActs
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

Items = AsyncGenerator[JsonObject, None]
_Ask: TypeAlias = Callable[[str, JsonObject], Items]

# Another command may hold the home for a moment.
_PATIENCE_S = 15.0
_PAUSE_S = 0.05


def act(
    home: Home, name: str, arguments: JsonObject, *, working: bool = False, dht: str | None = "off"
) -> Iterator[JsonObject]:
    """Runs one act and gives its objects as they come.

    Args:
        home: The home.
        name: The act's name.
        arguments: Its arguments.
        working: Whether a home that is free is also worked in (delivers, follows) meanwhile.
        dht: Which DHT is used there meanwhile; None = the one of the home's settings.

    Raises:
        MosaicError: what went wrong.
    """
    if arguments.get("server") is not None and arguments.get("as") is None and name in StrangerActs.NAMES:
        spool = Path(str(arguments.get("path", "."))).absolute().parent
        return _stepwise(_as_stranger(name, arguments, spool))
    return _stepwise(_in_home(home, name, arguments, working=working, dht=dht))


def _stepwise(items: Items) -> Iterator[JsonObject]:
    """An asynchronous generator, one step at a time, on an event loop of its own."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(tell_of_loop)
        yield from _steps(runner, items)


def _steps(runner: asyncio.Runner, items: Items) -> Iterator[JsonObject]:
    async def step() -> JsonObject | None:
        return await anext(items, None)

    def run_step() -> JsonObject | None:
        coroutine = step()
        try:
            return runner.run(coroutine)
        except asyncio.CancelledError:
            # Nobody but an interrupt cancels a step. The runner forgets which it was when the
            # interrupt comes between its handler's installation and the step's beginning.
            raise KeyboardInterrupt from None
        finally:
            # An interrupt may come before it has begun.
            coroutine.close()

    try:
        while (item := run_step()) is not None:
            yield item
    finally:
        runner.run(items.aclose())


async def _in_home(home: Home, name: str, arguments: JsonObject, *, working: bool, dht: str | None) -> Items:
    async with (
        _at_home(home, working=working, dht=dht) as ask,
        contextlib.aclosing(ask(name, arguments)) as items,
    ):
        async for item in items:
            yield item


@contextlib.asynccontextmanager
async def _at_home(home: Home, *, working: bool, dht: str | None = "off") -> AsyncIterator[_Ask]:
    """How acts of a home are asked for: of the node that runs on it, or of one that runs meanwhile."""
    home.check()
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        lock = try_lock(home)
        if lock is not None:
            try:
                settings = settings_of(home, dht)
            except BaseException:
                lock.release()
                raise
            with indexing() as progress:
                node = await Node.open(home, lock, settings, progress=progress)
            node.settings_file = file_of(home, None)
            try:
                if working:
                    node.work()
                yield _asking(Acts(node, working=working).table())
            finally:
                await node.stop()
            return
        try:
            asking = await reach(home.socket)
        except HomeInUse:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(_PAUSE_S)
            continue
        await asking.close()
        yield lambda name, arguments: ask(home.socket, name, arguments)
        return


def _asking(table: Mapping[str, Act]) -> _Ask:
    return lambda name, arguments: table[name](arguments)


class Conversation:
    """Several acts of one home, of which one may go on while another is asked for.

    Args:
        home: The home.
        working: Whether a home that is free is also worked in (delivers, follows) meanwhile.
    """

    def __init__(self, home: Home, *, working: bool) -> None:
        self._runner = asyncio.Runner()
        self._entering = _at_home(home, working=working)
        self._ask: _Ask | None = None

    def __enter__(self) -> Conversation:
        self._runner.__enter__()
        self._runner.get_loop().set_exception_handler(tell_of_loop)
        try:
            self._ask = self._runner.run(self._entering.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._ask is not None:
                self._runner.run(self._entering.__aexit__(None, None, None))
        finally:
            self._runner.close()

    def act(self, name: str, arguments: JsonObject) -> Iterator[JsonObject]:
        """Runs an act and gives its objects as they come. Raises MosaicError."""
        assert self._ask is not None
        return _steps(self._runner, self._ask(name, arguments))


async def _as_stranger(name: str, arguments: JsonObject, spool: Path) -> Items:
    """Asks another server as nobody, without any home; long blobs come through the folder `spool`."""
    clock = Clock()
    network = SocketNetwork(
        TransportSettings(
            frame_limits=tuple(frame_limits()),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(spool),
        )
    )
    pool = LinkPool(network, from_environment(), clock.now_ns)
    acts = StrangerActs(pool, clock, lambda: Authority(clock.now_ns))
    try:
        async with contextlib.aclosing(acts.run(name, Arguments(arguments))) as items:
            async for item in items:
                yield item
    finally:
        pool.close()
        await network.stop(0.5)


@contextlib.contextmanager
def indexing() -> Iterator[Callable[[int, int], None]]:
    """Shows on a terminal how far the index is, if it has to be made again."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        told = False

        def tell(_done: int, _total: int) -> None:
            nonlocal told
            if not told:
                notice("The index is made again from the log; this may take a minute.")
                told = True

        yield tell
        return
    columns = (TextColumn("Making the index again"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = None

        def show(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task("", total=total)
            progress.update(task, completed=done)

        yield show
