"""The outbox model: which servers a record goes to.

What somebody writes goes to his own outboxes; what concerns somebody goes to
that person's inboxes as well. Servers do nothing of their own accord: the
client finds out and delivers. What is said in a room goes to its chat servers.

Source: network.md, bootstrap.md, reply_comment.md, chat.md, core_tags.md; edition §4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from mosaic.client.address import ServerAddress
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import PASSING_MESSAGE
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import CHAT_MESSAGE
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id

SERVERS_OF_A_ROLE = 3
"""How many servers of a role are used (bootstrap.md: software MUST use the first three)."""


_CHAT: Final = frozenset({CHAT_MESSAGE, PASSING_MESSAGE})


class Directory(Protocol):
    """Knows which servers people use."""

    def servers(self, person: PublicKey, usage: Usage) -> Sequence[ServerAddress]:
        """The servers that somebody uses so, the preferred first; empty when none is known."""

    def author_of(self, record: Id) -> PublicKey | None:
        """Who wrote a record, or None if it is not at hand."""


def people_concerned(record: Record, directory: Directory) -> list[PublicKey]:
    """Whose inboxes a record goes to: everyone it notifies, and the authors of what it replies to."""
    concerned = list(core_tags.notify_keys(record))
    for target in (core_tags.reply_target(record), core_tags.root_target(record)):
        if target is None:
            continue
        if isinstance(target.reference, Address):
            concerned.append(target.reference.author)
        elif (author := directory.author_of(target.reference)) is not None:
            concerned.append(author)
    return [person for person in dict.fromkeys(concerned) if person != record.author]


def is_for_outboxes(record: Record, directory: Directory) -> bool:
    """Whether a record goes to its author's outboxes.

    What is said in somebody else's room does not: it goes to the chat servers of that room, and whoever
    follows its author need not read it.
    """
    return record.kind not in _CHAT or not people_concerned(record, directory)


def destinations(record: Record, directory: Directory) -> list[ServerAddress]:
    """The servers that a record of one's own goes to, each once.

    Chat servers are the inboxes of the hub whose room it is, which a message names by Notify, Reply or
    Root. Of somebody whose inboxes are not known but whose outboxes are, the
    outboxes are tried: most people use one server for both, and a server that
    does not take it says so.
    """
    found = []
    if is_for_outboxes(record, directory):
        found += _first(directory.servers(record.author, Usage.OUTBOX))
    for person in people_concerned(record, directory):
        found += _first(directory.servers(person, Usage.INBOX)) or _first(
            directory.servers(person, Usage.OUTBOX)
        )
    return _each_once(found)


def _first(servers: Sequence[ServerAddress]) -> list[ServerAddress]:
    return list(servers[:SERVERS_OF_A_ROLE])


def _each_once(servers: Iterable[ServerAddress]) -> list[ServerAddress]:
    first: dict[PublicKey, ServerAddress] = {}
    for server in servers:
        first.setdefault(server.key, server)
    return list(first.values())
