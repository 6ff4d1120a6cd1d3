from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, STRANGER, SUBKEY

from mosaic.core import content, core_tags, kinds, nonce, social_kinds
from mosaic.core.content import Link, UserMention
from mosaic.core.kind import Kind
from mosaic.core.proof_of_work import Search
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidContent, UsageError
from mosaic.social import posts
from mosaic.social.signer import Signer

ANNA = Signer(MASTER.public, SUBKEY)
BEN = Signer(OTHER.public, OTHER)
CARA = Signer(STRANGER.public, STRANGER)
NOTE = Kind.from_bytes(bytes.fromhex("000000630002000e"))


def at(seconds: int) -> Timestamp:
    return Timestamp(NOW + seconds * 10**9)


@pytest.mark.claim("C2", "C68")
def test_a_post_is_signed_by_the_device_for_the_person() -> None:
    record = posts.post(ANNA, "hello", now=at(0))
    assert Record.parse(record.data) == record
    assert (record.author, record.signer, record.kind) == (MASTER.public, SUBKEY.public, kinds.MICROBLOG)
    assert record.nonce == nonce.from_time(record.timestamp)
    assert social_kinds.text_of(record) == "hello"


def test_an_edit_does_not_carry_the_work_of_the_version_before() -> None:
    first = posts.post(ANNA, "one", now=at(0), notify=[OTHER.public])
    search = Search(first, 4, at(0))
    assert search.look(1_000)
    edited = posts.edit(ANNA, search.sealed(SUBKEY), "two", now=at(1))
    assert edited.tags == posts.edit(ANNA, first, "two", now=at(1)).tags


@pytest.mark.claim("C36", "C68", "C69")
def test_a_reply_names_parent_and_root_and_notifies_both_authors() -> None:
    root = posts.post(ANNA, "root", now=at(0))
    first = posts.reply(BEN, root, "first", now=at(1))
    second = posts.reply(CARA, first, "second", now=at(2))
    for record, parent in ((first, root), (second, first)):
        said = social_kinds.read(record)
        assert record.kind == kinds.REPLY_COMMENT
        assert said.reply is not None
        assert said.root is not None
        assert said.reply.reference == parent.address
        assert said.root.reference == root.address
    # Without a parent above it, Reply is Root.
    assert posts.parent_of(first) == posts.root_of(first)
    assert core_tags.notify_keys(first) == (ANNA.author,)
    assert core_tags.notify_keys(second) == (BEN.author, ANNA.author)


def test_who_answers_himself_is_not_notified() -> None:
    root = posts.post(ANNA, "root", now=at(0))
    assert core_tags.notify_keys(posts.reply(ANNA, root, "more", now=at(1))) == ()


@pytest.mark.claim("C32")
def test_an_edit_stands_at_the_same_address_and_keeps_what_it_answers() -> None:
    root = posts.post(BEN, "root", now=at(0))
    reply = posts.reply(ANNA, root, "frist", now=at(1))
    edited = posts.edit(ANNA, reply, "first", now=at(9))
    assert edited.address == reply.address
    assert edited.id > reply.id
    assert posts.root_of(edited) == posts.root_of(reply)
    assert core_tags.notify_keys(edited) == core_tags.notify_keys(reply)


def test_an_edit_is_later_than_what_it_replaces_whatever_the_clock_says() -> None:
    record = posts.post(ANNA, "one", now=at(10))
    edited = posts.edit(ANNA, record, "two", now=at(3))
    assert edited.timestamp == record.timestamp + 1


def test_nobody_edits_what_is_somebody_elses() -> None:
    with pytest.raises(UsageError, match="somebody else"):
        posts.edit(BEN, posts.post(ANNA, "mine", now=at(0)), "yours", now=at(1))


@pytest.mark.claim("C3")
def test_a_profile_is_not_edited_with_a_device_key() -> None:
    profile = posts.other(Signer(MASTER.public, MASTER), kinds.PROFILE, b"\xa0", now=at(0), at=nonce.FIXED)
    with pytest.raises(UsageError, match="profile"):
        posts.edit(ANNA, profile, b"\xa0", now=at(1))


def test_a_replaceable_record_is_edited_as_bytes() -> None:
    record = posts.other(ANNA, NOTE, b"\x01", now=at(0), at=nonce.from_string(b"notes"))
    edited = posts.edit(ANNA, record, b"\x02", now=at(1))
    assert (edited.address, edited.payload) == (record.address, b"\x02")


@pytest.mark.claim("C37")
def test_mentions_and_links_become_segments_and_the_mentioned_are_told() -> None:
    text = f"hi @{BEN.author.user_text}, see https://example.org/ !"
    record = posts.post(ANNA, text, now=at(0))
    parts = content.read(record.payload, record.tags)
    assert parts == ("hi ", UserMention(BEN.author), ", see ", Link("https://example.org/"), " !")
    assert core_tags.notify_keys(record) == (BEN.author,)
    edited = posts.edit(ANNA, record, "hi all", now=at(1))
    assert content.read(edited.payload, edited.tags) == ("hi all",)


def test_a_blog_post_calls_nobody() -> None:
    record = posts.post(ANNA, f"about @{BEN.author.user_text}", now=at(0), kind=kinds.BLOG_POST)
    assert core_tags.notify_keys(record) == ()
    assert core_tags.mentioned_users(record) == (BEN.author,)


@pytest.mark.parametrize("text", ["", "  \n", "half \ud800"])
def test_what_can_not_be_read_is_not_posted(text: str) -> None:
    with pytest.raises(InvalidContent):
        posts.post(ANNA, text, now=at(0))


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 10**15))
def test_every_text_makes_a_valid_record_that_says_it(text: str, ahead: int) -> None:
    try:
        record = posts.post(ANNA, text, now=Timestamp(NOW + ahead))
    except InvalidContent:
        assert any("\ud800" <= character <= "\udfff" for character in text)
        return
    assert Record.parse(record.data) == record
    assert content.render(content.read(record.payload, record.tags)).replace("@", "") == text.replace("@", "")
