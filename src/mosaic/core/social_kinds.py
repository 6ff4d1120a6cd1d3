"""The four kinds of the social application: their rules, and what is in them.

    Microblog Root  a text of its own                       1/1
    Reply Comment   a text about another record             1/2
    Blog Post       an article                              1/3
    Chat Message    a text in a room                        1/4

All are text for people (UTF-8 after unpacking). A reply comment names exactly
one parent (Reply) and one beginning of the thread (Root); in the other kinds
the two may stand together or not at all, a Reply never without a Root.

Source: microblog.md, reply_comment.md, blog.md, chat.md, core_tags.md; edition §3, §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core import core_tags, kinds
from mosaic.core.core_tags import TagType, Target
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidContent

CONVERSATIONAL: Final = frozenset({TagType.NOTIFY, TagType.REPLY, TagType.ROOT})
"""Tags that a blog post should not have (it stands alone); written never, read without complaint."""


@dataclass(frozen=True, slots=True)
class SocialText:
    """What a record of one of the four kinds says.

    Args:
        kind: Which of the four.
        text: The text for people.
        reply: What it replies to, or None.
        root: What its thread hangs on, or None.
        notified: The master keys that it is for.
        tags: All its tags; those that show parts of the text are read by `mosaic.core.content`.
    """

    kind: Kind
    text: str
    reply: Target | None
    root: Target | None
    notified: tuple[PublicKey, ...]
    tags: tuple[Tag, ...]


def check(record: Record) -> None:
    """Checks a valid record against the rules of its social kind; other kinds pass.

    Raises:
        InvalidContent: a rule is broken. Such a record is stored and passed on, but not shown.
    """
    if record.kind in kinds.SOCIAL:
        read(record)


def read(record: Record) -> SocialText:
    """Reads a valid record of one of the four kinds.

    Raises:
        InvalidContent: another kind, text that is not UTF-8, or reply and root tags that break the rules.
    """
    if record.kind not in kinds.SOCIAL:
        raise InvalidContent(
            f"the record is of another kind ({kinds.name(record.kind)}) than the social texts"
        )
    tags = record.tags
    reply = _only(tags, TagType.REPLY)
    root = _only(tags, TagType.ROOT)
    if (reply is None) != (root is None):
        raise InvalidContent("a reply tag and a root tag stand together or not at all")
    if reply is None and record.kind == kinds.REPLY_COMMENT:
        raise InvalidContent("a reply comment has exactly one reply tag and one root tag, here are none")
    return SocialText(
        kind=record.kind,
        text=text_of(record),
        reply=reply,
        root=root,
        notified=core_tags.notify_keys(record),
        tags=tags,
    )


def text_of(record: Record) -> str:
    """The text of a record of a printable kind, unpacked.

    Raises:
        InvalidContent: the kind is not printable, the payload can't be unpacked or is not UTF-8.
    """
    if not record.kind.printable:
        raise InvalidContent("the record's kind is not text for people")
    try:
        return record.content().decode()
    except UnicodeDecodeError:
        raise InvalidContent("the payload of a printable kind is not UTF-8") from None


def thread_tags(parent: Record) -> tuple[Tag, Tag]:
    """Reply and root tag of an answer to `parent`, by their ids.

    The root is the parent's own root; a parent without one begins the thread
    and is both.
    """
    own = Target(parent.kind, parent.id)
    root = core_tags.root_target(parent) or own
    return core_tags.reply(*own), core_tags.root(*root)


def check_written(kind: Kind, tags: Sequence[Tag]) -> None:
    """Checks the tags of a record that is about to be written, stricter than `check`.

    Raises:
        InvalidContent: reply and root tags break the rules, or a blog post would have tags of a conversation.
    """
    if kind == kinds.BLOG_POST and any(tag.type in CONVERSATIONAL for tag in tags):
        raise InvalidContent(
            "a blog post stands alone: it has no notify, reply or root tag",
            hint="Write a reply comment instead.",
        )
    reply, root = _only(tags, TagType.REPLY), _only(tags, TagType.ROOT)
    if (reply is None) != (root is None):
        raise InvalidContent("a reply tag and a root tag stand together or not at all")
    if reply is None and kind == kinds.REPLY_COMMENT:
        raise InvalidContent(
            "a reply comment has exactly one reply tag and one root tag, here are none",
            hint="Make both with thread_tags of what it replies to.",
        )


def _only(tags: Sequence[Tag], tag_type: TagType) -> Target | None:
    """The target of the only tag of a type; None if there is none."""
    found = [tag for tag in tags if tag.type == tag_type]
    if len(found) > 1:
        raise InvalidContent(f"there are {len(found)} {tag_type.name.lower()} tags, at most one may stand")
    if not found:
        return None
    try:
        return core_tags.target_of(found[0])
    except FormatError as error:
        raise InvalidContent(f"the {tag_type.name.lower()} tag names nothing: {error}") from error
