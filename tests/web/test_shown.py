"""Posts as they are shown: who wrote them, what they answer, where they stand, when they were made."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mosaic.errors import InvalidText
from mosaic.web.face import Entry
from mosaic.web.shown import listed, threaded
from mosaic.web.text import excerpt, linked, short_key
from mosaic.web.tiles import tiles
from mosaic.web.times import when
from tests.web.fake_node import Node, browser, entry

EAST = timezone(timedelta(hours=2), "EAST")
NOW = datetime(2026, 11, 21, 0, 30, tzinfo=EAST)


@pytest.mark.parametrize(
    ("iso", "short"),
    [
        ("2026-11-20T22:05:00.000Z", "00:05"),
        ("2026-11-20T21:59:59.999999999Z", "yesterday 23:59"),
        ("2026-11-18T21:00:00Z", "18 Nov, 23:00"),
        ("2025-12-31T22:00:00Z", "1 Jan, 00:00"),
        ("2025-12-31T21:59:59Z", "31 Dec 2025"),
        ("2016-12-31T23:59:60.000Z", "2016-12-31 23:59"),
    ],
)
def test_times_are_short_and_in_this_machines_zone(iso: str, short: str) -> None:
    assert when(iso, NOW).short == short
    assert when(iso, NOW).iso == iso


def test_the_whole_time_names_its_zone() -> None:
    assert when("2026-11-20T22:05:09.5Z", NOW).full == "21 Nov 2026, 00:05:09 EAST"


async def test_a_post_carries_its_whole_time() -> None:
    node = Node()
    node.entries.append(entry("hello"))
    html = (await browser(node).get("/feed")).text
    assert '<time datetime="2026-01-02T03:04:05.000000000Z" title="' in html


class Odd(Node):
    async def entry(self, reference: str) -> Entry | None:
        if reference == "moref0odd":
            raise InvalidText("this is no reference")
        return await super().entry(reference)


async def test_a_reply_tells_whom_and_what_it_answers() -> None:
    node = Odd()
    node.entries = [
        entry("yes", "moref0c", "mopub0you", "bo", "moref0a"),
        entry("and this", "moref0d", "mopub0you", "bo", "moref0gone"),
        entry("or that", "moref0e", "mopub0you", "bo", "moref0odd"),
        entry("to bo", "moref0f", answers="moref0c"),
        entry("who bakes " + "bread " * 40, "moref0a"),
    ]
    shown = await listed(node, node.entries)
    assert [one.answered.text[:9] if one.answered else None for one in shown] == [
        "who bakes",
        None,
        None,
        "yes",
        None,
    ]
    html = (await browser(node).get("/feed")).text
    assert 'In reply to you: <q dir="auto">who bakes bread' in html
    assert 'In reply to bo: <q dir="auto">yes</q>' in html
    assert html.count("In reply to a post that has not reached your node") == 2


async def test_what_is_answered_may_stand_on_an_older_page() -> None:
    node = Node()
    node.entries = [entry("yes", "moref0c", answers="moref0a"), entry("who bakes?", "moref0a")]
    (only,) = await listed(node, node.entries[:1])
    assert only.answered is not None
    assert only.answered.text == "who bakes?"


async def test_a_thread_stands_as_a_tree() -> None:
    root = entry("root", "r")
    entries = [
        root,
        entry("1", "a", answers="r"),
        entry("2", "b", answers="r"),
        entry("1.1", "c", answers="a"),
        entry("lost", "d", answers="elsewhere"),
        entry("1.1.1", "e", answers="c"),
    ]
    shown = await threaded(Node(), entries)
    assert [(one.entry.text, one.depth) for one in shown] == [
        ("root", 0),
        ("1", 1),
        ("1.1", 2),
        ("1.1.1", 3),
        ("2", 1),
        ("lost", 1),
    ]


async def test_a_thread_that_goes_in_circles_ends() -> None:
    entries = [entry("root", "r"), entry("x", "a", answers="b"), entry("y", "b", answers="a")]
    shown = await threaded(Node(), entries)
    assert sorted(one.entry.text for one in shown) == ["root", "x", "y"]
    assert await threaded(Node(), []) == []


async def test_a_deep_thread_stays_on_the_page() -> None:
    entries = [entry("0", "r0"), *(entry(str(n), f"r{n}", answers=f"r{n - 1}") for n in range(1, 3000))]
    shown = await threaded(Node(), entries)
    assert [one.entry.text for one in shown] == [str(n) for n in range(3000)]
    assert max(one.depth for one in shown) == 4


async def test_the_reply_goes_to_the_chosen_post() -> None:
    node = Node()
    node.entries = [entry("root", "moref0a"), entry("mid", "moref0b", "mopub0you", "bo", "moref0a")]
    html = (await browser(node).get("/thread/moref0b")).text
    assert 'name="reference" value="moref0b"' in html
    assert "Your reply to bo" in html


def test_web_addresses_become_links_and_nothing_else_does() -> None:
    html = str(linked('see https://example.org/a?b=1&c="d" (https://example.org/x). javascript:alert(1) <b>'))
    assert '<a href="https://example.org/a?b=1&amp;c=" ' in html
    assert ">https://example.org/x</a>)." in html
    assert html.count("<a ") == 2
    assert "&lt;b&gt;" in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt("a\n\n b") == "a b"
    assert len(excerpt("word " * 100)) <= 110
    assert excerpt("word " * 100).endswith("…")


def test_a_key_is_shown_by_both_of_its_ends() -> None:
    assert short_key("mopub0" + "a" * 46 + "bcdefg") == "mopub0aaaaaa…bcdefg"
    assert short_key("mopub0me") == "mopub0me"


def test_each_key_has_a_mosaic_of_its_own() -> None:
    assert tiles("mopub0a") == tiles("mopub0a")
    assert len({tiles(f"mopub0{n}") for n in range(200)}) == 200
    assert 'aria-hidden="true"' in tiles("mopub0a")
    # Colours stand in attributes: the page's policy forbids styles in it.
    assert "style" not in tiles("mopub0a")
