"""A client on a home: opened by it where no node runs, and the first one that makes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.api.conftest import World, serving

from mosaic import Client
from mosaic.errors import HomeMissing, UnknownPerson

PATIENCE_S = 30.0


async def test_a_home_is_made_opened_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    with pytest.raises(HomeMissing):
        async with Client.home(folder, dht="off"):
            pass
    async with Client.home(folder, person="bot", make=True, dht="off") as client:
        key = client.key
        await client.post("kept")
        # Meanwhile it is the home's node, which others ask.
        async with Client.home(folder) as other:
            assert other.key == key
            assert [post.text async for post in other.wall()] == ["kept"]
    async with Client.home(folder, person="bot", make=True, dht="off") as client:
        assert client.key == key
        assert [post.text async for post in client.wall()] == ["kept"]
    with pytest.raises(UnknownPerson):
        async with Client.home(folder, person="somebody else", dht="off"):
            pass
    # Whoever could not be found has left the home free.
    async with Client.home(folder, dht="off"):
        pass


async def test_what_goes_to_another_server_tells_how_it_does(tmp_path: Path, world: World) -> None:
    async with (
        world.at_home("anna") as anna,
        Client.home(tmp_path / "carl", person="carl", make=True, dht="off") as carl,
        asyncio.timeout(PATIENCE_S),
    ):
        said = await anna.post("hello")
        await carl.follow(anna.key, at=world.server)
        async with anna.mentions() as mentions:
            answer = await carl.reply((await carl.get(said.reference, at=world.server))[0], "hello from afar")
            assert (answer.state, answer.delivered) == ("delivered", 1)
            (delivery,) = answer.deliveries
            assert (delivery.server.key, delivery.state) == (world.server.key, "delivered")
            assert (await anext(mentions)).text == "hello from afar"
        assert (await carl.deliveries(answer)).state == "delivered"


async def test_a_server_that_is_away_leaves_it_queued_and_gets_it_later(tmp_path: Path) -> None:
    async with Client.home(tmp_path / "carl", person="carl", make=True, dht="off") as carl:
        async with serving(tmp_path / "home", "anna") as world, world.at_home("anna") as anna:
            said = await anna.post("hello")
            await carl.follow(anna.key, at=world.server)
            (record,) = await carl.get(said.reference, at=world.server)
            assert (await carl.reply(record, "first")).state == "delivered"
        answer = await carl.reply(said, "while you were away")
        assert (answer.state, answer.queued) == ("queued", 1)
        assert answer.deliveries[0].note
