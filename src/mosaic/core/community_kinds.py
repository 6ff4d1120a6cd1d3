"""The kinds of the community application: what people and servers do beyond posting.

Follow, Contact and Mute exist in two forms, one that everybody reads and an
encrypted one for the author alone; the person chooses.

Source: edition §4 (Community application).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mosaic.core.kind import Duplicates, Kind, Readers

APPLICATION_COMMUNITY: Final = 0xDEF0843A


def _kind(number: int, duplicates: Duplicates, readers: Readers, *, printable: bool = False) -> Kind:
    return Kind.from_parts(
        APPLICATION_COMMUNITY, number, duplicates=duplicates, readers=readers, printable=printable
    )


_UNIQUE, _EPHEMERAL, _REPLACEABLE = Duplicates.UNIQUE, Duplicates.EPHEMERAL, Duplicates.REPLACEABLE
_AUTHOR, _TAGGED, _ALL = Readers.AUTHOR, Readers.AUTHOR_AND_TAGGED, Readers.EVERYBODY

DELETION: Final = _kind(1, _UNIQUE, _ALL)
FOLLOW: Final = _kind(2, _REPLACEABLE, _ALL)
FOLLOW_PRIVATE: Final = _kind(2, _REPLACEABLE, _AUTHOR)
CONTACT: Final = _kind(3, _REPLACEABLE, _ALL)
CONTACT_PRIVATE: Final = _kind(3, _REPLACEABLE, _AUTHOR)
NICKNAME: Final = _kind(4, _REPLACEABLE, _AUTHOR)
MUTE: Final = _kind(5, _REPLACEABLE, _ALL)
MUTE_PRIVATE: Final = _kind(5, _REPLACEABLE, _AUTHOR)
REPORT: Final = _kind(6, _UNIQUE, _TAGGED)
REACTION: Final = _kind(7, _REPLACEABLE, _ALL, printable=True)
REPOST: Final = _kind(8, _UNIQUE, _ALL)
WALL_POST: Final = _kind(9, _UNIQUE, _ALL, printable=True)
HUB: Final = _kind(10, _REPLACEABLE, _ALL)
CHANNEL: Final = _kind(11, _REPLACEABLE, _ALL)
MEMBERSHIP: Final = _kind(12, _REPLACEABLE, _ALL)
ROLE_GRANT: Final = _kind(13, _REPLACEABLE, _ALL)
PRIVATE_MESSAGE: Final = _kind(14, _UNIQUE, _TAGGED)
CLIENT_STATE: Final = _kind(15, _REPLACEABLE, _AUTHOR)
PAGE_THEME: Final = _kind(16, _REPLACEABLE, _ALL)
PRESENCE: Final = _kind(17, _EPHEMERAL, _ALL)
POLL: Final = _kind(18, _UNIQUE, _ALL, printable=True)
VOTE: Final = _kind(19, _REPLACEABLE, _ALL)
SERVER_INFO: Final = _kind(20, _REPLACEABLE, _ALL)
DIRECT_MESSAGE: Final = _kind(21, _UNIQUE, _TAGGED, printable=True)
CHANNEL_KEY: Final = _kind(22, _UNIQUE, _TAGGED)
PRIVATE_DELETION: Final = _kind(23, _UNIQUE, _AUTHOR)
SEALED_CHANNEL_MESSAGE: Final = _kind(24, _UNIQUE, _ALL)
PASSING_MESSAGE: Final = _kind(25, _EPHEMERAL, _ALL, printable=True)
BLOCK_LIST_ENTRY: Final = _kind(26, _REPLACEABLE, _ALL)
VOUCH: Final = _kind(27, _UNIQUE, _ALL)
SERVER_ACT: Final = _kind(28, _UNIQUE, _AUTHOR)
INVITATION: Final = _kind(29, _EPHEMERAL, _AUTHOR)
PAIRING: Final = _kind(30, _EPHEMERAL, _TAGGED)
KEY_HANDOVER: Final = _kind(31, _REPLACEABLE, _AUTHOR)

NAMES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        DELETION: "Deletion",
        FOLLOW: "Follow",
        FOLLOW_PRIVATE: "Follow (private)",
        CONTACT: "Contact",
        CONTACT_PRIVATE: "Contact (private)",
        NICKNAME: "Nickname",
        MUTE: "Mute",
        MUTE_PRIVATE: "Mute (private)",
        REPORT: "Report",
        REACTION: "Reaction",
        REPOST: "Repost",
        WALL_POST: "Wall Post",
        HUB: "Hub",
        CHANNEL: "Channel",
        MEMBERSHIP: "Membership",
        ROLE_GRANT: "Role Grant",
        PRIVATE_MESSAGE: "Private Message",
        CLIENT_STATE: "Client State",
        PAGE_THEME: "Page Theme",
        PRESENCE: "Presence",
        POLL: "Poll",
        VOTE: "Vote",
        SERVER_INFO: "Server Info",
        DIRECT_MESSAGE: "Direct Message",
        CHANNEL_KEY: "Channel Key",
        PRIVATE_DELETION: "Private Deletion",
        SEALED_CHANNEL_MESSAGE: "Sealed Channel Message",
        PASSING_MESSAGE: "Passing Message",
        BLOCK_LIST_ENTRY: "Block List Entry",
        VOUCH: "Vouch",
        SERVER_ACT: "Server Act",
        INVITATION: "Invitation",
        PAIRING: "Pairing",
        KEY_HANDOVER: "Key Hand-over",
    }
)
