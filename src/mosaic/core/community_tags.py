"""The tags of the community application.

Hashtag and Target hold no place in a text, so that filters match them whole.
Validation never looks into them: what is not well-formed is left out here.

Source: edition §4 (tag types of this application).
"""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from typing import Final

from mosaic.core.core_tags import Tagged, Target
from mosaic.core.kind import Kind
from mosaic.core.reference import Reference
from mosaic.core.reference import from_bytes as reference_from_bytes
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidTag

_FREE: Final = bytes(4)
_TARGET_BYTES: Final = 60


class CommunityTag(IntEnum):
    """The types of these tags (u16)."""

    HASHTAG = 0x4D00
    TARGET = 0x4D01
    WORK = 0x4D02
    BLOB = 0x4D03


def hashtag(text: str) -> Tag:
    """A word that the record is about, written without `#`. Raises InvalidTag if it is empty or no text."""
    word = unicodedata.normalize("NFC", text).lower()
    try:
        data = word.encode()
    except UnicodeEncodeError:
        raise InvalidTag("the hashtag holds half of a character (a lone surrogate)") from None
    if not data:
        raise InvalidTag("a hashtag is not empty")
    return Tag(CommunityTag.HASHTAG, data)


def target(kind: Kind, reference: Reference) -> Tag:
    """What the record acts upon: a record, or all that stands at an address."""
    return Tag(CommunityTag.TARGET, _FREE + kind.bytes + reference.bytes)


def targets(record: Tagged) -> tuple[Target, ...]:
    """What a record acts upon, in the order of its tags; malformed tags are left out."""
    found: list[Target] = []
    for tag in record.tags:
        if tag.type == CommunityTag.TARGET and len(tag.value) == _TARGET_BYTES:
            try:
                found.append(Target(Kind(tag.value[4:12]), reference_from_bytes(tag.value[12:])))
            except FormatError:
                continue
    return tuple(found)
