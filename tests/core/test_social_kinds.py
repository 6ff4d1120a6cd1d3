from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, post

from mosaic.core import builder, core_tags, kinds, nonce, social_kinds
from mosaic.core.core_tags import TagType, Target
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.errors import InvalidContent

ROOT = post(payload=b"root")
REPLY_TAGS = social_kinds.thread_tags(ROOT)
SOCIAL = sorted(kinds.SOCIAL)


@pytest.mark.claim("C68")
def test_the_kinds_have_their_bytes() -> None:
    assert [kind.bytes.hex() for kind in SOCIAL] == [
        "000000010001001c",
        "000000010002001c",
        "000000010003001c",
        "000000010004001c",
    ]


@pytest.mark.claim("C37", "C68")
@pytest.mark.parametrize("kind", SOCIAL, ids=kinds.name)
def test_a_text_of_each_kind_is_read(kind: Kind) -> None:
    record = post(kind=kind, tags=(*REPLY_TAGS, core_tags.notify(OTHER.public)), payload="späße".encode())
    social_kinds.check(record)
    read = social_kinds.read(record)
    assert read.kind == kind
    assert read.text == "späße"
    assert read.reply == read.root == Target(kinds.MICROBLOG, ROOT.id)
    assert read.notified == (OTHER.public,)
    assert read.tags == record.tags


@pytest.mark.claim("C68", "C69")
@pytest.mark.parametrize("kind", SOCIAL, ids=kinds.name)
def test_only_a_reply_comment_needs_a_thread(kind: Kind) -> None:
    record = post(kind=kind)
    if kind == kinds.REPLY_COMMENT:
        with pytest.raises(InvalidContent, match="exactly one"):
            social_kinds.check(record)
    else:
        assert social_kinds.read(record).reply is None


REPLY, ROOT_TAG = REPLY_TAGS
BROKEN = {
    "reply alone": (REPLY,),
    "root alone": (ROOT_TAG,),
    "two replies": (REPLY, REPLY, ROOT_TAG),
    "two roots": (REPLY, ROOT_TAG, ROOT_TAG),
    "reply cut short": (Tag(TagType.REPLY, REPLY.value[:-1]), ROOT_TAG),
    "root names no kind": (REPLY, Tag(TagType.ROOT, bytes(4) + b"\xff" * 8 + ROOT.id.bytes)),
}


@pytest.mark.claim("C36", "C69")
@pytest.mark.parametrize("kind", SOCIAL, ids=kinds.name)
@pytest.mark.parametrize("tags", BROKEN.values(), ids=BROKEN.keys())
def test_reply_and_root_stand_together_once(kind: Kind, tags: tuple[Tag, ...]) -> None:
    with pytest.raises(InvalidContent):
        social_kinds.check(post(kind=kind, tags=tags))


@pytest.mark.claim("C36", "C69")
def test_the_tags_of_an_answer() -> None:
    assert (
        core_tags.reply(kinds.MICROBLOG, ROOT.id),
        core_tags.root(kinds.MICROBLOG, ROOT.id),
    ) == REPLY_TAGS
    answer = post(OTHER, author=OTHER, kind=kinds.REPLY_COMMENT, tags=REPLY_TAGS)
    reply, root = social_kinds.thread_tags(answer)
    assert reply == core_tags.reply(kinds.REPLY_COMMENT, answer.id)
    assert root == core_tags.root(kinds.MICROBLOG, ROOT.id)
    social_kinds.check(post(kind=kinds.REPLY_COMMENT, tags=(reply, root)))


@pytest.mark.claim("C37")
def test_text_must_be_utf_8_after_unpacking() -> None:
    with pytest.raises(InvalidContent, match="UTF-8"):
        social_kinds.check(post(payload=b"\xff"))
    text = "immer wieder " * 100
    packed = builder.build(
        MASTER,
        kind=kinds.BLOG_POST,
        nonce=nonce.FIXED,
        timestamp=NOW,
        payload=text.encode(),
        compress=True,
    )
    assert packed.compressed
    assert social_kinds.read(packed).text == text


def test_a_false_zstd_flag_is_invalid_content() -> None:
    record = builder.seal(
        MASTER,
        author=MASTER.public,
        kind=kinds.MICROBLOG,
        nonce=nonce.FIXED,
        timestamp=NOW,
        flags=b"\x01" + bytes(7),
        section=b"",
        payload=b"text",
    )
    with pytest.raises(InvalidContent):
        social_kinds.check(record)


def test_other_kinds_are_not_judged_here() -> None:
    profile = post(kind=kinds.PROFILE, payload=b"\xff")
    social_kinds.check(profile)
    with pytest.raises(InvalidContent, match="another kind"):
        social_kinds.read(profile)
    with pytest.raises(InvalidContent, match="not text"):
        social_kinds.text_of(profile)


@pytest.mark.claim("C68")
def test_what_may_be_written_is_stricter() -> None:
    notify = core_tags.notify(OTHER.public)
    with pytest.raises(InvalidContent, match="stands alone"):
        social_kinds.check_written(kinds.BLOG_POST, [notify])
    social_kinds.check(post(kind=kinds.BLOG_POST, tags=(notify,)))
    social_kinds.check_written(kinds.MICROBLOG, [notify])
    social_kinds.check_written(kinds.REPLY_COMMENT, [*REPLY_TAGS, notify])
    for kind, tags in ((kinds.REPLY_COMMENT, ()), (kinds.CHAT_MESSAGE, (REPLY,))):
        with pytest.raises(InvalidContent):
            social_kinds.check_written(kind, tags)


@given(
    st.sampled_from(SOCIAL),
    st.lists(st.builds(Tag, st.sampled_from([1, 2, 3, 0x22, 0x24]), st.binary(max_size=64)), max_size=4),
    st.binary(max_size=30),
)
def test_any_content_raises_format_errors_only(kind: Kind, tags: list[Tag], payload: bytes) -> None:
    record = Record.parse(post(kind=kind, tags=tuple(tags), payload=payload).data)
    with suppress(InvalidContent):
        social_kinds.check(record)
