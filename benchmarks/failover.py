"""How long somebody waits whose preferred server fails: until the first record from another server.

A person has two outboxes. The first fails in one of several ways, then a client that knows both asks for his
posts; the second has them. In the rows' order: the first server's process was killed, with a link open to it;
its address swallows what asks for a connection; its process stands still with a link open; what answers there
speaks no TLS; it takes connections and says nothing. Each time the client remembers nothing.

The limits are budgets, not what the machine can: a median of 1.5 s, and 2 s for 99 of 100 of all kinds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager

from tests.client import bad_servers

from benchmarks.processes import DISK, SOMEBODY, process
from benchmarks.rows import Row, row
from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.reach import Reach
from mosaic.client.settings import ClientSettings
from mosaic.core import builder, kinds, nonce
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.url import Scheme, ServerUrl
from mosaic.node.clock import Clock
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

MEDIAN_S, P99_S = 1.5, 2.0
AUTHOR = SecretKey.from_seed(bytes.fromhex(SOMEBODY))
FIRST, SECOND = (SecretKey.from_seed(number.to_bytes(32, "big")) for number in (11, 12))

Running = tuple[int, int]
"""A server's process id and its port."""


class Known:
    """A `ServerFinder`: the two servers of the author.

    Args:
        first: The port of the preferred one.
        second: The port of the other one.
    """

    def __init__(self, first: int, second: int) -> None:
        self._ports = {FIRST.public: first, SECOND.public: second}

    async def servers_of(
        self,
        person: PublicKey,  # noqa: ARG002 - as it is declared
        usage: Usage,  # noqa: ARG002
        *,
        fresh: bool = False,  # noqa: ARG002
    ) -> Sequence[PublicKey]:
        return list(self._ports)

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:  # noqa: ARG002
        url = ServerUrl(Scheme.TCP, "127.0.0.1", self._ports[server])
        return ServerAddress(server, (url,), frozenset({url}))


@contextlib.contextmanager
def server(number: int) -> Iterator[Running]:
    """A server in a process of its own, with a key of this number."""
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        command = [sys.executable, "-m", "benchmarks.server_process", folder, "--seed", str(number)]
        with process(command) as (pid, ports):
            yield pid, ports["tcp"]


@contextlib.asynccontextmanager
async def client(first: int, second: int) -> AsyncIterator[tuple[LinkPool, Reach]]:
    """A client that was never here before; `first` and `second` are the servers' ports."""
    network = SocketNetwork(
        TransportSettings(tuple(frame_limits()), tuple(SPOOL_PREFIX), tempfile.gettempdir())
    )
    pool = LinkPool(network, ClientSettings(), Clock().now_ns)
    try:
        yield pool, Reach(pool, Known(first, second))
    finally:
        pool.close()
        await network.stop(0)


async def waited(reach: Reach) -> float:
    """Seconds until the first post is there."""
    begun = time.perf_counter()
    async with contextlib.aclosing(
        reach.any_of(AUTHOR.public.user_text).query(Filter.of(authors=[AUTHOR.public]))
    ) as posts:
        async for _ in posts:
            break
    return time.perf_counter() - begun


async def gone_with_a_link(second: int, gone: Callable[[int], None]) -> float:
    """The wait (seconds) when a server goes to which a link is open.

    Args:
        second: The port of the other one.
        gone: Ends the process of a number, or stops it.
    """
    with server(11) as (pid, port):
        async with (
            client(port, second) as (pool, reach),
            pool.connect(await Known(port, second).address_of(FIRST.public)) as connection,
        ):
            await connection.ping()
            gone(pid)
            taken = await waited(reach)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        return taken


async def without_a_link(second: int, bad: Callable[[], AbstractAsyncContextManager[int]]) -> float:
    """The wait (seconds) when the server's address leads to something bad; `second`: the other's port."""
    async with bad() as port, client(port, second) as (_, reach):
        return await waited(reach)


def killed(pid: int) -> None:
    """The process with the number `pid` is gone at once, with its sockets."""
    os.kill(pid, signal.SIGKILL)


def frozen(pid: int) -> None:
    """The process with the number `pid` stands still; the system goes on to take what comes for it."""
    os.kill(pid, signal.SIGSTOP)


def a_post() -> Record:
    """A post of the author's."""
    now = Clock().now()
    return builder.build(
        AUTHOR,
        author=AUTHOR.public,
        kind=kinds.MICROBLOG,
        nonce=nonce.from_time(now),
        timestamp=now,
        payload=b"here",
    )


async def measured(quick: bool) -> list[Row]:
    """All rows."""
    with server(12) as (_, second):
        async with client(second, second) as (pool, _):
            known = await Known(second, second).address_of(SECOND.public)
            async with pool.connect(known, AUTHOR) as connection:
                await connection.submit(a_post().data)
        found: dict[str, list[float]] = {}
        for name, gone in (("killed", killed), ("frozen", frozen)):
            found[name] = [await gone_with_a_link(second, gone) for _ in range(3 if quick else 40)]
        for name, bad in (
            ("black_hole", bad_servers.black_hole),
            ("garbage", bad_servers.garbage),
            ("stuck", bad_servers.stuck),
        ):
            found[name] = [await without_a_link(second, bad) for _ in range(5 if quick else 60)]
    rows = [row(f"failover.{name}", "s", found[name], MEDIAN_S) for name in KINDS]
    every = sorted(value for values in found.values() for value in values)
    return [*rows, row("failover.p99", "s", [every[-1 - len(every) // 100]], P99_S)]


KINDS = ("killed", "black_hole", "frozen", "garbage", "stuck")


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 30 seconds if quick, else 3 minutes.

    Args:
        quick: Fewer trials.
    """
    return asyncio.run(measured(quick))


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
