from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from mosaic.errors import HomeInUse, MosaicError, Refused, UnknownPerson, UsageError
from mosaic.node.control import LINE_LIMIT, ControlServer, JsonObject, ask, error_from, error_object


async def count(arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
    to = arguments["to"]
    assert isinstance(to, int)
    for number in range(to):
        yield {"number": number}


async def echo(arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
    yield arguments


async def fail(arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
    yield {"before": True}
    raise UnknownPerson("nobody is called x")


async def stumble(arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
    yield arguments
    raise ZeroDivisionError("a mistake")


class Endless:
    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        try:
            yield {"first": True}
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.fixture
async def endless() -> Endless:
    return Endless()


@pytest.fixture
async def path(tmp_path: Path, endless: Endless) -> AsyncIterator[Path]:
    path = tmp_path / "node.sock"
    acts = {"count": count, "echo": echo, "fail": fail, "stumble": stumble, "endless": endless.__call__}
    server = ControlServer(path, acts)
    await server.start()
    yield path
    await server.stop()
    assert not path.exists()


async def everything(path: Path, act: str, **arguments: int) -> list[JsonObject]:
    return [item async for item in ask(path, act, dict(arguments))]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_an_act_gives_arrives_in_order(path: Path) -> None:
    assert await everything(path, "count", to=3) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert await everything(path, "count", to=0) == []


async def test_a_files_name_of_any_bytes_gets_through(path: Path) -> None:
    named: JsonObject = {"path": os.fsdecode(b"caf\xe9")}
    assert [item async for item in ask(path, "echo", named)] == [named]


async def test_the_socket_is_its_owners_alone(path: Path) -> None:
    assert mode_of(path) == 0o600


async def test_an_error_arrives_as_itself(path: Path) -> None:
    items = ask(path, "fail", {})
    assert await anext(items) == {"before": True}
    with pytest.raises(UnknownPerson, match="nobody is called x") as caught:
        await anext(items)
    assert caught.value.hint == UnknownPerson.default_hint


async def test_a_mistake_in_an_act_is_told_and_the_node_goes_on(path: Path) -> None:
    with pytest.raises(MosaicError, match="ZeroDivisionError: a mistake") as caught:
        await everything(path, "stumble")
    assert "log" in caught.value.hint
    assert await everything(path, "echo", number=1) == [{"number": 1}]


async def test_an_unknown_act_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="knows no act"):
        await everything(path, "fly")


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"act":"count","arguments":[]}\n', b"[" * 100_000 + b"\n"]
)
async def test_nonsense_is_answered_with_an_error(path: Path, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = json.loads(await reader.readline())
    assert answer["code"] == "usage_error"
    assert await reader.read() == b""
    writer.close()


async def test_a_request_without_end_is_cut(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * (LINE_LIMIT + 10))
    assert b"longer than" in await reader.readline()
    writer.close()


async def test_several_requests_follow_each_other_on_one_connection(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    for to in (1, 2):
        writer.write(json.dumps({"act": "count", "arguments": {"to": to}}).encode() + b"\n")
        for number in range(to):
            assert json.loads(await reader.readline()) == {"item": {"number": number}}
        assert json.loads(await reader.readline()) == {"end": True}
    writer.close()


async def test_who_hangs_up_ends_what_he_asked_for(path: Path, endless: Endless) -> None:
    items = ask(path, "endless", {})
    assert await anext(items) == {"first": True}
    await items.aclose()
    await asyncio.wait_for(endless.ended.wait(), 10)


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(HomeInUse):
        await everything(tmp_path / "node.sock", "count", to=1)


async def test_a_dead_socket_is_replaced_and_a_deep_home_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    path = deep / "node.sock"
    path.touch()
    server = ControlServer(path, {"count": count})
    await server.start()
    assert await everything(path, "count", to=1) == [{"number": 0}]
    await server.stop()


def test_errors_travel_with_their_hint_and_result() -> None:
    told = error_object(Refused("no", result=33, hint="ask first"))
    assert told == {"error": "no", "code": "refused", "hint": "ask first", "result": 33}
    again = error_from(told)
    assert isinstance(again, Refused)
    assert (again.result, again.hint, str(again)) == (33, "ask first", "no")
    assert type(error_from({"code": "from_the_future", "error": "x", "hint": "y"})) is MosaicError
