"""Where somebody may be found as others say: tried, asked, never believed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, do, one, stored

from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.invite_link import InviteLink, NamedServer
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import OFF
from mosaic.errors import InvalidText, Unreachable
from mosaic.node.face import Face
from mosaic.node.hints import MOST_OF_A_KEY, Hints, mentioned
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.private_db import PrivateDb
from mosaic.social import posts

KEYS = [SecretKey.from_seed(bytes([n]) * 32).public for n in range(12)]
PERSON, SERVER, OTHER = KEYS[:3]
PLACES = [ServerUrl.parse(f"mosaictcp://203.0.113.{n}/") for n in range(1, 10)]


@contextlib.asynccontextmanager
async def living(folder: Path, name: str, *, near: bool = True) -> AsyncIterator[Node]:
    """A home that works without a DHT; `near`: in a network of its own."""
    home = Home(folder / name)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    client = dataclasses.replace(FAST.client, private_addresses=near)
    node = await Node.open(home, lock, dataclasses.replace(FAST, client=client, dht=OFF))
    try:
        node.listen(HERE)
        node.work()
        await Face(node).begin(name)
        yield node
    finally:
        await node.stop()


def key_of(node: Node) -> PublicKey:
    return node.people.find(None).key


def link_to(node: Node, *, server: PublicKey | None = None) -> str:
    named = NamedServer(server or node.server_secret.public, tuple(node.urls))
    return InviteLink(key_of(node), (named,), follow=True).text


def test_what_was_said_last_of_a_server_counts_and_little_is_kept_of_a_key() -> None:
    db = PrivateDb(None)
    hints = Hints(db)
    hints.learn(PERSON, NamedServer(SERVER, (PLACES[0],)), 1)
    hints.learn(PERSON, NamedServer(SERVER), 2)
    assert hints.urls(SERVER) == (PLACES[0],)
    hints.learn(PERSON, NamedServer(SERVER, (PLACES[1],)), 3)
    hints.learn(OTHER, NamedServer(SERVER, (PLACES[2],)), 4)
    assert hints.urls(SERVER) == (PLACES[2], PLACES[1])
    for number, key in enumerate(KEYS):
        hints.learn(PERSON, NamedServer(key), 10 + number)
    assert hints.servers(PERSON) == KEYS[: -MOST_OF_A_KEY - 1 : -1]
    assert hints.servers(KEYS[5]) == []
    db.close()


def test_hints_are_bounded_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.node.hints.MOST", 20)
    db = PrivateDb(None)
    hints = Hints(db)
    people = [PublicKey(bytes([n]) * 32) for n in range(1, 40)]
    for number, person in enumerate(people):
        hints.learn(person, NamedServer(SERVER), number)
    kept = [person for person in people if hints.servers(person)]
    assert len(kept) <= 20
    assert kept == people[-len(kept) :]
    db.close()


@pytest.mark.claim("C82")
async def test_an_invite_link_is_followed_without_any_dht(tmp_path: Path) -> None:
    async with living(tmp_path, "anna") as anna, living(tmp_path, "ben") as ben:
        await one(anna, "post", text="hello", working=True)
        followed = await one(ben, "follow", person=link_to(anna), working=True)
        assert followed["key"] == key_of(anna).user_text
        await stored(ben, lambda: any(Face(ben).people()) and Face(ben).people()[0].name == "anna")
        assert [entry.text for entry in await Face(ben).wall(key_of(anna).user_text)] == ["hello"]
        # A reply goes there, too, though nothing of hers is published.
        (post,) = await do(ben, "wall", person=key_of(anna).user_text)
        reply = await one(ben, "reply", reference=post["address"], text="found you", working=True)
        assert (reply["delivered"], reply["queued"], reply["unreached"]) == (1, 0, [])


async def test_somebody_elses_server_is_not_taken_for_the_one_that_was_named(tmp_path: Path) -> None:
    async with living(tmp_path, "anna") as anna, living(tmp_path, "ben") as ben:
        # The address is Anna's, the key is not.
        await Face(ben).follow(link_to(anna, server=OTHER))
        with ben.changes() as changed:
            async with asyncio.timeout(30):
                while not ben.seeker.fails(OTHER):
                    await changed.wait()
                    changed.clear()
        assert (Face(ben).people()[0].name, await Face(ben).feed()) == ("", [])


async def test_a_link_does_not_lead_into_the_own_network(tmp_path: Path) -> None:
    async with living(tmp_path, "anna") as anna, living(tmp_path, "ben", near=False) as ben:
        link = link_to(anna)
        with pytest.raises(Unreachable, match="nobody has published"):
            async with ben.reach.server(anna.server_secret.public):
                pass
        await one(ben, "follow", person=link)
        address = ben.directory.address(anna.server_secret.public)
        assert (list(address.urls), address.named) == (anna.urls, frozenset())
        with pytest.raises(Unreachable, match="private"):
            async with ben.reach.server(anna.server_secret.public):
                pass


async def test_what_is_published_counts_before_hints(tmp_path: Path) -> None:
    async with living(tmp_path, "ben") as ben:
        ben.directory.learn_hint(PERSON, NamedServer(OTHER, (PLACES[0],)))
        assert [server.key for server in ben.directory.servers(PERSON, Usage.INBOX)] == [OTHER]
        ben.directory.learn(PERSON, SERVER, PLACES[1], Usage.OUTBOX)
        assert [server.key for server in ben.directory.servers(PERSON, Usage.OUTBOX)] == [SERVER]


async def test_servers_that_somebody_mentions_are_asked_about_him(tmp_path: Path) -> None:
    async with living(tmp_path, "anna") as anna:
        assert mentioned(anna.records, key_of(anna)) == []
        text = f"I moved to @{SERVER.server_text} today"
        person = anna.people.find(None)
        record = posts.post(person.signer, text, now=anna.clock.now())
        assert core_tags.mentioned_servers(record) == (SERVER,)
        await anna.publish(person, record)
        assert mentioned(anna.records, key_of(anna)) == [SERVER]
        assert [server.key for server in anna.directory.hinted(key_of(anna))] == [SERVER]


async def test_a_person_invites_by_what_strangers_may_know(tmp_path: Path) -> None:
    async with living(tmp_path, "anna") as anna:
        item = await one(anna, "invite")
        link = InviteLink.parse(str(item["link"]))
        assert (link.key, link.follow) == (key_of(anna), True)
        # Nobody else reaches a loopback address.
        assert link.servers == (NamedServer(anna.server_secret.public),)
        assert "No address" in str(item["missing"])
        public = dataclasses.replace(anna.settings, public=(PLACES[0],))
        anna.reconfigure(public)
        item = await one(anna, "invite", look_only=True)
        link = InviteLink.parse(str(item["link"]))
        assert (link.follow, link.servers[0].urls) == (False, (PLACES[0],))
        assert item["missing"] == ""
        assert Face(anna).status().invite == dataclasses.replace(link, follow=True).text


async def test_a_damaged_link_is_told(tmp_path: Path) -> None:
    async with living(tmp_path, "ben") as ben:
        for act, name in (("follow", "person"), ("resolve", "key")):
            with pytest.raises(InvalidText):
                await do(ben, act, {name: "mosaic:mopub0abc?follow"})
        assert Face(ben).people() == []
