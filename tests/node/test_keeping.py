"""Another node of mine keeps the accounts that I choose, whole, and serves them when their server is gone."""

from __future__ import annotations

import asyncio
import contextlib
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
from mosaic.node.node import Node

from .conftest import HERE, OpenNode, do, one, stored

PICTURE = bytes(range(256)) * 3_000
NAME = blob_hash.of(PICTURE)


async def with_picture(node: Node, folder: Path) -> None:
    """A post of the node's person that names a blob."""
    person = node.people.find(None)
    file = folder / "picture"
    file.write_bytes(PICTURE)
    own = await node.own(person)
    await own.blobs.put(file, NAME, len(PICTURE))
    record = builder.build(
        person.device,
        author=person.key,
        kind=MICROBLOG,
        nonce=nonce.from_time(node.clock.now()),
        timestamp=Timestamp(node.clock.now_ns()),
        tags=[Tag(0x4D03, NAME)],
        payload=b"look",
    )
    await node.publish(person, record)


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
