"""Programs in between: a SOCKS5 proxy, and a web server that ends TLS for another."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator


class Between:
    """Listens on this machine and passes on what comes; `stop` leaves nothing open."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # The loop tells them that they are lost.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.append(asyncio.create_task(self._serve_one(reader, writer)))

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await self.serve(reader, writer)
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(back)
        return there, back


async def join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there: asyncio.StreamReader,
    back: asyncio.StreamWriter,
) -> None:
    """Passes on both ways, until either end is over."""
    both = [asyncio.create_task(_pass(reader, back)), asyncio.create_task(_pass(there, writer))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        back.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


class SocksProxy(Between):
    """Connects to 127.0.0.1, whatever the name, and writes down what it was asked for.

    Args:
        login: The user and password it wants, or None.
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.login = login
        self.asked: list[tuple[str, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._greet(reader, writer):
            return
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        there, back = await self.connect(port)
        writer.write(bytes((5, 0, 0, 1, 0, 0, 0, 0, 0, 0)))
        await join(reader, writer, there, back)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 0 if self.login is None else 2
        writer.write(bytes((5, method if method in methods else 255)))
        if self.login is None or method not in methods:
            return method in methods
        await reader.readexactly(1)
        user = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        right = (user.decode(), password.decode()) == self.login
        writer.write(bytes((1, 0 if right else 1)))
        return right


class WebServer(Between):
    """Ends TLS and passes what it holds on to a port of this machine."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._behind = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join(reader, writer, *await self.connect(self._behind))


@contextlib.asynccontextmanager
async def relay(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A web server before a port of this machine; its own port."""
    server = WebServer(port)
    await server.start(context)
    try:
        yield server.port
    finally:
        await server.stop()
