"""Posts, replies and edits: the records that people write.

A post's address nonce is made from its first timestamp, so that an edit, which
is another record at the same address, keeps the post's place.

Source: microblog.md, reply_comment.md, core_tags.md; edition §4 (edits, replies).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mosaic.core import content, core_tags, nonce, social_kinds
from mosaic.core.community_tags import CommunityTag
from mosaic.core.content import UserMention
from mosaic.core.core_tags import TagType, Target
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import BLOG_POST, KEY_SCHEDULE, MICROBLOG, PROFILE, REPLY_COMMENT
from mosaic.core.record import Record
from mosaic.core.reference import Address
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidContent, UsageError
from mosaic.errors.hiding import TAKE_IT_OUT, holds_secret_key
from mosaic.social.signer import Signer

# Tags that stand at a place in the text, and the work for one version: a new text has its own.
_OF_ONE_VERSION = frozenset((*range(0x20, 0x30), CommunityTag.WORK))


def post(
    signer: Signer, text: str, *, now: Timestamp, notify: Iterable[PublicKey] = (), kind: Kind = MICROBLOG
) -> Record:
    """A new post.

    Args:
        signer: Who writes.
        text: What is said; not empty.
        now: Its time, also that of its address.
        notify: People to whose inboxes it goes.
        kind: Microblog Root, or another kind of text that stands for itself.

    Raises:
        InvalidContent: the text is empty, can't be written as UTF-8, or holds a secret key.
        RecordTooLong: the text is too long.
    """
    return _text_record(signer, kind, nonce.from_time(now), now, (), text, notify)


def reply(
    signer: Signer, parent: Record, text: str, *, now: Timestamp, notify: Iterable[PublicKey] = ()
) -> Record:
    """A reply to `parent`, in the thread of its root.

    Reply and Root name living addresses, so that a thread stays whole when its
    posts are edited. The authors of both are notified.

    Raises:
        InvalidContent: the text is empty, can't be written as UTF-8, or holds a secret key.
        RecordTooLong: the text is too long.
    """
    above = Target(parent.kind, parent.address)
    root = root_of(parent) or above
    told = [parent.author]
    if isinstance(root.reference, Address):
        told.append(root.reference.author)
    told += notify
    tags = (core_tags.reply(*above), core_tags.root(*root))
    return _text_record(signer, REPLY_COMMENT, nonce.from_time(now), now, tags, text, told)


def edit(signer: Signer, newest: Record, new: str | bytes, *, now: Timestamp) -> Record:
    """The next version of a record, at the same address.

    Args:
        signer: Its author.
        newest: The newest version so far.
        new: The new text, or bytes for a kind that is not printable.
        now: The time; the new version is later than the former in any case.

    Raises:
        UsageError: the record is somebody else's, or of a kind that only the master key signs.
        InvalidContent: the content does not fit the kind.
    """
    if newest.author != signer.author:
        raise UsageError(
            "this record is somebody else's",
            hint="Only its author can edit a record; reply to it with `mosaic reply` instead.",
        )
    if newest.kind in {KEY_SCHEDULE, PROFILE} and signer.key != signer.author:
        raise UsageError(
            "a profile or key schedule is not edited as text", hint="Use `mosaic profile` for the profile."
        )
    time = Timestamp(max(now, newest.timestamp + 1))
    at = nonce.copied(newest.address)
    tags = [tag for tag in newest.tags if tag.type not in _OF_ONE_VERSION]
    if isinstance(new, str):
        return _text_record(signer, newest.kind, at, time, tags, new)
    return other(signer, newest.kind, new, now=time, at=at, tags=tags)


def delete(signer: Signer, record: Record, *, now: Timestamp, at: bytes) -> Record:
    """A Deletion of all that stands at a record's address so far.

    Args:
        signer: Its author.
        record: What is taken back.
        now: The time; what is written at the address later lives.
        at: Its nonce: 8 random bytes that begin with a 1 bit.

    Raises:
        UsageError: the record is somebody else's.
    """
    if record.author != signer.author:
        raise UsageError("this record is somebody else's", hint="Only its author can take a record back.")
    time = max(now, record.timestamp)
    target = Target(record.kind, record.address)
    return signer.deletion([target], time, nonce=at)


def other(
    signer: Signer, kind: Kind, payload: bytes, *, now: Timestamp, at: bytes, tags: Sequence[Tag] = ()
) -> Record:
    """A record of any kind.

    Args:
        signer: Who writes.
        kind: Its kind.
        payload: Its content as bytes.
        now: Its time.
        at: The 8 bytes of its address nonce.
        tags: Its tags.

    Raises:
        InvalidContent: the content does not fit the kind.
        InvalidRecord: the record would break a rule.
    """
    record = signer.record(kind=kind, nonce=at, timestamp=now, tags=tags, payload=payload)
    social_kinds.check(record)
    return record


def root_of(record: Record) -> Target | None:
    """What a thread hangs on, as a record of it says, or None if it is itself no reply."""
    return core_tags.root_target(record)


def parent_of(record: Record) -> Target | None:
    """What a record replies to, or None if it is no reply."""
    return core_tags.reply_target(record)


def _text_record(
    signer: Signer,
    kind: Kind,
    at: bytes,
    now: Timestamp,
    tags: Sequence[Tag],
    text: str,
    told: Iterable[PublicKey] = (),
) -> Record:
    """A record of a text as it was typed; who is mentioned in it is told."""
    if not text.strip():
        raise InvalidContent("the text is empty", hint="Write something to be read.")
    if holds_secret_key(text):
        raise InvalidContent("a secret key stands in the text", hint=TAKE_IT_OUT)
    parts = content.from_typed(text)
    payload, segments = content.compose(parts)
    mentioned = [part.key for part in parts if isinstance(part, UserMention)]
    known = {key for tag in tags if (key := _notified(tag)) is not None}
    new = [key for key in dict.fromkeys((*told, *mentioned)) if key != signer.author and key not in known]
    # A blog post stands alone: whom it mentions is not called.
    notices = () if kind == BLOG_POST else tuple(core_tags.notify(key) for key in new)
    all_tags = (*tags, *notices, *segments)
    social_kinds.check_written(kind, all_tags)
    return other(signer, kind, payload, now=now, at=at, tags=all_tags)


def _notified(tag: Tag) -> PublicKey | None:
    if tag.type != TagType.NOTIFY:
        return None
    try:
        return core_tags.key_of(tag)
    except FormatError:
        return None
