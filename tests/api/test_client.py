"""The library against a node that serves: the same calls with a home and without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.api.conftest import World

from mosaic import Client, Filter, Identity, PublicKey, kinds
from mosaic.errors import InvalidText, Refused, Unreachable, UsageError

PATIENCE_S = 30.0

Opens = Callable[[str], Client]


@pytest.fixture(params=["at_home", "client"])
def opens(request: pytest.FixtureRequest, world: World) -> Opens:
    found: Opens = getattr(world, request.param)
    return found


async def test_what_is_said_is_read_edited_answered_and_taken_back(opens: Opens) -> None:
    async with opens("anna") as anna, opens("ben") as ben:
        assert anna.key.startswith("mopub0")
        said = await anna.post("Good morning")
        assert said.refused == 0
        (read,) = [post async for post in ben.wall(anna.key)]
        assert (read.text, read.author, read.reference) == ("Good morning", anna.key, said.reference)
        assert read.author_name == "anna"
        assert abs(read.time - datetime.now(UTC)) < timedelta(minutes=5)
        assert read.edited is None
        answer = await ben.reply(read, "And to you")
        assert [post.text for post in await anna.thread(read)] == ["Good morning", "And to you"]
        (_, told) = await anna.thread(answer)
        assert (told.reply_to, told.root) == (said.reference, said.reference)
        await anna.edit(said, "Good morning, all")
        (edited,) = [post async for post in ben.wall(anna.key)]
        assert (edited.text, edited.reference) == ("Good morning, all", said.reference)
        assert edited.edited is not None
        with pytest.raises(UsageError):
            await ben.edit(said, "mine now")
        with pytest.raises(UsageError):
            await ben.delete(said)
        await anna.delete(said)
        assert [post async for post in ben.wall(anna.key)] == []
        with pytest.raises(Refused):
            await ben.thread(said)


async def test_a_wall_is_read_page_after_page(opens: Opens) -> None:
    async with opens("anna") as anna:
        said = [f"number {number}" for number in range(70)]
        for text in said:
            await anna.post(text)
        assert [post.text async for post in anna.wall()] == said[::-1]
        assert [post.text async for post in anna.wall(limit=33)] == said[:-34:-1]
        assert [post.text async for post in anna.feed(limit=2)] == ["number 69", "number 68"]


async def test_who_follows_reads_in_one_feed_and_hears_what_comes(opens: Opens) -> None:
    async with opens("anna") as anna, opens("ben") as ben:
        await anna.post("before")
        followed = await ben.follow(anna.key)
        assert (followed.key, followed.name) == (anna.key, "anna")
        assert [one.key for one in await ben.following()] == [anna.key]
        await ben.post("my own")
        assert [post.text async for post in ben.feed()] == ["my own", "before"]
        async with asyncio.timeout(PATIENCE_S), ben.live() as live:
            await anna.post("as it happens")
            post = await anext(live)
            assert (post.text, post.author_name) == ("as it happens", "anna")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(live)
            # Who gave up waiting has lost nothing.
            later = await anna.post("later")
            assert (await anext(live)).text == "later"
            await anna.edit(later, "later, edited")
            edited = await anext(live)
            assert (edited.text, edited.reference) == ("later, edited", later.reference)
            assert edited.edited is not None
            assert edited.edited > edited.time
        await ben.unfollow(anna.key)
        assert await ben.following() == []


async def test_mentions_come_as_they_are_said_and_since_a_time(opens: Opens) -> None:
    async with opens("anna") as anna, opens("ben") as ben, asyncio.timeout(PATIENCE_S):
        begun = datetime.now(UTC) - timedelta(seconds=1)
        said = await ben.post("hello")
        async with ben.mentions() as mentions:
            await ben.reply(said, "to myself")
            await anna.reply(said, "first")
            assert (await anext(mentions)).text == "first"
            await anna.post(f"do you know @{ben.key} ?")
            post = await anext(mentions)
            assert post.text == "do you know @ben ?"
        async with ben.mentions(since=begun) as mentions:
            assert [(await anext(mentions)).text for _ in range(2)] == ["first", "do you know @ben ?"]


async def test_a_stream_ends_with_its_client(opens: Opens) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async with opens("ben") as ben:
            mentions = ben.mentions()
            await mentions.__aenter__()
            waiting = asyncio.create_task(anext(mentions, None))
            await asyncio.sleep(0)
        assert await waiting is None
        with pytest.raises(UsageError):
            await ben.post("too late")


async def test_records_are_queried_subscribed_to_and_handed_in(opens: Opens) -> None:
    async with opens("anna") as anna, opens("ben") as ben, asyncio.timeout(PATIENCE_S):
        wanted = Filter.of(authors=[PublicKey.parse_user(anna.key)], kinds=[kinds.EXAMPLE])
        async with ben.subscribe(wanted) as records:
            made = await anna.publish(kinds.EXAMPLE, b"\x00\x01", at="settings")
            record = await anext(records)
        assert (record.id.text, record.payload) == (made.id, b"\x00\x01")
        assert [found.id.text async for found in ben.query(wanted)] == [made.id]
        assert [found.id.text for found in await ben.get(made.reference)] == [made.id]
        (answer,) = await ben.submit(record)
        assert (answer.id, answer.accepted) == (made.id, True)


async def test_a_profile_is_read(opens: Opens) -> None:
    async with opens("ben") as ben, opens("anna") as anna:
        assert (await ben.profile(anna.key)).name == "anna"
        assert (await ben.profile()).name == "ben"


async def test_blobs_go_and_come(opens: Opens, tmp_path: object) -> None:
    async with opens("anna") as anna, opens("ben") as ben:
        name = await anna.put_blob(b"a picture")
        assert await ben.get_blob(name) == b"a picture"
        with pytest.raises(Refused):
            await ben.get_blob("00" * 32)


async def test_an_invite_link_leads_to_who_made_it(opens: Opens) -> None:
    async with opens("anna") as anna, opens("ben") as ben:
        link = await anna.invite()
        assert link.startswith(f"mosaic:{anna.key}?follow")
        await anna.post("by the link")
        assert [post.text async for post in ben.wall(link)] == ["by the link"]
        assert (await ben.profile(link)).name == "anna"
        assert (await ben.follow(link)).key == anna.key
        assert anna.key == (await ben.resolve(link)).key


async def test_who_is_nowhere_is_told(opens: Opens) -> None:
    async with opens("ben") as ben:
        with pytest.raises(Unreachable):
            await ben.resolve(Identity.new().key)
        with pytest.raises(InvalidText):
            await ben.follow("mosaic:nobody")
