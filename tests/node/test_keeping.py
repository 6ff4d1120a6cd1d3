"""Another node of mine keeps the accounts that I choose, whole, and serves them when their server is gone."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.client.address import ServerAddress
from mosaic.core import blob_hash, builder, nonce
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node.cache_settings import CacheSettings
from mosaic.node.history import Progress, _after
from mosaic.node.node import Node
from mosaic.testing import Person

from .conftest import HERE, OpenNode, do, one, stored

PICTURE = bytes(range(256)) * 3_000
NAME = blob_hash.of(PICTURE)
MINUTE = 60 * 10**9


async def said(node: Node, text: bytes, *tags: Tag, ago_ns: int = 0) -> None:
    """The node's person says something."""
    person = node.people.find(None)
    time = Timestamp(node.clock.now_ns() - ago_ns)
    record = builder.build(
        person.device,
        author=person.key,
        kind=MICROBLOG,
        nonce=nonce.from_time(time),
        timestamp=time,
        tags=tags,
        payload=text,
    )
    await node.publish(person, record)


async def with_picture(node: Node, folder: Path) -> None:
    """A post of the node's person that names a blob."""
    file = folder / "picture"
    file.write_bytes(PICTURE)
    own = await node.own(node.people.find(None))
    await own.blobs.put(file, NAME, len(PICTURE))
    await said(node, b"look", Tag(0x4D03, NAME))


def texts(node: Node, author: PublicKey) -> set[bytes]:
    return {
        one.payload for one in node.everything.newest_first(Filter.of(authors=[author], kinds=[MICROBLOG]))
    }


async def until(node: Node, holds: Callable[[], object]) -> None:
    """Waits until something holds that need not come with a change."""
    with node.changes() as changed:
        async with asyncio.timeout(30):
            while not holds():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 0.2)
                changed.clear()


@pytest.mark.claim("C65")
async def test_an_account_is_kept_whole_and_served_when_its_server_is_gone(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("mirror") as mirror, open_node("reader") as reader:
        async with open_node("anna") as anna:
            key = anna.people.find(None).key
            for number in range(120):
                await do(anna, "post", text=f"post {number}")
            await with_picture(anna, tmp_path)
            url = anna.listen(HERE)
            anna.work()
            mirror.listen(HERE)
            mirror.work()
            await do(
                mirror,
                "keep_add",
                what=key.user_text,
                server=str(url),
                key=anna.server_secret.public.server_text,
                working=True,
            )
            await stored(mirror, lambda: len(texts(mirror, key)) == 121)
            await do(anna, "post", text="what is new comes, too", working=True)
            await stored(mirror, lambda: len(texts(mirror, key)) == 122)
            await until(mirror, lambda: mirror.blobs.has(NAME))
            whole = [record.data for record in anna.everything.newest_first(Filter.of(authors=[key]))]
        # Anna's server is gone. It is in nobody's feed here, but whoever asks this node gets all of it.
        assert not await do(mirror, "feed")
        found = await do(
            reader,
            "query",
            authors=[key.user_text],
            limit=0,
            server=str(mirror.urls[0]),
            key=mirror.server_secret.public.server_text,
        )
        assert len(found) == len(whole)
        async with reader.pool.connect(_address(mirror)) as connection:
            assert await connection.blobs.get(NAME, tmp_path / "fetched") == len(PICTURE)
        assert (tmp_path / "fetched").read_bytes() == PICTURE
        (listed,) = await do(mirror, "keep_list", working=True)
        assert (listed["what"], listed["records"], listed["blobs_lacking"]) == (
            key.user_text,
            str(len(whole)),
            "0",
        )


def _address(node: Node) -> ServerAddress:
    return ServerAddress.by_hand(node.server_secret.public, node.urls[0])


async def test_what_went_stays_away_until_somebody_wants_it_again(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        key = anna.people.find(None).key
        for number in range(100):
            await said(anna, b"post %d " % number + b"x" * 500, ago_ns=(200 - number) * MINUTE)
        at = {"server": str(anna.listen(HERE)), "key": anna.server_secret.public.server_text}
        anna.work()
        ben.work()
        await do(ben, "follow", at, person=key.user_text, working=True)
        await stored(ben, lambda: len(texts(ben, key)) == 100)
        await until(ben, lambda: ben.history.progress(key).done)
        settings = dataclasses.replace(ben.settings, cache=CacheSettings(30_000, 0))
        ben.reconfigure(settings)
        assert (await ben.cache.once()).records
        left = texts(ben, key)
        assert 0 < len(left) < 50
        # Whatever looks by itself leaves it so.
        await ben.comparing.compare_with(anna.server_secret.public, [key])
        assert texts(ben, key) == left
        # Whoever chooses to keep it gets all of it, though the quota is used up.
        await do(ben, "keep_add", what=key.user_text, working=True)
        await stored(ben, lambda: len(texts(ben, key)) == 100)
        await ben.cache.once()
        assert len(texts(ben, key)) == 100


def test_old_posts_are_fetched_no_further_back_than_to_what_went() -> None:
    author = Person("author")
    before, records = Progress(600, 60), [author.record(500), author.record(400)]
    assert not _after(before, records, 2, 0).done
    assert not _after(before, records, 2, 399).done
    assert _after(before, records, 2, 450).done


async def test_what_is_mine_needs_no_keeping(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        with pytest.raises(UsageError, match="kept anyway"):
            await one(node, "keep_add", what=node.people.find(None).key.user_text)
        with pytest.raises(UsageError, match="not kept"):
            await one(node, "keep_remove", what=node.server_secret.public.user_text)


async def test_what_is_kept_outlives_a_restart(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as node:
        await do(node, "keep_add", what=anna.people.find(None).key.user_text)
        again = await one(node, "keep_add", what=anna.people.find(None).key.user_text)
        assert again["new"] is False
        kept = node.kept.listed()
    async with open_node("ben") as node:
        assert node.kept.listed() == kept
