"""A client without a home: finds servers by keys, and tells what became of what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.conftest import World, serving

from mosaic import Client, Identity, PublicKey, Server
from mosaic.dht.mode import DhtMode
from mosaic.dht.testnet import DhtTestnet
from mosaic.errors import Refused, Unreachable, UsageError

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def testnet() -> Iterator[DhtTestnet]:
    with DhtTestnet(6) as net:
        yield net


async def published(world: World) -> None:
    with world.node.changes() as changed:
        async with asyncio.timeout(PATIENCE_S):
            while not world.node.dht.state().published_iso:
                await changed.wait()
                changed.clear()


@pytest.mark.claim("C82")
async def test_by_keys_alone_it_reads_outboxes_and_delivers_to_inboxes(
    tmp_path: Path, testnet: DhtTestnet
) -> None:
    entry = testnet.entry_nodes[0]
    mode = DhtMode.parse(entry)
    async with (
        serving(tmp_path / "annas", "anna", dht=mode) as annas,
        serving(tmp_path / "bens", "ben", dht=mode) as bens,
    ):
        await published(annas)
        await published(bens)
        async with (
            Client(annas.identity("anna"), dht=entry) as anna,
            Client(dht=entry) as nobody,
            bens.at_home("ben") as ben,
            asyncio.timeout(PATIENCE_S),
            ben.mentions() as mentions,
        ):
            said = await ben.post("who is there?")
            (asked,) = [post async for post in anna.wall(ben.key)]
            answer = await anna.reply(asked, "I am")
            # At her own outbox, and at his inbox, which nobody but he told of.
            assert {delivery.server.key for delivery in answer.deliveries} == {
                annas.server.key,
                bens.server.key,
            }
            assert (answer.state, answer.delivered) == ("delivered", 2)
            heard = await anext(mentions)
            assert (heard.text, heard.author, heard.reply_to) == ("I am", anna.key, said.reference)
            assert [post.text async for post in nobody.wall(anna.key)] == ["I am"]
            assert [post.text for post in await nobody.thread(said.reference)] == ["who is there?", "I am"]
            found = await nobody.resolve(anna.key)
            assert (found.outboxes, found.urls) == ((annas.server,), ())
            assert (await nobody.resolve(annas.server.key)).urls == annas.server.urls


@pytest.mark.claim("C1")
async def test_nobody_reads_and_says_nothing(world: World) -> None:
    async with Client(servers=[world.server], dht="off") as nobody:
        assert nobody.key == ""
        async with world.at_home("anna") as anna:
            await anna.post("for all")
            assert [post.text async for post in nobody.wall(anna.key)] == ["for all"]
            await nobody.follow(anna.key)
            assert [post.text async for post in nobody.feed()] == ["for all"]
        for act in (nobody.post("hello"), nobody.invite(), nobody.set_profile(name="x")):
            with pytest.raises(UsageError):
                await act
        with pytest.raises(UsageError):
            await anext(nobody.mentions())


async def test_who_is_not_served_is_refused_and_told(world: World) -> None:
    async with Client(Identity.new(), servers=[world.server], dht="off") as stranger:
        with pytest.raises(Refused) as told:
            await stranger.post("let me in")
        assert told.value.hint


async def test_what_can_not_be_delivered_now_is_queued_and_says_why(world: World) -> None:
    nowhere = Server.at("mosaictcp://127.0.0.1:9/", world.server.key)
    async with Client(Identity.new(), servers=[nowhere], dht="off") as client:
        said = await client.post("later")
        assert (said.state, said.queued, said.delivered) == ("queued", 1, 0)
        assert said.deliveries[0].note
        assert (await client.deliveries(said)).state == "queued"


async def test_whose_servers_are_not_known_has_nowhere_to_publish() -> None:
    async with Client(Identity.new(), dht="off") as client:
        with pytest.raises(Unreachable, match="where you publish"):
            await client.post("hello")
        with pytest.raises(Unreachable):
            await anext(client.wall(Identity.new().key))


async def test_an_identity_that_is_let_in_has_a_name_and_a_history(world: World) -> None:
    identity = Identity.new()
    world.node.rules.served.serve(PublicKey.parse_user(identity.key))
    async with (
        Client(identity, servers=[world.server], dht="off") as bot,
        world.at_home("anna") as anna,
    ):
        with pytest.raises(UsageError, match="name"):
            await bot.set_profile(about="I count.")
        await bot.set_profile(name="counter", bot=True)
        await bot.set_profile(about="I count.")
        profile = await anna.profile(bot.key)
        assert (profile.name, profile.about, profile.bot) == ("counter", "I count.", True)
        assert await bot.profile() == profile
