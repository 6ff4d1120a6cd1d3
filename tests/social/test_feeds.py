from __future__ import annotations

import random

import pytest
from tests.core.makers import MASTER, NOW, OTHER, STRANGER
from tests.social.shelf import Shelf

from mosaic.core import profile as profile_format
from mosaic.core.core_tags import Target
from mosaic.core.keys import SecretKey
from mosaic.core.profile import Profile
from mosaic.core.proof_of_work import Search
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidProfile
from mosaic.social import feeds, posts, profiles, threads
from mosaic.social.signer import Signer

ANNA, BEN, CARA = (Signer(secret.public, secret) for secret in (MASTER, OTHER, STRANGER))


def at(seconds: int) -> Timestamp:
    return Timestamp(NOW + seconds * 10**9)


def say(who: Signer, text: str, seconds: int) -> Record:
    return posts.post(who, text, now=at(seconds))


def texts(page: feeds.Page) -> list[str]:
    return [post.text() for post in page.posts]


@pytest.mark.claim("C84")
def test_a_feed_is_what_its_people_said_newest_first() -> None:
    shelf = Shelf(say(ANNA, "1", 1), say(CARA, "no", 2), say(BEN, "3", 3), say(ANNA, "4", 4))
    assert texts(feeds.page(shelf, [ANNA.author, BEN.author])) == ["4", "3", "1"]
    assert texts(feeds.page(shelf, [CARA.author])) == ["no"]
    assert texts(feeds.page(shelf, [])) == []


def test_a_version_that_only_shows_work_is_no_edit() -> None:
    first = say(ANNA, "hello", 1)
    search = Search(first, 4, at(2))
    assert search.look(1_000)
    (post,) = feeds.page(Shelf(first, search.sealed(MASTER)), [ANNA.author]).posts
    assert not post.is_edited
    again = Shelf(first, search.sealed(MASTER), posts.edit(ANNA, first, "hello!", now=at(3)))
    assert feeds.page(again, [ANNA.author]).posts[0].is_edited


@pytest.mark.claim("C32")
def test_an_edited_post_keeps_its_place_and_shows_its_newest_version_and_history() -> None:
    first = say(ANNA, "helo", 1)
    edited = posts.edit(ANNA, first, "hello", now=at(9))
    shelf = Shelf(first, say(ANNA, "later", 5), edited)
    page = feeds.page(shelf, [ANNA.author])
    assert texts(page) == ["later", "hello"]
    post = page.posts[1]
    assert post.versions == (edited, first)
    assert (post.time, post.is_edited, page.posts[0].is_edited) == (first.timestamp, True, False)


def test_replies_stand_in_feeds_and_say_so() -> None:
    root = say(ANNA, "root", 1)
    shelf = Shelf(root, posts.reply(BEN, root, "reply", now=at(2)))
    reply, first = feeds.page(shelf, [ANNA.author, BEN.author]).posts
    assert (reply.is_reply, first.is_reply) == (True, False)


def test_what_is_no_post_is_not_shown() -> None:
    shelf = Shelf(profile_format.build(MASTER, Profile(name="anna"), at(0)), say(ANNA, "post", 1))
    assert texts(feeds.page(shelf, [ANNA.author])) == ["post"]


def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    dice = random.Random(3)
    people = [
        Signer(key.public, key) for key in (SecretKey.from_seed(bytes([9, n]) + bytes(30)) for n in range(70))
    ]
    written = [say(dice.choice(people), str(second), second) for second in dice.sample(range(500), 200)]
    by_key = {who.author: who for who in people}
    edits = [posts.edit(by_key[one.author], one, "edited", now=at(1000)) for one in dice.sample(written, 40)]
    shelf = Shelf(*written, *edits)
    found: list[feeds.Post] = []
    page = feeds.page(shelf, by_key, limit=7)
    found += page.posts
    while page.next is not None:
        page = feeds.page(shelf, by_key, limit=7, before=page.next)
        found += page.posts
    assert [post.first.id for post in found] == sorted((one.id for one in written), reverse=True)
    assert sum(post.is_edited for post in found) == 40


@pytest.mark.claim("C36")
def test_a_thread_is_whole_from_any_of_its_posts() -> None:
    root = say(ANNA, "root", 1)
    first = posts.reply(BEN, root, "first", now=at(2))
    second = posts.reply(CARA, first, "second", now=at(3))
    edited = posts.edit(ANNA, root, "root, edited", now=at(9))
    shelf = Shelf(second, edited, root, first, say(BEN, "elsewhere", 4))
    expected = ["root, edited", "first", "second"]
    for record in (root, first, second):
        for reference in (record.id, record.address):
            assert [post.text() for post in threads.thread(shelf, reference)] == expected
    assert threads.thread(Shelf(), root.id) == []


def test_a_thread_whose_root_is_missing_shows_what_is_there() -> None:
    root = say(ANNA, "root", 1)
    reply = posts.reply(BEN, root, "reply", now=at(2))
    assert [post.text() for post in threads.thread(Shelf(reply), reply.address)] == ["reply"]
    assert posts.root_of(reply) == Target(root.kind, root.address)


@pytest.mark.claim("C70", "C71")
def test_the_newest_profile_that_the_master_signed_holds() -> None:
    old = profile_format.build(MASTER, Profile(name="anna"), at(0))
    new = profile_format.build(MASTER, Profile(name="anne", about="bakes"), at(1))
    shelf = Shelf(new, old)
    assert profiles.name_of(shelf, ANNA.author) == "anne"
    shown = profiles.profile_of(shelf, ANNA.author)
    assert shown is not None
    assert shown.about == "bakes"
    assert profiles.name_of(shelf, BEN.author) is None


def test_fields_of_a_profile_are_changed_one_by_one() -> None:
    before = Profile(name="anna", about="bakes", bot=False)
    assert profiles.changed(before, {"about": None, "org": True}) == Profile(name="anna", bot=False, org=True)
    for wrong in ({"nose": "red"}, {"name": None}, {"bot": "yes"}, {"about": 3}):
        with pytest.raises(InvalidProfile):
            profiles.changed(before, wrong)


def test_a_post_that_can_not_be_read_is_empty() -> None:
    record = posts.other(
        ANNA,
        say(ANNA, "x", 0).kind.from_bytes(bytes.fromhex("000000630002001c")),
        b"\xff",
        now=at(0),
        at=b"\x80" * 8,
    )
    assert feeds.Post((record,)).text() == ""
