"""The node's socket: how commands speak to the node that runs on a home.

HOME/node.sock (mode 0600) carries JSON, one object a line. A request is
`{"act": NAME, "arguments": {…}}`; its answer is any number of `{"item": {…}}`
and then `{"end": true}`, or `{"error", "code", "hint"}`. Requests of one
connection are answered one after another; who hangs up ends what he asked for.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from mosaic import errors
from mosaic.errors import HomeInUse, MosaicError, UsageError
from mosaic.node import crash_report

_LOG = logging.getLogger(__name__)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]
Items: TypeAlias = AsyncGenerator[JsonObject, None]
"""What an act gives, object by object."""
Act: TypeAlias = Callable[[JsonObject], Items]
"""What a command does: arguments in, any number of objects out."""

LINE_LIMIT = 4_194_304
"""The longest line in bytes: a record of 1 MiB in any writing fits."""
CONNECTIONS = 64
"""How many commands may be connected at once."""

# The longest path that a socket address holds everywhere (macOS: 104 with the final zero).
_SOCKET_PATH = 100


class ControlServer:
    """Answers commands on the socket.

    Args:
        path: Where the socket is made.
        acts: What may be asked for, by name.
    """

    def __init__(self, path: Path, acts: Mapping[str, Act]) -> None:
        self._path = path
        self._acts = acts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Makes the socket and listens. The caller holds the home's lock, so an old socket is a dead one."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(self._path) as address:
            listener.bind(address)
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_LIMIT)

    async def stop(self) -> None:
        """Ends what is under way and removes the socket."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > CONNECTIONS:
                await _write(writer, error_object(HomeInUse("too many commands are connected to this node")))
                return
            await self._answer_all(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                await _write(
                    writer, error_object(UsageError(f"a request is longer than {LINE_LIMIT:,} bytes"))
                )
                return
            if not line:
                return
            try:
                act, arguments = _request(line, self._acts)
            except UsageError as error:
                await _write(writer, error_object(error))
                return
            # Nothing is read while an act runs, so the end of the input means that the asker is gone.
            gone = asyncio.ensure_future(reader.read(1))
            running = asyncio.ensure_future(_answer(act, arguments, writer))
            await asyncio.wait({gone, running}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                return
            gone.cancel()
            if not running.result():
                return
            with contextlib.suppress(asyncio.CancelledError):
                if await gone:
                    return


async def _answer(act: Act, arguments: JsonObject, writer: asyncio.StreamWriter) -> bool:
    """Runs one act and writes what it gives; whether the connection may go on."""
    try:
        async with contextlib.aclosing(act(arguments)) as items:
            async for item in items:
                await _write(writer, {"item": item})
    except MosaicError as error:
        await _write(writer, error_object(error))
        return True
    except ConnectionError:
        raise
    except Exception as fault:  # noqa: BLE001 - a mistake in one act: who asked is told, the node goes on
        _LOG.exception("an act failed")
        told = MosaicError(
            f"the node failed at it: {crash_report.message_of(fault)}",
            hint="That is a fault of Mosaic's: the node's log says where; please report it.",
        )
        await _write(writer, error_object(told))
        return True
    await _write(writer, {"end": True})
    return True


def _request(line: bytes, acts: Mapping[str, Act]) -> tuple[Act, JsonObject]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError("the request is no JSON") from None
    if not isinstance(request, dict) or not isinstance(request.get("arguments", {}), dict):
        raise UsageError("a request is an object with `act` and `arguments`")
    act = acts.get(str(request.get("act")))
    if act is None:
        raise UsageError(
            f"this node knows no act {request.get('act')!r}",
            hint="The running node may be older than this command: stop it and start it again.",
        )
    return act, request.get("arguments", {})


async def _write(writer: asyncio.StreamWriter, message: Mapping[str, Json]) -> None:
    line = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    # A file's name may hold bytes that are no UTF-8: they travel as lone surrogates, which `loads` takes.
    writer.write(line.encode(errors="surrogatepass") + b"\n")
    await writer.drain()


# --- the asking side ------------------------------------------------------------------------------


async def reach(path: Path) -> Asking:
    """Connects to the node that runs on a home.

    Raises:
        HomeInUse: nobody listens on the socket.
    """
    try:
        with _short(path) as address:
            return Asking(*await asyncio.open_unix_connection(address, limit=LINE_LIMIT))
    except OSError:
        raise HomeInUse("another process holds this home and does not answer") from None


class Asking:
    """A connection to the running node; made by `reach`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """Asks for one act and gives what it answers, object by object.

        Raises:
            MosaicError: whatever the act ended with in the node.
            HomeInUse: the node stopped in between.
        """
        try:
            await _write(self._writer, {"act": act, "arguments": arguments})
            while line := await self._reader.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise error_from(answer)
                if "end" in answer:
                    return
                yield answer["item"]
        except (ValueError, ConnectionError):
            pass
        raise HomeInUse("the running node stopped before it had answered", hint="Ask again.")

    async def close(self) -> None:
        """Hangs up, which ends what is still under way."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def ask(path: Path, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Asks the running node once. Raises as `reach` and `Asking.ask`."""
    asking = await reach(path)
    try:
        async with contextlib.aclosing(asking.ask(act, arguments)) as items:
            async for item in items:
                yield item
    finally:
        await asking.close()


# --- errors as objects ------------------------------------------------------------------------------


def error_object(error: MosaicError) -> JsonObject:
    """An error as commands print it: `{"error", "code", "hint"}`, and `result` where a server refused."""
    told: JsonObject = {"error": str(error), "code": error.code, "hint": error.hint}
    if isinstance(error, errors.Refused):
        told["result"] = error.result
    return told


def error_from(told: Mapping[str, Json]) -> MosaicError:
    """The error that an object of `error_object` tells."""
    kind = _BY_CODE.get(str(told.get("code")), MosaicError)
    message, hint = str(told.get("error", "")), str(told.get("hint", ""))
    if issubclass(kind, errors.Refused):
        result = told.get("result")
        return kind(message, result=result if isinstance(result, int) else 0, hint=hint)
    return kind(message, hint=hint)


def _all_errors(kind: type[MosaicError]) -> Iterator[type[MosaicError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_errors(below)


_BY_CODE = {
    (kind("", result=0) if issubclass(kind, errors.Refused) else kind()).code: kind
    for kind in _all_errors(MosaicError)
}


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A path to the same socket that is short enough for a socket address.

    A home may lie deep; a socket address holds about a hundred bytes.
    """
    if len(os.fsencode(path)) <= _SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        through = Path(f"/proc/self/fd/{folder}")
        if through.exists():
            yield str(through / path.name)
            return
        before = Path.cwd()
        os.chdir(path.parent)
        try:
            yield path.name
        finally:
            os.chdir(before)
    finally:
        os.close(folder)
