"""How the node does, in words: on every page in a line, and below it in whole."""

from __future__ import annotations

import re

import pytest

from mosaic.web import standing
from mosaic.web.face import DhtState, ServerState, Status
from mosaic.web.standing import Level
from tests.web.fake_node import Node, browser


def server(state: str, *, mine: bool = False, via: str = "", detail: str = "") -> ServerState:
    of = () if mine else ("mopub0you",)
    return ServerState("mosrv0x", ("mosaictcp://127.0.0.1:2/",), of, mine, state, via, detail)


def dht(state: str) -> DhtState:
    return DhtState("own", state, "In words.", "")


@pytest.mark.parametrize(
    ("states", "level", "words"),
    [
        (["listening"], Level.GOOD, "your server is running"),
        (["waiting"], Level.BAD, "your server does not listen"),
        (["listening", "connected"], Level.GOOD, "connected to the server you read"),
        (["listening", *["connected"] * 2], Level.GOOD, "connected to both servers you read"),
        (["listening", *["connected"] * 3], Level.GOOD, "connected to all 3 servers you read"),
        (["listening", "connected", "failed"], Level.PARTLY, "connected to 1 of 2 servers you read"),
        (["listening", "connecting", "failed"], Level.PARTLY, "connecting to servers"),
        (["listening", "failed"], Level.BAD, "not connected to the server you read"),
        (["listening", "failed", "waiting"], Level.BAD, "not connected to any of the 2 servers you read"),
    ],
)
def test_servers_in_a_few_words(states: list[str], level: Level, words: str) -> None:
    servers = [server(states[0], mine=True), *map(server, states[1:])]
    note = standing.notes(Status("ana", "", "", (), 0, servers, dht("working")))[0]
    assert (note.level, note.words) == (level, words)


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("working", Level.GOOD),
        ("starting", Level.PARTLY),
        ("unreachable", Level.BAD),
        ("off", Level.OFF),
        ("a new one", Level.PARTLY),
    ],
)
def test_the_dht_in_a_few_words(state: str, level: Level) -> None:
    note = standing.notes(Status("ana", "", "", (), 0, (), dht(state)))[1]
    assert note.level == level
    assert note.words


def test_each_level_has_a_sign_of_its_own() -> None:
    assert len({standing.SIGNS[level] for level in Level}) == len(Level)


def test_a_server_says_how_it_is_reached_or_why_not() -> None:
    assert standing.server_note(server("connected", via="QUIC")).words == "connected over QUIC"
    failed = standing.server_note(server("failed", detail="it shows another key; next try at 13:20"))
    assert failed.words == "not connected: it shows another key; next try at 13:20"
    assert failed.level == Level.BAD
    assert standing.server_note(server("listening", mine=True)).level == Level.GOOD
    assert standing.server_note(server("listening", mine=True, detail="not found")).level == Level.PARTLY


def line(html: str) -> str:
    inside = html[html.index('id="standing-line"') :]
    return re.sub(r"<[^>]+>|\s+", " ", inside[: inside.index("</summary>")])


async def test_the_line_stands_on_every_page_and_opens_to_everything() -> None:
    node = Node()
    node.waiting = 2
    node.servers = [server("listening", mine=True), server("failed", detail="nobody answers there")]
    node.dht = DhtState("own", "working", "8 nodes answered.", "2026-01-02T03:04:05.000Z")
    client = browser(node)
    for path in ("/feed", "/wall/mopub0me", "/thread/moref0a", "/people", "/help", "/nowhere"):
        html = (await client.get(path)).text
        assert "not connected to the server you read" in line(html)
        assert "people are found by their key" in line(html)
        assert "2 waiting to be delivered" in line(html)
        assert "not connected: nobody answers there" in html
        assert "mosrv0x" in html
        assert "8 nodes answered." in html
        assert 'datetime="2026-01-02T03:04:05.000Z"' in html
        # Live, both of them.
        assert 'id="standing-line" data-live' in html
        assert 'id="standing-details" data-live' in html


async def test_colour_is_never_the_only_sign() -> None:
    node = Node()
    node.servers = [server("listening", mine=True), server("failed")]
    html = (await browser(node).get("/feed")).text
    for note in re.findall(r'<span class="note (\w+)">(.*?)</span> ([^<]+)', html):
        assert standing.SIGNS[Level(note[0])] in note[1]
        assert note[2].strip()


async def test_a_home_without_anybody_tells_of_nothing_yet() -> None:
    assert 'id="standing"' not in (await browser(Node(name="")).get("/")).text
