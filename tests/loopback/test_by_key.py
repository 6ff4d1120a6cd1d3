"""Two people on two nodes who know nothing of each other but a public key, and find each other through a DHT.

Every node is a process of its own, and the DHT another one. Nobody is told an address.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.loopback.processes import Node, Testnet, Watch, status_when, watching

EVERY_TRANSPORT = ("tcp", "quic", "ws")
FOUND_AGAIN_S = 10.0
"""How long one who has moved may stay out of sight once the DHT tells where to: a promise, not a speed."""


@pytest.fixture
def testnet() -> Iterator[Testnet]:
    with Testnet() as net:
        yield net


@contextlib.contextmanager
def two(folder: Path, over: tuple[str, ...], dht: str) -> Iterator[tuple[Node, Node]]:
    with (
        Node(folder / "anna", "anna", over=over, dht=dht) as anna,
        Node(folder / "ben", "ben", over=over, dht=dht) as ben,
    ):
        yield anna, ben


@contextlib.contextmanager
def reading(ben: Node, anna: Node) -> Iterator[Watch]:
    """What comes to Ben's home of Anna."""
    with watching("--home", ben.home, "--author", anna.key, "--kind", "post") as watch:
        yield watch


def shown(watch: Watch, text: str) -> bool:
    return bool(watch.until(lambda item: item.get("text") == text))


def status(node: Node) -> dict[str, Any]:
    (item,) = node.do("status")
    return item


def others(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The servers that a node reads from."""
    return [server for server in status["servers"] if not server["mine"]]


def states(status: dict[str, Any]) -> list[str]:
    return [server["state"] for server in others(status)]


@pytest.mark.slow
@pytest.mark.claim("C14", "C18", "C19", "C51", "C82")
@pytest.mark.parametrize("over", [(one,) for one in EVERY_TRANSPORT] + [EVERY_TRANSPORT], ids="+".join)
def test_followed_by_key_alone_and_after_a_move_to_other_ports(
    tmp_path: Path, testnet: Testnet, over: tuple[str, ...]
) -> None:
    with two(tmp_path, over, testnet.entry) as (anna, ben):
        assert anna.line["dht"] == testnet.entry
        assert all((anna.line[one] is not None) == (one in over) for one in ("tcp", "quic", "ws"))
        with reading(ben, anna) as watch:
            anna.do("post", "before anybody followed")
            (followed,) = ben.do("follow", anna.key)
            assert followed["new"]
            assert shown(watch, "before anybody followed")
            anna.do("post", "live")
            assert shown(watch, "live")
            (server,) = others(status_when(ben, lambda now: states(now) == ["connected"]))
            assert (server["key"], server["of"]) == (anna.line["server"], [anna.key])
            assert server["via"] in {"TCP", "QUIC", "WebSocket"}
            # What passed to her server and what passed to the DHT is told apart.
            (passed,) = ben.do("status", "--traffic")
            to_her = [each for each in passed["traffic"] if each["server"] == anna.line["server"]]
            assert to_her[0]["passed"]["records"]["came"] > 0
            assert passed["dht"]["came"] > passed["dht"]["packets_came"] > 0
            assert passed["dht"]["went"] > passed["dht"]["packets_went"] > 0

            # She moves; he is told by nobody but the DHT.
            anna.move()
            status_when(anna, lambda now: bool(now["dht"]["published_iso"]))
            published = time.monotonic()
            anna.do("post", "from elsewhere")
            assert shown(watch, "from elsewhere")
            assert time.monotonic() - published <= FOUND_AGAIN_S
            (server,) = others(status_when(ben, lambda now: states(now) == ["connected"]))
            assert set(server["urls"]) == {anna.line[one] for one in over}

        # Without the DHT, what was found before leads there, after a restart as well.
        testnet.stop()
        ben.stop()
        ben.start()
        with reading(ben, anna) as watch:
            anna.do("post", "without a DHT")
            assert shown(watch, "without a DHT")


@pytest.mark.slow
@pytest.mark.claim("C18", "C36", "C82")
def test_an_answer_goes_to_somebody_who_is_found_later_and_shows_its_authors_name(
    tmp_path: Path, testnet: Testnet
) -> None:
    with two(tmp_path, ("tcp",), testnet.entry) as (anna, ben), reading(ben, anna) as watch:
        post = anna.do("post", "who bakes?")[0]
        ben.do("follow", anna.key)
        assert shown(watch, "who bakes?")
        with watching("--home", anna.home, "--author", ben.key) as at_anna:
            # Anna doesn't follow Ben and never heard of him: his schedule and profile come along.
            ben.do("reply", post["address"], "I do")
            at_anna.until(lambda item: item["kind_name"] == "Profile")
        names = {item["text"]: item["author_name"] for item in anna.do("thread", post["address"])}
        assert names == {"who bakes?": "anna", "I do": "ben"}

        # Cara is not to be found yet: what is for her waits, and says why.
        cara = Node(tmp_path / "cara", "cara", dht=testnet.entry)
        mention = ben.do("post", f"hello @{cara.key}")[0]
        assert mention["unreached"] == [cara.key]
        (waits,) = ben.do("queue")
        assert (waits["person"], waits["id"], waits["state"]) == (cara.key, mention["id"], "queued")
        assert waits["note"]
        with cara:
            # It may come before anybody watches.
            at_cara = Watch("--home", cara.home, "--author", ben.key, "--kind", "post", "--stored")
            try:
                assert shown(at_cara, mention["text"])
            finally:
                assert at_cara.stop() == 0
        assert not [item for item in ben.do("queue") if item["id"] == mention["id"]]


@pytest.mark.slow
@pytest.mark.claim("C22")
def test_a_servers_key_and_a_bare_key_are_found_as_well(tmp_path: Path, testnet: Testnet) -> None:
    with two(tmp_path, ("tcp",), testnet.entry) as (anna, ben):
        ben.do("follow", anna.line["server"])
        (server,) = others(status_when(ben, lambda now: states(now) == ["connected"]))
        assert server["key"] == anna.line["server"]
        with reading(ben, anna) as watch:
            ben.do("follow", anna.key.removeprefix("mopub0"))
            anna.do("post", "found by a bare key")
            assert shown(watch, "found by a bare key")
        # Any question goes to a person's server by key alone, also of somebody who is not followed.
        for key in (ben.key, ben.line["server"]):
            assert anna.do("query", "--key", key, "--author", ben.key, "--kind", "profile")
        post = ben.do("post", "who answers a stranger?")[0]
        anna.do("reply", post["address"], "I do")
        with watching("--home", ben.home, "--author", anna.key, "--kind", "reply") as replies:
            anna.do("reply", post["address"], "so do I")
            assert shown(replies, "so do I")


@pytest.mark.slow
@pytest.mark.claim("C14")
def test_without_a_dht_everything_here_works_and_it_says_so(tmp_path: Path) -> None:
    with two(tmp_path, ("tcp",), "off") as (anna, ben):
        assert anna.line["dht"] == "off"
        dht = status(anna)["dht"]
        assert (dht["mode"], dht["state"], dht["published_iso"]) == ("off", "off", "")
        assert "off" in dht["detail"]
        (followed,) = ben.do("follow", anna.key)
        assert followed["state"] == "no server of theirs is known"
        with reading(ben, anna) as watch:
            ben.do("follow", anna.key, *anna.where)
            anna.do("post", "by her address")
            assert shown(watch, "by her address")


@pytest.mark.slow
@pytest.mark.claim("C13", "C50")
def test_an_impostor_where_somebody_was_moves_nobody(tmp_path: Path, testnet: Testnet) -> None:
    with two(tmp_path, ("tcp",), testnet.entry) as (anna, ben), reading(ben, anna) as watch:
        ben.do("follow", anna.key)
        anna.do("post", "here")
        assert shown(watch, "here")
        left = dict(anna.ports)
        anna.stop()
        impostor = Node(tmp_path / "eve", "eve", dht="off")
        impostor.ports = left
        with impostor:
            impostor.do("post", "believe me")
            anna.ports = {"tcp": 0}
            anna.start()
            anna.do("post", "still me")
            assert shown(watch, "still me")
            assert {item["text"] for item in ben.do("feed") if "text" in item} == {"here", "still me"}
