from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.core.makers import MASTER, OTHER, STRANGER, SUBKEY, post

from mosaic.client.address import ServerAddress
from mosaic.client.outbox import destinations, is_for_outboxes, people_concerned
from mosaic.core import core_tags, kinds
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import PASSING_MESSAGE
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.url import ServerUrl


def server(number: int) -> ServerAddress:
    key = SecretKey.from_seed(bytes([100 + number]) * 32).public
    return ServerAddress(key, (ServerUrl.parse(f"mosaictcp://127.0.0.1:{number}/"),))


class Book:
    def __init__(self) -> None:
        self.entries: dict[tuple[PublicKey, Usage], list[ServerAddress]] = {}
        self.records: dict[Id, PublicKey] = {}

    def servers(self, person: PublicKey, usage: Usage) -> Sequence[ServerAddress]:
        return self.entries.get((person, usage), [])

    def author_of(self, record: Id) -> PublicKey | None:
        return self.records.get(record)


@pytest.fixture
def book() -> Book:
    book = Book()
    book.entries[MASTER.public, Usage.OUTBOX] = [server(1), server(2)]
    book.entries[OTHER.public, Usage.INBOX] = [server(3), server(2)]
    book.entries[OTHER.public, Usage.OUTBOX] = [server(4)]
    book.entries[STRANGER.public, Usage.OUTBOX] = [server(5)]
    return book


def reply_to(parent: Record, root: Record) -> Record:
    tags = (
        core_tags.reply(parent.kind, parent.address),
        core_tags.root(root.kind, root.id),
        core_tags.notify(parent.author),
    )
    return post(SUBKEY, tags=tags, kind=kinds.REPLY_COMMENT)


@pytest.mark.claim("C82")
def test_a_post_goes_to_the_own_outboxes_only(book: Book) -> None:
    assert destinations(post(), book) == [server(1), server(2)]


@pytest.mark.claim("C36", "C69", "C82")
def test_a_reply_goes_to_the_inboxes_of_all_whom_it_concerns_each_once(book: Book) -> None:
    parent, root = post(OTHER, author=OTHER), post(STRANGER, author=STRANGER)
    book.records[root.id] = root.author
    record = reply_to(parent, root)
    assert people_concerned(record, book) == [parent.author, root.author]
    # Of the stranger no inbox is known, so his outbox is tried.
    assert destinations(record, book) == [server(1), server(2), server(3), server(5)]


def test_the_author_of_a_root_that_is_not_at_hand_is_left_out(book: Book) -> None:
    parent, root = post(OTHER, author=OTHER), post(STRANGER, author=STRANGER)
    assert people_concerned(reply_to(parent, root), book) == [parent.author]


def test_who_answers_himself_is_not_concerned(book: Book) -> None:
    assert people_concerned(reply_to(post(), post()), book) == []


@pytest.mark.claim("C69", "C82")
@pytest.mark.parametrize("kind", [kinds.CHAT_MESSAGE, PASSING_MESSAGE])
def test_what_is_said_in_a_room_goes_to_the_chat_servers_of_its_hub_alone(book: Book, kind: Kind) -> None:
    channel = post(OTHER, author=OTHER)
    in_room = (core_tags.reply(channel.kind, channel.address), core_tags.root(channel.kind, channel.address))
    told = (core_tags.notify(OTHER.public),)
    # The hub is named by Notify, and by the channel that the message answers; either will do.
    for tags in (in_room, told, in_room + told):
        record = post(SUBKEY, tags=tags, kind=kind)
        assert destinations(record, book) == [server(3), server(2)]
        assert not is_for_outboxes(record, book)
    # In a room of one's own the own servers are the chat servers.
    assert destinations(post(SUBKEY, kind=kind), book) == [server(1), server(2)]


@pytest.mark.claim("C18")
def test_the_first_three_servers_of_a_role_are_used(book: Book) -> None:
    book.entries[MASTER.public, Usage.OUTBOX] = [server(number) for number in range(1, 7)]
    assert destinations(post(), book) == [server(1), server(2), server(3)]


def test_somebody_unknown_gets_nothing_and_nothing_fails(book: Book) -> None:
    nobody = SecretKey.from_seed(bytes([77]) * 32).public
    assert destinations(post(tags=[core_tags.notify(nobody)]), book) == [server(1), server(2)]
