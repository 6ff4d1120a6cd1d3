"""The core tags: what each holds, written and read back.

Validation never looks into them, so the readers here give None (or leave out)
where a value is not what its type asks for.

Source: core_tags.md, tag_types.md, edition §3 and §5 (G3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.reference import Reference
from mosaic.core.reference import from_bytes as reference_from_bytes
from mosaic.core.tag import MAX_VALUE_LENGTH, Tag
from mosaic.errors import FormatError, InvalidTag

MAX_MEDIA_URL: Final = 248
MAX_URL: Final = MAX_VALUE_LENGTH - 4


class TagType(IntEnum):
    """The types of the core tags."""

    NOTIFY = 0x1
    REPLY = 0x2
    ROOT = 0x3
    NOSTR_SISTER = 0x8
    SUBKEY = 0x10
    USER_MENTION = 0x20
    SERVER_MENTION = 0x21
    QUOTE = 0x22
    URL = 0x24
    IMAGE = 0x25
    VIDEO = 0x26


class Target(NamedTuple):
    """What a reply, root or quote tag points at; the kind lets software skip what it does not know."""

    kind: Kind
    reference: Reference


class Tagged(Protocol):
    """Whatever has tags, such as a record."""

    @property
    def tags(self) -> Sequence[Tag]:
        """The tags in their order."""


# --- writing ---------------------------------------------------------------------------------

_NO_OFFSET: Final = bytes(4)
"""What stands before the value of a tag that belongs to no place in the text."""


def notify(key: PublicKey) -> Tag:
    """The record is of interest to this person (master key) and goes to all of his inboxes."""
    return Tag(TagType.NOTIFY, _NO_OFFSET + key.bytes)


def reply(kind: Kind, reference: Reference) -> Tag:
    """The record replies to another one. Stands together with a root tag always."""
    return Tag(TagType.REPLY, _NO_OFFSET + kind.bytes + reference.bytes)


def root(kind: Kind, reference: Reference) -> Tag:
    """The record that the whole thread hangs on. Stands together with a reply tag always."""
    return Tag(TagType.ROOT, _NO_OFFSET + kind.bytes + reference.bytes)


def nostr_sister(event_id: bytes) -> Tag:
    """The nostr event (32-byte id) that says the same. Raises InvalidTag on another length."""
    if len(event_id) != 32:
        raise InvalidTag(f"a nostr id has 32 bytes, not {len(event_id)}")
    return Tag(TagType.NOSTR_SISTER, _NO_OFFSET + event_id)


def subkey(key: PublicKey | bytes) -> Tag:
    """A subkey of a key schedule, which may be of another cryptosystem (32 bytes). Raises InvalidTag."""
    data = bytes(key)
    if len(data) != 32:
        raise InvalidTag(f"a subkey has 32 bytes, not {len(data)}")
    return Tag(TagType.SUBKEY, _NO_OFFSET + data)


def user_mention(key: PublicKey, offset: int) -> Tag:
    """A person (master key) whose @name is shown at a character offset. Raises InvalidTag over 32 bits."""
    return Tag(TagType.USER_MENTION, _head(offset) + key.bytes)


def server_mention(key: PublicKey, offset: int) -> Tag:
    """A server shown at a character offset. Raises InvalidTag over 32 bits."""
    return Tag(TagType.SERVER_MENTION, _head(offset) + key.bytes)


def quote(kind: Kind, reference: Reference, offset: int) -> Tag:
    """A record quoted at a character offset. Raises InvalidTag over 32 bits."""
    return Tag(TagType.QUOTE, _head(offset) + kind.bytes + reference.bytes)


def url(text: str, offset: int) -> Tag:
    """A link to a page, shown at a character offset. Raises InvalidTag over 65,527 bytes."""
    return Tag(TagType.URL, _head(offset) + _url(text, MAX_URL))


def image(text: str, offset: int) -> Tag:
    """The URL of an image, shown at a character offset. Raises InvalidTag over 248 bytes."""
    return Tag(TagType.IMAGE, _head(offset) + _url(text, MAX_MEDIA_URL))


def video(text: str, offset: int) -> Tag:
    """The URL of a video, shown at a character offset. Raises InvalidTag over 248 bytes."""
    return Tag(TagType.VIDEO, _head(offset) + _url(text, MAX_MEDIA_URL))


def _head(offset: int) -> bytes:
    if not 0 <= offset < 2**32:
        raise InvalidTag(f"an offset has 32 bits: {offset} does not fit")
    return offset.to_bytes(4, "little")


def _url(text: str, limit: int) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise InvalidTag("the URL holds half of a character (a lone surrogate)") from None
    if len(data) > limit:
        raise InvalidTag(f"this URL may have {limit} bytes, not {len(data)}", hint="Use a shorter URL.")
    return data


# --- reading one tag -------------------------------------------------------------------------

_KEY_TYPES = frozenset({TagType.NOTIFY, TagType.SUBKEY, TagType.USER_MENTION, TagType.SERVER_MENTION})
_TARGET_TYPES = frozenset({TagType.REPLY, TagType.ROOT, TagType.QUOTE})
_URL_LIMITS = {TagType.URL: MAX_URL, TagType.IMAGE: MAX_MEDIA_URL, TagType.VIDEO: MAX_MEDIA_URL}
_SEGMENT_TYPES = frozenset(
    {TagType.USER_MENTION, TagType.SERVER_MENTION, TagType.QUOTE, TagType.URL, TagType.IMAGE, TagType.VIDEO}
)


def key_of(tag: Tag) -> PublicKey | None:
    """The key of a notify, subkey, user or server mention tag; None for other types.

    Raises:
        InvalidTag: the value is not 36 bytes.
        InvalidKey: the key may not be.
    """
    if tag.type not in _KEY_TYPES:
        return None
    return PublicKey.from_bytes(_value(tag, 36)[4:])


def target_of(tag: Tag) -> Target | None:
    """Kind and reference of a reply, root or quote tag; None for other types.

    Raises:
        InvalidTag: the value is not 60 bytes.
        InvalidKind: the kind may not be.
        InvalidReference: the reference may not be.
    """
    if tag.type not in _TARGET_TYPES:
        return None
    value = _value(tag, 60)
    return Target(Kind(value[4:12]), reference_from_bytes(value[12:]))


def url_of(tag: Tag) -> str | None:
    """The URL of a URL, image or video tag; None for other types.

    Raises:
        InvalidTag: too short or too long, or not UTF-8.
    """
    limit = _URL_LIMITS.get(TagType(tag.type)) if tag.type in _SEGMENT_TYPES else None
    if limit is None:
        return None
    if not 4 <= len(tag.value) <= limit + 4:
        raise InvalidTag(f"the URL has more than {limit} bytes, or its offset is cut off")
    try:
        return tag.value[4:].decode()
    except UnicodeDecodeError:
        raise InvalidTag("the URL is not UTF-8") from None


def nostr_id_of(tag: Tag) -> bytes | None:
    """The nostr id (32 bytes) of a nostr sister tag; None for other types. Raises InvalidTag."""
    return _value(tag, 36)[4:] if tag.type == TagType.NOSTR_SISTER else None


def offset_of(tag: Tag) -> int | None:
    """The character offset of a content segment; None for other types. Raises InvalidTag."""
    if tag.type not in _SEGMENT_TYPES:
        return None
    if len(tag.value) < 4:
        raise InvalidTag("the tag's offset is cut off")
    return int.from_bytes(tag.value[:4], "little")


def _value(tag: Tag, length: int) -> bytes:
    if len(tag.value) != length:
        raise InvalidTag(f"a tag of type {tag.type:#x} has a value of {length} bytes, not {len(tag.value)}")
    return tag.value


# --- reading a record's tags -----------------------------------------------------------------


def notify_keys(record: Tagged) -> tuple[PublicKey, ...]:
    """Whom a record notifies, each once, in order; malformed tags are left out."""
    return _keys(record, TagType.NOTIFY)


def subkeys(record: Tagged) -> tuple[bytes, ...]:
    """The subkeys (32 bytes each, of any cryptosystem) in a record's subkey tags, in order."""
    return tuple(tag.value[4:] for tag in record.tags if tag.type == TagType.SUBKEY and len(tag.value) == 36)


def reply_target(record: Tagged) -> Target | None:
    """What a record replies to: its first well-formed reply tag."""
    return next(_targets(record, TagType.REPLY), None)


def root_target(record: Tagged) -> Target | None:
    """What a record's thread hangs on: its first well-formed root tag."""
    return next(_targets(record, TagType.ROOT), None)


def quote_targets(record: Tagged) -> tuple[Target, ...]:
    """What a record quotes, in the order of its tags."""
    return tuple(_targets(record, TagType.QUOTE))


def mentioned_users(record: Tagged) -> tuple[PublicKey, ...]:
    """Whom a record mentions, each once, in order."""
    return _keys(record, TagType.USER_MENTION)


def mentioned_servers(record: Tagged) -> tuple[PublicKey, ...]:
    """The servers that are mentioned in the content, each once, in order; malformed tags are left out."""
    return _keys(record, TagType.SERVER_MENTION)


def _keys(record: Tagged, tag_type: TagType) -> tuple[PublicKey, ...]:
    keys: dict[PublicKey, None] = {}
    for tag in record.tags:
        if tag.type == tag_type:
            try:
                key = key_of(tag)
            except FormatError:
                continue
            if key is not None:
                keys[key] = None
    return tuple(keys)


def _targets(record: Tagged, tag_type: TagType) -> Iterator[Target]:
    for tag in record.tags:
        if tag.type == tag_type:
            try:
                target = target_of(tag)
            except FormatError:
                continue
            if target is not None:
                yield target
