from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.cli.output import shown_post
from mosaic.core.reference import Id
from mosaic.node.control import JsonObject


@pytest.fixture(autouse=True)
def home(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")


def test_a_post_prints_its_reference_and_stands_in_the_feed(mosaic: Run) -> None:
    reference = mosaic("post", "good morning").out.strip()
    assert reference.startswith("moref0")
    feed = mosaic("feed")
    assert "good morning" in feed.out
    assert "anna" in feed.out
    assert reference in feed.out


def test_a_text_comes_from_stdin_too(mosaic: Run) -> None:
    mosaic("post", "-", stdin="grüße\nzwei".encode())
    assert mosaic("feed", "--json").objects[0]["text"] == "grüße\nzwei"


@pytest.mark.claim("C69")
def test_reply_edit_thread_and_wall(mosaic: Run) -> None:
    post = mosaic("post", "rooot").out.strip()
    mosaic("reply", post, "reply")
    mosaic("edit", post, "root")
    thread = mosaic("thread", post, "--json").objects
    assert [item["text"] for item in thread] == ["root", "reply"]
    assert thread[1]["reply"] == thread[1]["root"] == post
    assert "edited" in mosaic("wall").out


def test_what_is_taken_back_is_gone_with_all_its_versions(mosaic: Run) -> None:
    post = mosaic("post", "too much said").out.strip()
    mosaic("edit", post, "still too much")
    mosaic("delete", post)
    assert mosaic("wall", "--json").objects == []
    assert mosaic("get", post).code == 1
    assert mosaic("delete", post).code == 1


def test_a_thread_that_is_not_here_is_a_refusal_with_a_way_on(mosaic: Run) -> None:
    nowhere = Id(bytes(8) + bytes(range(40))).text
    done = mosaic("thread", nowhere, "--json")
    assert done.code == 1
    assert done.error["error"] == "this post is not here"
    assert "mosaic get" in done.error["hint"]


def test_json_prints_one_object_a_line_with_integers_as_texts(mosaic: Run) -> None:
    mosaic("post", "one")
    mosaic("post", "two")
    lines = mosaic("query", "--kind", "post", "--json").objects
    assert [line["text"] for line in lines] == ["two", "one"]
    for line in lines:
        assert int(line["time"]) > 10**18
        assert line["time_iso"].endswith("Z")
        assert line["author"].startswith("mopub0")
        assert line["id"].startswith("moref0")

    def numbers(value: object) -> list[int]:
        if isinstance(value, dict):
            return [number for one in value.values() for number in numbers(one)]
        if isinstance(value, list):
            return [number for one in value for number in numbers(one)]
        return [value] if isinstance(value, int) else []

    assert all(abs(number) < 2**53 for line in lines for number in numbers(line))


def test_pages_of_thirty(mosaic: Run) -> None:
    for number in range(31):
        mosaic("post", str(number))
    *posts, more = mosaic("feed", "--json").objects
    assert [item["text"] for item in posts] == [str(number) for number in range(30, 0, -1)]
    (last,) = mosaic("feed", "--before", more["next"], "--json").objects
    assert last["text"] == "0"


def test_a_profile_is_shown_and_changed(mosaic: Run) -> None:
    mosaic("profile", "--set", "about=I bake.", "--set", "bot=no")
    assert "about: I bake." in mosaic("profile").out
    mosaic("profile", "--unset", "about")
    assert "about" not in mosaic("profile").out
    assert mosaic("profile", "--set", "nose=red").code == 2


def test_follow_and_unfollow(mosaic: Run, tmp_path: Path) -> None:
    (ben,) = mosaic("init", "--name", "ben", "--home", tmp_path / "ben", "--json").objects
    server = ("--server", "mosaictcp://127.0.0.1:1320/", "--key", ben["server"])
    (followed,) = mosaic("follow", ben["key"], *server, "--json").objects
    assert followed["new"] is True
    assert followed["outboxes"][0]["urls"] == ["mosaictcp://127.0.0.1:1320/"]
    assert mosaic("follow", ben["key"], "--json").objects[0]["new"] is False
    assert ben["key"] in mosaic("following").out
    assert mosaic("unfollow", ben["key"]).code == 0
    assert mosaic("following").out == ""
    assert mosaic("unfollow", ben["key"], "--json").error["code"] == "unknown_person"


def test_undelivered_work_stays_in_the_queue_and_is_told(mosaic: Run, tmp_path: Path) -> None:
    (ben,) = mosaic("init", "--name", "ben", "--home", tmp_path / "ben", "--json").objects
    mosaic("follow", ben["key"], "--server", "mosaictcp://127.0.0.1:1/", "--key", ben["server"])
    done = mosaic("post", f"hello @{ben['key']}")
    assert done.code == 0
    assert "queued" in done.err
    assert "mosaic serve" in done.err
    assert f"{ben['server']}: queued" in mosaic("queue").out
    # Nothing says that it was sent: of the post itself, of all that waits, and of the node.
    assert "queued for 1 server" in done.err
    told = mosaic("queue", done.out.strip())
    assert "queued for 1 server" in told.out
    assert "mosaictcp://127.0.0.1:1/: queued" in told.out
    (found,) = mosaic("queue", done.out.strip(), "--json").objects
    assert (found["queued"], found["delivered"], found["refused"]) == (1, 0, 0)
    assert found["deliveries"][0]["next_try_iso"]
    assert "Nothing was refused" in mosaic("queue", "--refused").err
    assert mosaic("queue", done.out.strip(), "--refused").code == 2
    assert f"for {ben['server']}, queued" in mosaic("status").out


@pytest.mark.claim("C82")
def test_what_goes_nowhere_else_does_not_look_sent(mosaic: Run) -> None:
    done = mosaic("post", "to myself")
    assert done.err == "" or "server" not in done.err.splitlines()[0]
    assert "It goes to no other server than your own." in mosaic("queue", done.out.strip()).out


def test_who_is_mentioned_and_can_not_be_told_is_named(mosaic: Run, tmp_path: Path) -> None:
    (ben,) = mosaic("init", "--name", "ben", "--home", tmp_path / "ben", "--json").objects
    done = mosaic("post", f"hello @{ben['key']}")
    assert done.code == 0
    assert f"waits until a server of theirs is found: {ben['key']}" in done.err
    assert mosaic("post", f"hello @{ben['key']}", "--json").objects[0]["unreached"] == [ben["key"]]
    mosaic("init", "--name", "carl")
    (carl,) = mosaic("whoami", "--as", "carl", "--json").objects
    assert mosaic("post", f"hello @{carl['key']}", "--json").objects[0]["unreached"] == []


def test_a_text_that_is_not_utf_8_is_refused(mosaic: Run) -> None:
    for done in (
        mosaic("post", "-", "--json", stdin=b"\xff\xfe"),
        mosaic("post", os.fsdecode(b"caf\xe9"), "--json"),
        mosaic("record", "--kind", "example", "x", "--at", os.fsdecode(b"caf\xe9"), "--json"),
    ):
        assert (done.code, done.error["code"]) == (2, "usage_error")
        assert "UTF-8" in done.error["hint"]
    assert mosaic("feed").out == ""


def test_a_page_goes_on_before_the_reference_that_the_feed_shows(mosaic: Run) -> None:
    posts = [mosaic("post", text).out.strip() for text in ("one", "two", "three")]
    mosaic("edit", posts[1], "two again")
    assert [item["text"] for item in mosaic("feed", "--before", posts[1], "--json").objects] == ["one"]
    versions = mosaic("get", posts[1], "--json").objects
    for version in versions:
        assert [item["text"] for item in mosaic("wall", "--before", version["id"], "--json").objects] == [
            "one"
        ]
    done = mosaic("feed", "--before", posts[1][:20] + "b" + posts[1][21:], "--json")
    assert done.code in {1, 2}
    assert done.error["hint"]


def test_nothing_to_show_is_said(mosaic: Run) -> None:
    assert "Nothing waits" in mosaic("queue").err
    assert "mosaic follow" in mosaic("following").err
    assert mosaic("queue", "--json").err == mosaic("following", "--json").err == ""


def test_what_a_command_lacks_is_named_as_it_is_typed(mosaic: Run) -> None:
    reference = mosaic("post", "x").out.strip()
    done = mosaic("edit", reference, "--json")
    assert (done.code, done.error["hint"]) == (2, "See `mosaic edit --help`.")
    assert "--payload" in done.error["error"]
    stranger = mosaic("wall", "zoe", "--json")
    assert (stranger.code, stranger.error["code"]) == (4, "unknown_person")
    assert "mopub0" in stranger.error["hint"]


def test_who_has_no_name_here_is_shown_by_key() -> None:
    nameless: JsonObject = {
        "author_name": None,
        "author": "mopub0abc",
        "time_iso": "2026-01-02T03:04:05Z",
        "text": "x",
    }
    assert shown_post(nameless).startswith("mopub0abc · 2026-01-02 03:04:05 UTC")


def test_a_strangers_text_does_not_steer_the_terminal(mosaic: Run) -> None:
    mosaic("post", "\x1b[2Jclear \u202eturn \x07bell 👩\u200d🍳")
    shown = mosaic("feed").out
    assert not set(shown) & {"\x1b", "\u202e", "\x07"}
    assert "👩\u200d🍳" in shown
    assert "\\u001b" in json.dumps(mosaic("feed", "--json").objects)


def test_an_unreachable_server_has_its_exit_code(mosaic: Run) -> None:
    key = mosaic("whoami", "--json").objects[0]["server"]
    done = mosaic("query", "--kind", "post", "--server", "mosaictcp://127.0.0.1:1/", "--key", key, "--json")
    assert (done.code, done.error["code"]) == (3, "unreachable")
    assert "127.0.0.1:1" in done.error["error"]


def test_a_refusal_has_its_exit_code_and_its_words(mosaic: Run) -> None:
    done = mosaic("record", "--kind", "schedule", "--payload", "00", "--json")
    assert (done.code, done.error["code"], done.error["result"]) == (1, "refused", 33)
    assert "UNAUTHORIZED" in done.error["error"]
    assert done.error["hint"]
    reference = mosaic("post", "x").out.strip()
    gone = mosaic("get", reference[:-1] + ("y" if reference[-1] != "y" else "n"))
    assert gone.code in {1, 2}


def test_the_blog_and_other_kinds(mosaic: Run) -> None:
    mosaic("post", "--blog", "a long text")
    assert mosaic("query", "--kind", "blog", "--json").objects[0]["kind_name"] == "Blog Post"
    kind = "000000630002000e"
    reference = mosaic("record", "--kind", kind, "--at", "notes", "--payload", "0102").out.strip()
    assert mosaic("edit", reference, "--payload", "03").out.strip() == reference
    (item,) = mosaic("get", reference, "--json").objects
    assert item["payload"] == "03"
