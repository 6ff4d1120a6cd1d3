"""What others wrote gives way when its quota is used up or the disk nearly full; what is mine never does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.node.cache_settings import CacheSettings
from mosaic.node.keep_acts import keep
from mosaic.node.node import Node
from mosaic.node.retention_settings import RetentionSettings, RuleSettings
from mosaic.policy.cache import CACHE, Share
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode

from .conftest import OpenNode, do, one

FRIEND, STRANGER = Person("friend"), Person("stranger")
DAY = 86_400 * 10**9
BYTES = 1_000
COUNT = 40


def posts(node: Node, who: Person, count: int = COUNT, **more: object) -> list[Record]:
    """Posts of the last days, the oldest first."""
    now = node.clock.now_ns()
    return [
        who.record(now - (count - each) * DAY, kind=MICROBLOG, payload=b"x" * BYTES, **more)  # type: ignore[arg-type]
        for each in range(count)
    ]


async def came(node: Node, records: Sequence[Record]) -> None:
    results = await node.mirror([record.data for record in records])
    assert set(results) <= {ResultCode.ACCEPTED, ResultCode.DUPLICATE}


def here(node: Node, records: Sequence[Record]) -> list[bool]:
    return [position is not None for position in node.store.contains([each.id.bytes for each in records])]


def bounded(node: Node, keep_bytes: int = 0, free: int = 0) -> None:
    node.reconfigure(dataclasses.replace(node.settings, cache=CacheSettings(keep_bytes, free)))


async def cache_bytes(node: Node) -> int:
    sizes = await node.cache.sizes()
    return sum(sizes[share].bytes for share in CACHE)


async def follow(node: Node, who: Person) -> None:
    await do(node, "follow", person=who.key.user_text)


async def test_the_oldest_of_others_goes_and_what_is_mine_or_for_me_stays(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna = node.people.find(None).key
        await follow(node, FRIEND)
        for number in range(5):
            await do(node, "post", text=f"mine {number}")
        mine = list(node.everything.newest_first(Filter.of(authors=[anna])))
        friends, strangers = posts(node, FRIEND), posts(node, STRANGER)
        to_me = posts(node, STRANGER, notify=[anna])
        await came(node, [*friends, *strangers, *to_me])
        bounded(node, keep_bytes=30 * (BYTES + 300))
        gone = await node.cache.once()
        assert gone.records
        assert all(here(node, mine))
        assert all(here(node, to_me))
        # Strangers' go first, all of them here, then the oldest of the friend's.
        assert not any(here(node, strangers))
        stayed = here(node, friends)
        assert stayed == sorted(stayed)
        assert 0 < sum(stayed) < COUNT
        assert await cache_bytes(node) <= 30 * (BYTES + 300)
        # Nothing more goes as long as nothing comes.
        assert not (await node.cache.once()).records


async def test_the_quota_holds_while_more_comes(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        quota = 20 * (BYTES + 300)
        bounded(node, keep_bytes=quota)
        records = posts(node, STRANGER, 200)
        for start in range(0, len(records), 20):
            await came(node, records[start : start + 20])
            await node.cache.once()
            assert await cache_bytes(node) <= quota
        stayed = here(node, records)
        assert stayed == sorted(stayed)
        assert stayed[-1]


async def test_what_went_is_not_refused_and_not_fetched_by_itself(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await follow(node, FRIEND)
        friends = posts(node, FRIEND)
        await came(node, friends)
        bounded(node, keep_bytes=10 * (BYTES + 300))
        await node.cache.once()
        oldest_here = friends[here(node, friends).index(True)]
        since_ns = node.cache.wanted_since_ns(FRIEND.key)
        assert friends[0].timestamp.ns < since_ns <= oldest_here.timestamp.ns
        # Somebody asks for an old one: nothing says that it was deleted.
        assert await node.mirror([friends[0].data]) == [ResultCode.ACCEPTED]
        # With much room again old posts are fetched as before.
        bounded(node, keep_bytes=1_000 * BYTES)
        node.cache._measured = None
        await node.cache._cut_back(
            node.server.moderation.cache(), node.cache.sharing(), dict.fromkeys(Share, 0), 0
        )
        assert node.cache.wanted_since_ns(FRIEND.key) == 0


async def test_how_far_it_was_cut_back_outlives_a_restart(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await follow(node, FRIEND)
        await came(node, posts(node, FRIEND))
        bounded(node, keep_bytes=10 * (BYTES + 300))
        await node.cache.once()
        since_ns = node.cache.wanted_since_ns(FRIEND.key)
        assert since_ns
    async with open_node("anna") as again:
        assert again.cache.wanted_since_ns(FRIEND.key) == since_ns


async def test_a_nearly_full_disk_takes_from_the_cache_and_gives_room_back(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await do(node, "post", text="mine")
        anna = node.people.find(None).key
        mine = list(node.everything.newest_first(Filter.of(authors=[anna])))
        strangers = posts(node, STRANGER, 400)
        await came(node, strangers)
        bounded(node, free=1_000_000)
        # A disk of its own on which only this log lies.
        node.cache.disk_free = lambda: 1_200_000 - node.store.stats()["log_bytes"]
        assert node.cache.is_short()
        gone = await node.cache.once()
        assert gone.records
        assert not node.cache.is_short()
        stayed = here(node, strangers)
        assert stayed == sorted(stayed)
        assert all(here(node, mine))
        # A disk that others fill takes the whole cache, and then nothing more.
        node.cache.disk_free = lambda: 0
        await node.cache.once()
        assert not any(here(node, strangers))
        assert all(here(node, mine))
        assert not (await node.cache.once()).records


async def test_what_strangers_bring_waits_while_the_disk_has_little_room(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna = node.people.find(None).key
        await follow(node, FRIEND)
        first, second, third = posts(node, STRANGER, 3, notify=[anna])
        theirs = posts(node, FRIEND, 1, notify=[anna])

        async def brought(record: Record) -> ResultCode:
            return (await node.server.submit([record.data], Way.LINK))[0]

        bounded(node, free=1_000_000)
        await node.cache.once()
        assert await brought(first) is ResultCode.ACCEPTED
        # What names her never leaves the cache: a stranger could fill what is left with it.
        node.cache.disk_free = lambda: 999_999
        await node.cache.once()
        assert await brought(second) is ResultCode.TEMPORARY_ERROR
        assert await brought(theirs[0]) is ResultCode.ACCEPTED
        await do(node, "post", text="mine")
        assert b"mine" in [one.payload for one in node.everything.newest_first(Filter.of(authors=[anna]))]
        node.cache.disk_free = lambda: 1_000_000
        await node.cache.once()
        assert await brought(second) is ResultCode.ACCEPTED
        assert await brought(third) is ResultCode.ACCEPTED


@pytest.mark.claim("C65")
async def test_what_is_kept_by_choice_stays_and_goes_again_when_it_is_no_more(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        strangers, friends = posts(node, STRANGER), posts(node, FRIEND)
        await came(node, [*strangers, *friends])
        added = await one(node, "keep_add", what=FRIEND.key.user_text)
        assert (added["new"], added["records"]) == (True, str(COUNT))
        await do(node, "keep_add", what=strangers[0].address.text)
        await do(node, "keep_add", what=strangers[3].id.text)
        bounded(node, keep_bytes=1)
        await node.cache.once()
        assert all(here(node, friends))
        assert [each for each, is_here in enumerate(here(node, strangers)) if is_here] == [0, 3]
        assert node.cache.wanted_since_ns(FRIEND.key) == 0
        listed = await do(node, "keep_list")
        assert [item["records"] for item in listed] == [str(COUNT), "1", "1"]
        await do(node, "keep_remove", what=FRIEND.key.user_text)
        await came(node, posts(node, STRANGER, 1))
        node.cache._measured = None
        await node.cache.once()
        assert not any(here(node, friends))


async def test_no_rule_of_retention_takes_what_is_kept(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        strangers = posts(node, STRANGER)
        await came(node, strangers)
        keep(node, strangers[0].id)
        rule = RuleSettings(older_than_s=86_400.0)
        node.reconfigure(dataclasses.replace(node.settings, retention=RetentionSettings((rule,))))
        await node.server.moderation.retain(node.rules.retention).once()
        assert here(node, strangers[:3]) == [True, False, False]


async def test_what_everybody_is_served_with_is_no_cache(open_node: OpenNode) -> None:
    async with open_node("hub") as node:
        strangers = posts(node, STRANGER)
        await came(node, strangers)
        bounded(node, keep_bytes=1)
        node.rules.served.choose("everyone")
        await node.cache.once()
        assert all(here(node, strangers))


async def test_usage_tells_of_what_there_is(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await follow(node, FRIEND)
        await do(node, "post", text="mine")
        await came(node, [*posts(node, FRIEND, 3), *posts(node, STRANGER, 2)])
        told = await one(node, "usage")
        records = told["records"]
        assert isinstance(records, dict)
        numbers = {
            name: int(str(size["records"])) for name, size in records.items() if isinstance(size, dict)
        }
        assert (numbers["followed"], numbers["others"], numbers["kept"]) == (3, 2, 0)
        assert numbers["own"] == len(
            list(node.everything.newest_first(Filter.of(authors=[node.people.find(None).key])))
        )
        cache = told["cache"]
        assert isinstance(cache, dict)
        assert cache["records"] == "5"
        assert int(str(cache["bytes"])) > 5 * BYTES
        assert cache["keep_bytes"] == str(node.settings.cache.keep_bytes)
