"""Two people on two nodes, each a process of its own, over real sockets with real keys."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import Node, arrived, run, watching

NOTE = "000000630002000e"  # a replaceable kind of the application for examples


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "anna", "anna") as node:
        yield node


@pytest.fixture
def ben(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "ben", "ben") as node:
        yield node


def texts(node: Node) -> list[str]:
    return [item["text"] for item in node.do("feed") if "text" in item]


@pytest.mark.slow
@pytest.mark.claim("C2", "C3", "C4", "C44", "C45", "C82")
def test_posts_replies_and_edits_are_seen_live_and_both_restart_in_between(anna: Node, ben: Node) -> None:
    before = anna.do("post", "before anybody followed")[0]
    (followed,) = ben.do("follow", anna.key, *anna.where)
    assert followed["new"]
    arrived(ben, lambda: texts(ben) == ["before anybody followed"])

    with watching("--home", ben.home) as watch:
        post = anna.do("post", "good morning")[0]
        assert watch.next()["id"] == post["id"]
        reply = anna.do("reply", before["address"], "and to myself")[0]
        assert watch.next()["text"] == "and to myself"
        note = anna.do("record", "--kind", NOTE, "--at", "notes", "--payload", "01")[0]
        assert watch.next()["payload"] == "01"
        edited = anna.do("edit", note["address"], "--payload", "02")[0]
        seen = watch.next()
        assert (seen["address"], seen["payload"]) == (note["address"], "02")
        anna.do("profile", "--set", "about=I bake bread")
        assert watch.next()["kind_name"] == "Profile"

    # Ben's node holds all of it, of the replaceable record only the newest.
    assert [item["id"] for item in ben.do("get", note["address"])] == [edited["id"]]
    assert texts(ben) == ["and to myself", "good morning", "before anybody followed"]
    assert ben.do("profile", anna.key)[0]["about"] == "I bake bread"

    assert anna.stop(signal.SIGTERM) == 0
    assert ben.stop(signal.SIGINT) == 0
    anna.start()
    while_away = anna.do("post", "while you were away")[0]
    ben.start()
    arrived(ben, lambda: texts(ben)[:1] == ["while you were away"])
    with watching("--home", ben.home) as watch:
        later = anna.do("edit", post["address"], "good morning, all")[0]
        assert watch.next()["id"] == later["id"]
        assert anna.stop() == 0
        anna.start()
        again = anna.do("post", "back again")[0]
        assert watch.next()["id"] == again["id"]

    feed = [item for item in ben.do("feed") if "text" in item]
    assert [item["text"] for item in feed] == [
        "back again",
        "while you were away",
        "and to myself",
        "good morning, all",
        "before anybody followed",
    ]
    assert [item["edited"] for item in feed] == [False, False, False, True, False]
    assert [version["id"] for version in feed[3]["versions"]] == [later["id"], post["id"]]
    assert feed[2]["reply"] == feed[2]["root"] == before["address"]
    assert while_away["deliveries"] == []
    assert reply["refused"] == 0
    assert "Traceback" not in anna.log + ben.log


@pytest.mark.slow
@pytest.mark.claim("C69", "C82")
def test_a_reply_goes_to_the_inbox_of_who_is_answered(anna: Node, ben: Node) -> None:
    post = anna.do("post", "who bakes?")[0]
    ben.do("follow", anna.key, *anna.where)
    arrived(ben, lambda: texts(ben) == ["who bakes?"])
    reply = ben.do("reply", post["address"], "I do")[0]
    (delivery,) = reply["deliveries"]
    assert (delivery["server"], delivery["state"]) == (anna.line["server"], "delivered")
    # It was handed in at Anna's server, whether her node reads Ben's or not.
    at_anna = run("get", reply["id"], *anna.where, "--json")
    assert at_anna.returncode == 0, at_anna
    assert [item["text"] for item in anna.do("thread", post["address"])] == ["who bakes?", "I do"]
    kinds = sorted(tag["type"] for tag in reply["tags"])
    assert kinds == [1, 2, 3]  # notify, reply, root


@pytest.mark.slow
def test_what_can_not_be_delivered_waits_and_is_told(anna: Node, ben: Node) -> None:
    post = anna.do("post", "who bakes?")[0]
    ben.do("follow", anna.key, *anna.where)
    arrived(ben, lambda: texts(ben) == ["who bakes?"])
    anna.stop()
    reply = ben.do("reply", post["address"], "I do")[0]
    assert (reply["queued"], reply["delivered"]) == (1, 0)
    ben.stop()
    # A command that opens the home itself leaves it in the queue and says so.
    done = run("reply", "--home", ben.home, post["address"], "and I like it")
    assert done.returncode == 0
    assert b"queued" in done.stderr
    assert b"mosaic serve" in done.stderr
    assert [item["kind_name"] for item in ben.do("queue")] == [
        "Key Schedule",
        "Reply Comment",
        "Profile",
        "Reply Comment",
    ]
    anna.start()
    with watching("--home", anna.home, "--author", ben.key, "--kind", "reply") as watch:
        ben.start()
        assert [watch.next()["text"], watch.next()["text"]] == ["I do", "and I like it"]
    assert run("get", reply["id"], *anna.where).returncode == 0
    # What is queued for a server is answered in order: behind this one nothing waits.
    assert ben.do("reply", post["address"], "and so does Cara")[0]["delivered"] == 1
    assert ben.do("queue") == []


@pytest.mark.slow
@pytest.mark.claim("C13", "C50")
def test_a_server_with_another_key_is_refused(anna: Node, ben: Node) -> None:
    wrong = ["--server", str(anna.line["tcp"]), "--key", str(ben.line["server"])]
    done = run("query", "--kind", "post", *wrong, "--json")
    assert done.returncode == 3
    assert b'"code": "wrong_server_key"' in done.stderr
    assert done.stdout == b""


@pytest.mark.slow
def test_one_home_is_served_once(anna: Node) -> None:
    done = run("serve", "--home", anna.home, "--tcp", "127.0.0.1:0", "--json")
    assert done.returncode == 4
    assert b'"code": "home_in_use"' in done.stderr
    assert anna.do("post", "still here")[0]["kind_name"] == "Microblog Root"


@pytest.mark.slow
def test_a_server_that_was_killed_and_comes_back_is_noticed_over_quic(tmp_path: Path) -> None:
    with (
        Node(tmp_path / "anna", "anna", over=("quic",)) as anna,
        Node(tmp_path / "ben", "ben", over=("quic",)) as ben,
        watching("--home", ben.home, "--author", anna.key, "--kind", "post") as watch,
    ):
        ben.do("follow", anna.key, "--server", anna.line["quic"], "--key", anna.line["server"])
        anna.do("post", "before")
        assert watch.until(lambda item: item.get("text") == "before")
        # She can't say goodbye: her listener's answer to his next packet tells him.
        anna.kill()
        anna.start()
        anna.do("post", "after")
        assert watch.until(lambda item: item.get("text") == "after")
