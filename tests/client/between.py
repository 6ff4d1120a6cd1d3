"""Programs in between: a SOCKS5 proxy, and a web server that ends TLS for another."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator


class SocksProxy:
    """Connects to 127.0.0.1, whatever the name.

    Args:
        login: The user and password it wants, or None.
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        self.login = login
        self.asked: list[tuple[str, int]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                if await self._greet(reader, writer):
                    await self._connect(reader, writer)
        finally:
            await _close(writer)

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

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(bytes((5, 0, 0, 1, 0, 0, 0, 0, 0, 0)))
            await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            await _close(back)


@contextlib.asynccontextmanager
async def relay(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A web server that ends TLS and passes what it holds on to a port of this machine; its own port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            await _close(writer)
            await _close(back)

    tasks: set[asyncio.Task[None]] = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
