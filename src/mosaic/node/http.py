"""Pages and numbers over HTTP, inside of the node's own event loop.

Source: this project's own design, docs/architecture.md "A person acts"; RFC 9110.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from mosaic.errors import ListenFailed
from mosaic.node.host_port import HostPort

_LOOK_S: Final = 5.0


class _Server(uvicorn.Server):
    """A web server that leaves signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catches none."""
        yield


class Connections:
    """Which connections have been there too long, or are too many.

    Args:
        most: How many may be there at once.
        looks: For how many looks one may be there.
    """

    def __init__(self, most: int = 256, looks: int = 4) -> None:
        self._most = most
        self._looks = looks
        self._seen: dict[Hashable, int] = {}

    def too_many(self, now: Collection[Hashable]) -> list[Hashable]:
        """Those that are to go, of all that are there now; one call is one look."""
        self._seen = {each: self._seen.get(each, 0) + 1 for each in now}
        oldest = sorted(self._seen, key=lambda each: -self._seen[each])
        stale = [each for each in oldest if self._seen[each] > self._looks]
        return [*stale, *oldest[len(stale) : max(len(stale), len(oldest) - self._most)]]


async def _tidy(server: uvicorn.Server) -> None:
    """Closes connections on which nobody asks anything, until cancelled."""
    connections = Connections()
    while True:
        await asyncio.sleep(_LOOK_S)
        for each in connections.too_many(server.server_state.connections):
            transport = getattr(each, "transport", None)
            if transport is not None:
                transport.abort()


class Listening:
    """An address that is listened on, and not yet served.

    Args:
        where: The address; port 0 for any.
        what: What it is for, in words.
        named: The option or setting that names it, in words.

    Raises:
        ListenFailed: it can't be had.
    """

    def __init__(self, where: HostPort, what: str, named: str) -> None:
        family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((where.host, where.port))
            self._socket.listen(128)
        except OSError as error:
            self._socket.close()
            raise ListenFailed(
                f"{what} can't listen on {where}: {error.strerror}",
                hint=f"Another program may use the port: name another with {named}, or port 0 for any.",
            ) from error
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own way
        self.at = HostPort(where.host, self._socket.getsockname()[1])
        """The address with its port."""

    def close(self) -> None:
        """Listens no more."""
        self._socket.close()

    @contextlib.asynccontextmanager
    async def serve(
        self, app: ASGIApp, ending: Callable[[], None] = lambda: None, *, brief: bool = False
    ) -> AsyncIterator[None]:
        """Serves an application until the end of the block.

        Args:
            app: The application.
            ending: Called before the server stops: ends what would never end by itself.
            brief: Whether no connection is worth more than some seconds, and only so many are held: for
                pages that strangers read.
        """
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        tidying = asyncio.create_task(_tidy(server)) if brief else None
        try:
            yield
        finally:
            if tidying is not None:
                tidying.cancel()
            ending()
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            self.close()
