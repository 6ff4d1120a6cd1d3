"""The kinds of the core and social applications by name.

Source: kinds.md, applications.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mosaic.core.community_kinds import NAMES as COMMUNITY_NAMES
from mosaic.core.kind import Duplicates, Kind, Readers

APPLICATION_CORE: Final = 0
APPLICATION_SOCIAL: Final = 1
APPLICATION_EXAMPLES: Final = 99


def _core(number: int) -> Kind:
    return Kind.from_parts(
        APPLICATION_CORE,
        number,
        duplicates=Duplicates.REPLACEABLE,
        readers=Readers.EVERYBODY,
        printable=False,
    )


def _text(application: int, number: int) -> Kind:
    return Kind.from_parts(
        application, number, duplicates=Duplicates.UNIQUE, readers=Readers.EVERYBODY, printable=True
    )


KEY_SCHEDULE: Final = _core(1)
PROFILE: Final = _core(2)
MICROBLOG: Final = _text(APPLICATION_SOCIAL, 1)
REPLY_COMMENT: Final = _text(APPLICATION_SOCIAL, 2)
BLOG_POST: Final = _text(APPLICATION_SOCIAL, 3)
CHAT_MESSAGE: Final = _text(APPLICATION_SOCIAL, 4)
EXAMPLE: Final = _text(APPLICATION_EXAMPLES, 1)

NAMES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        KEY_SCHEDULE: "Key Schedule",
        PROFILE: "Profile",
        MICROBLOG: "Microblog Root",
        REPLY_COMMENT: "Reply Comment",
        BLOG_POST: "Blog Post",
        CHAT_MESSAGE: "Chat Message",
        EXAMPLE: "Example",
    }
)

SOCIAL: Final = frozenset({MICROBLOG, REPLY_COMMENT, BLOG_POST, CHAT_MESSAGE})


def name(kind: Kind) -> str:
    """The kind's name for people: the registered one, or application and number."""
    return (
        NAMES.get(kind)
        or COMMUNITY_NAMES.get(kind)
        or f"kind {kind.number} of application {kind.application}"
    )
