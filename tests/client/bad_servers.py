"""Servers that fail in every way that a network knows, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def nobody() -> AsyncIterator[int]:
    """A port where nothing listens: who connects is refused at once, as when a process was killed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """A port that swallows what asks for a connection: its queue is full, and nobody takes from it."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            connecting = asyncio.ensure_future(loop.sock_connect(one, where))
            done, _ = await asyncio.wait({connecting}, timeout=0.1)
            if not done:
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
                break
        else:
            raise RuntimeError("this system's queues of connections are never full")
        yield where[1]


@contextlib.asynccontextmanager
async def stuck() -> AsyncIterator[int]:
    """A port that takes connections and stops half way: it reads what comes and never says anything."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            while await reader.read(65_536):
                pass

    async with _listening(read) as port:
        yield port


@contextlib.asynccontextmanager
async def garbage() -> AsyncIterator[int]:
    """A port that answers whatever comes with nonsense, and stays open."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            while await reader.read(65_536):
                writer.write(b"\x07\x00nonsense" * 20)
                await writer.drain()

    async with _listening(answer) as port:
        yield port


@contextlib.asynccontextmanager
async def _listening(serve: object) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))  # type: ignore[operator]
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
