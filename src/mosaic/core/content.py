"""Human-readable content: plain text with segments at character offsets.

The payload is UTF-8 text without any machine meaning; mentions, quotes, links
and pictures are tags that name the place (in characters, not bytes) where they
are shown. Here a content is a sequence of parts in reading order.

Source: human_readable_content.md, core_tags.md.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from mosaic.core import core_tags
from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidContent


@dataclass(frozen=True, slots=True)
class UserMention:
    """A person, shown as @name."""

    key: PublicKey


@dataclass(frozen=True, slots=True)
class ServerMention:
    """A server."""

    key: PublicKey


@dataclass(frozen=True, slots=True)
class Quote:
    """Another record, shown in place."""

    target: Target


@dataclass(frozen=True, slots=True)
class Link:
    """A page on the web."""

    url: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture at a URL of at most 248 bytes."""

    url: str


@dataclass(frozen=True, slots=True)
class Video:
    """A video at a URL of at most 248 bytes."""

    url: str


Segment: TypeAlias = UserMention | ServerMention | Quote | Link | Image | Video
Part: TypeAlias = str | Segment

SEGMENT_TYPES: Final = (UserMention, ServerMention, Quote, Link, Image, Video)


def compose(parts: Iterable[Part]) -> tuple[bytes, tuple[Tag, ...]]:
    """Payload and tags of a content.

    Raises:
        InvalidContent: text that is not Unicode (a lone surrogate).
        InvalidTag: a URL that is too long.
    """
    text: list[str] = []
    tags: list[Tag] = []
    offset = 0
    for part in parts:
        if isinstance(part, str):
            text.append(part)
            offset += len(part)
        else:
            tags.append(_tag(part, offset))
    try:
        return "".join(text).encode(), tuple(tags)
    except UnicodeEncodeError:
        raise InvalidContent("the text holds half of a character (a lone surrogate)") from None


def read(payload: bytes, tags: Iterable[Tag]) -> tuple[Part, ...]:
    """The parts of a content, in reading order, neighbouring text joined.

    Segments at one offset keep the order of their tags; an offset beyond the
    text counts as its end; a malformed segment is left out.

    Raises:
        InvalidContent: the payload is not UTF-8.
    """
    text = text_of(payload)
    segments: list[tuple[int, Segment]] = []
    for tag in tags:
        try:
            offset, segment = core_tags.offset_of(tag), _segment(tag)
        except FormatError:
            continue
        if offset is not None and segment is not None:
            segments.append((min(offset, len(text)), segment))
    segments.sort(key=lambda placed: placed[0])
    parts: list[Part] = []
    place = 0
    for offset, segment in segments:
        if offset > place:
            parts.append(text[place:offset])
            place = offset
        parts.append(segment)
    if place < len(text):
        parts.append(text[place:])
    return tuple(parts)


def text_of(payload: bytes) -> str:
    """The text of a printable payload. Raises InvalidContent if it is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise InvalidContent("the payload is not UTF-8, though its kind is printable") from None


def render(parts: Sequence[Part], name_of: Callable[[PublicKey], str | None] = lambda _: None) -> str:
    """The content as plain text.

    Args:
        parts: The content.
        name_of: The name of a person, asked once for each; without one the key itself is shown.
    """
    name_of = functools.cache(name_of)
    return "".join(part if isinstance(part, str) else _shown(part, name_of) for part in parts)


_TYPED = re.compile(
    r"@?(?P<user>mopub0[a-km-uw-z1345-9]{52})(?![a-z0-9])"
    r"|(?P<server>mosrv0[a-km-uw-z1345-9]{52})(?![a-z0-9])"
    r"|(?P<url>https?://[^\s<>\"]+)"
)
_CLOSING = ".,;:!?'\u2019\u201d\u00bb*_"


def from_typed(text: str) -> tuple[Part, ...]:
    """The parts of a text as a person types it: `@mopub0…`, `mosrv0…` and web addresses become segments.

    Punctuation after an address stays text, and so does a closing bracket that opened before it.
    """
    parts: list[Part] = []
    place = 0
    for match in _TYPED.finditer(text):
        end = match.end()
        segment: Segment
        try:
            if match["user"]:
                segment = UserMention(PublicKey.parse_user(match["user"]))
            elif match["server"]:
                segment = ServerMention(PublicKey.parse_server(match["server"]))
            else:
                url = _trimmed(match["url"])
                end = match.start() + len(url)
                core_tags.url(url, 0)
                segment = Link(url)
        except FormatError:
            continue
        if match.start() > place:
            parts.append(text[place : match.start()])
        parts.append(segment)
        place = end
    if place < len(text):
        parts.append(text[place:])
    return tuple(parts)


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it."""
    unopened = {close: url.count(close) - url.count(opening) for opening, close in ("()", "[]", "{}")}
    end = len(url)
    while end:
        last = url[end - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif last not in _CLOSING:
            break
        end -= 1
    return url[:end]


def _tag(segment: Segment, offset: int) -> Tag:
    match segment:
        case UserMention(key):
            return core_tags.user_mention(key, offset)
        case ServerMention(key):
            return core_tags.server_mention(key, offset)
        case Quote(target):
            return core_tags.quote(target.kind, target.reference, offset)
        case Link(url):
            return core_tags.url(url, offset)
        case Image(url):
            return core_tags.image(url, offset)
        case Video(url):
            return core_tags.video(url, offset)


_URL_SEGMENTS: Final[Mapping[int, type[Link | Image | Video]]] = MappingProxyType(
    {core_tags.TagType.URL: Link, core_tags.TagType.IMAGE: Image, core_tags.TagType.VIDEO: Video}
)


def _segment(tag: Tag) -> Segment | None:
    if (target := core_tags.target_of(tag)) is not None:
        return Quote(target)
    if (url := core_tags.url_of(tag)) is not None:
        return _URL_SEGMENTS[tag.type](url)
    if (key := core_tags.key_of(tag)) is not None:
        return UserMention(key) if tag.type == core_tags.TagType.USER_MENTION else ServerMention(key)
    return None


def _shown(segment: Segment, name_of: Callable[[PublicKey], str | None]) -> str:
    match segment:
        case UserMention(key):
            return f"@{name_of(key) or key.user_text}"
        case ServerMention(key):
            return key.server_text
        case Quote(target):
            return target.reference.text
        case Link(url) | Image(url) | Video(url):
            return url
