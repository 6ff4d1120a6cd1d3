"""Pages for strangers hold few connections, and none for long."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mosaic.node import http
from mosaic.node.host_port import HostPort
from mosaic.node.http import Connections, Listening


def test_who_stays_too_long_goes_and_the_oldest_of_too_many() -> None:
    connections = Connections(most=3, looks=2)
    assert connections.too_many({"a", "b"}) == []
    assert connections.too_many({"a", "b", "c"}) == []
    assert sorted(map(str, connections.too_many({"a", "b", "c"}))) == ["a", "b"]
    # What has gone is forgotten, even if its like comes again.
    assert connections.too_many({"d"}) == []
    assert connections.too_many({"a", "d"}) == []
    many: list[Hashable] = ["a", "d", *range(5)]
    gone = connections.too_many(many)
    assert gone[:2] == ["d", "a"]
    assert len(many) - len(gone) == 3


async def test_a_connection_that_asks_nothing_is_closed_and_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_LOOK_S", 0.01)

    async def hello(_request: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    listening = Listening(HostPort("127.0.0.1", 0), "the test", "nothing")
    async with listening.serve(Starlette(routes=[Route("/", hello)]), brief=True):
        silent, its = await asyncio.open_connection("127.0.0.1", listening.at.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(silent.readexactly(1), 10)
        its.close()
        monkeypatch.setattr(http, "_LOOK_S", 60.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.at.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
