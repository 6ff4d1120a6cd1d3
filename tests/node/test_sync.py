"""Two homes that sync over sockets: what each gets, what it does not, and what happens after a break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from tests.node.conftest import HERE, OpenNode, do, one, stored

from mosaic.cli.status import shown_status
from mosaic.client.connection import Connection
from mosaic.client.syncing import Direction, Syncing
from mosaic.core import builder, nonce
from mosaic.core.community_kinds import DELETION
from mosaic.core.community_tags import target
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Readers
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError, Refused, UsageError
from mosaic.node.acts import Acts
from mosaic.node.control import JsonObject
from mosaic.node.mirror_settings import MirrorSettings
from mosaic.node.mirrors import Mirror, Mirrors, plan_of, synced
from mosaic.node.node import Node
from mosaic.node.synced import HomeRecords, SyncMemory, SyncPlan
from mosaic.policy.submission import Way
from mosaic.protocol.server_session import ServerSession
from mosaic.social import posts
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode
from mosaic.wire.unrecognized import Unrecognized

SECOND = 1_000_000_000


def written(node: Node, count: int, *, readers: Readers = Readers.EVERYBODY, at: int = 0) -> list[bytes]:
    """Records of the node's first person, a second apart, that are nowhere yet."""
    person = node.people.find(None)
    now = node.clock.now_ns() - (at + count) * SECOND
    kind = kind_of(readers=readers)
    return [
        posts.other(
            person.signer,
            kind,
            b"%d" % number,
            now=Timestamp(now + number * SECOND),
            at=(1 << 63 | at << 20 | number).to_bytes(8, "big"),
            tags=[],
        ).data
        for number in range(count)
    ]


async def keep(node: Node, records: Sequence[bytes]) -> None:
    results = await node.server.submit(list(records), Way.OWNER)
    assert all(result.is_success for result in results)


def has(node: Node, records: Sequence[bytes]) -> int:
    return sum(position is not None for position in node.store.contains([one[:48] for one in records]))


def reached(node: Node) -> dict[str, str]:
    return {"server": str(node.urls[0]), "key": node.server_secret.public.server_text}


@contextlib.asynccontextmanager
async def two(open_node: OpenNode) -> AsyncIterator[tuple[Node, Node]]:
    """A hub that listens, and somebody else's home."""
    async with open_node("hub") as hub, open_node("anna") as anna:
        hub.listen(HERE)
        yield hub, anna


def only(node: Node) -> JsonObject:
    return {"kinds": [kind_of().bytes.hex()], "authors": [node.people.find(None).key.user_text]}


async def sync(node: Node, other: Node, **arguments: object) -> JsonObject:
    *_, last = await do(node, "sync", {**reached(other), **arguments})
    assert last["done"]
    return last


@pytest.mark.claim("C63")
async def test_each_side_gets_what_it_lacks(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 300)
        await keep(hub, records[:200])
        await anna.server.submit(records[100:], Way.MIRROR)
        done = await sync(anna, hub, **only(hub))
        assert (done["received"], done["sent"], done["refused"]) == (100, 100, 0)
        assert has(anna, records) == has(hub, records) == 300


@pytest.mark.claim("C63")
@pytest.mark.parametrize(("direction", "there", "here"), [("up", 300, 200), ("down", 200, 300)])
async def test_one_way_alone(open_node: OpenNode, direction: str, there: int, here: int) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 300)
        await keep(hub, records[:200])
        await anna.server.submit(records[100:], Way.MIRROR)
        await sync(anna, hub, dir=direction, **only(hub))
        assert (has(hub, records), has(anna, records)) == (there, here)


@pytest.mark.claim("C63")
async def test_by_filter_and_again_without_anything_to_do(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 50)
        others = [record.data for record in [await _post(hub, "not wanted")]]
        await keep(hub, records)
        done = await sync(anna, hub, **only(hub))
        assert done["received"] == 50
        assert has(anna, others) == 0
        again = await sync(anna, hub, **only(hub))
        assert (again["received"], again["sent"], again["compared"]) == (0, 0, 50)


async def _post(node: Node, text: str) -> Record:
    await do(node, "post", text=text)
    (found,) = node.everything.newest_first(Filter.of(), 1)
    return found


@pytest.mark.claim("C63", "C27")
async def test_nobody_gets_what_he_may_not_read(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        private = written(hub, 3, readers=Readers.AUTHOR)
        await keep(hub, private)
        await sync(anna, hub)
        await sync(anna, hub, **{"as": "anna"})
        assert has(anna, private) == 0


@pytest.mark.claim("C63", "C27")
async def test_what_not_everybody_may_read_goes_to_own_servers_alone(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        kind = kind_of(readers=Readers.AUTHOR)
        private = written(anna, 3, readers=Readers.AUTHOR)
        await keep(anna, private)
        asked = {"kinds": [kind.bytes.hex()], "dir": "up", "as": "anna"}
        before = hub.server.metrics.records_offered
        done = await sync(anna, hub, **asked)
        assert (done["sent"], done["refused"], hub.server.metrics.records_offered) == (0, 0, before)
        assert done["compared"] == 0  # not even their ids were told
        await do(anna, "servers_add", server_key=hub.server_secret.public.server_text, url=str(hub.urls[0]))
        done = await sync(anna, hub, **asked)
        # This hub serves its own people alone, and says so.
        assert (done["refused"], hub.server.metrics.records_offered - before) == (3, 3)
        assert done["compared"] == 3


@pytest.mark.claim("C63")
async def test_what_a_server_says_of_itself_goes_to_no_other(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        secret, now = anna.server_secret, anna.clock.now_ns()
        said = builder.build(secret, kind=kind_of(), nonce=nonce.from_time(now), timestamp=now)
        await keep(anna, [said.data])
        done = await sync(anna, hub, dir="up", authors=[secret.public.user_text])
        assert (done["sent"], done["refused"]) == (0, 0)
        assert has(hub, [said.data]) == 0


async def test_what_was_deleted_does_not_come_back_and_goes_there_too(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        kept, gone = written(hub, 2)
        await keep(hub, [kept, gone])
        person = hub.people.find(None)
        tag = target(kind_of(), Record(gone).id)
        at = (1 << 63 | 7).to_bytes(8, "big")
        deletion = posts.other(person.signer, DELETION, b"", now=hub.clock.now(), at=at, tags=[tag]).data
        schedule = next(iter(hub.everything.newest_first(Filter.of(kinds=[KEY_SCHEDULE]), 1))).data
        await anna.server.submit([schedule, deletion], Way.MIRROR)
        done = await sync(anna, hub, authors=[person.key.user_text])
        assert done["refused"] == 1  # of what it fetched, the deleted one is not taken
        assert (has(anna, [kept]), has(anna, [gone])) == (1, 0)
        assert (has(hub, [kept, deletion]), has(hub, [gone])) == (2, 0)


@pytest.mark.claim("C63")
async def test_what_was_broken_off_goes_on(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 400)
        await keep(hub, records)
        plan = _plan(anna, hub)
        async with anna.pool.connect(plan.server) as connection:
            with pytest.raises(MosaicError):
                await _broken_off(anna, plan, connection)
        assert 0 < has(anna, records) < 400
        assert SyncMemory(anna.db).states()[0].note
        left = 400 - has(anna, records)
        done = await sync(anna, hub, dir="down", **only(hub))
        assert (done["received"], has(anna, records)) == (left, 400)
        assert not SyncMemory(anna.db).states()[0].note
        status = await one(anna, "status")
        assert str(status["syncs"]).count("down") == 1
        assert any("last done" in line for line in shown_status(status))


async def _broken_off(node: Node, plan: SyncPlan, connection: Connection) -> None:
    async with contextlib.aclosing(synced(node, plan, connection)) as steps:
        async for progress in steps:
            if progress.received:
                connection.close()


def _plan(node: Node, other: Node, direction: Direction = Direction.DOWN) -> SyncPlan:
    settings = MirrorSettings(
        reached(other)["server"],
        reached(other)["key"],
        direction.value,
        authors=(other.people.find(None).key.user_text,),
        kinds=(kind_of().bytes.hex(),),
    )
    return plan_of(node, settings)


@pytest.mark.claim("C63")
async def test_more_than_may_be_compared_at_once_is_compared_in_parts(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 120)
        await keep(hub, records)
        hub.server.reconfigure(replace(hub.settings.server, sync_items=40))
        done = await sync(anna, hub, **only(hub))
        assert done["received"] == 120
        assert has(anna, records) == 120


@pytest.mark.claim("C63")
async def test_a_server_that_has_too_much_to_do_is_asked_again_a_little_later(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        records = written(hub, 5)
        await keep(hub, records)
        hub.server.reconfigure(replace(hub.settings.server, syncs=0))
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                hub.server.reconfigure(hub.settings.server)

        plan = _plan(anna, hub)
        async with anna.pool.connect(plan.server) as connection:
            own = HomeRecords(anna, plan)
            syncing = Syncing(connection, own, plan.wanted, plan.direction, sleep=sleep)
            async for _ in syncing.run():
                pass
        assert waits == [2.0, 4.0, 8.0]
        assert has(anna, records) == 5


@pytest.mark.claim("C63")
async def test_a_server_without_the_extension_is_asked_for_everything(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unrecognized(session: ServerSession, _message: object) -> None:
        session.outgoing.append(Unrecognized().encode())

    monkeypatch.setattr(ServerSession, "_sync", unrecognized)
    async with two(open_node) as (hub, anna):
        records = written(hub, 1_100)
        await keep(hub, records)
        done = await sync(anna, hub, dir="down", **only(hub))
        assert done["by_query"] is True
        assert has(anna, records) == 1_100
        with pytest.raises(Refused, match="compare"):
            await sync(anna, hub, dir="up", **only(hub))


@pytest.mark.claim("C63")
async def test_what_sums_do_not_show_is_found_by_when_it_was_received(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(open_node) as (hub, anna):
        await keep(hub, written(hub, 5))
        await sync(anna, hub, dir="down", **only(hub))
        later = written(hub, 5, at=100)
        await keep(hub, later)

        async def nothing(_self: Syncing, _wanted: Filter) -> tuple[bytes, bytes]:
            return b"", b""

        monkeypatch.setattr(Syncing, "_compare", nothing)
        await sync(anna, hub, dir="down", **only(hub))
        assert has(anna, later) == 5


@pytest.mark.claim("C63", "C65")
async def test_a_mirror_goes_on_both_ways_and_over_breaks(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        first, second, third, fourth = (written(hub, 5, at=100 * n) for n in range(4))
        await keep(hub, first)
        task = asyncio.create_task(_run(Mirror(anna, _plan(anna, hub, Direction.BOTH), 3_600)))
        try:
            await stored(anna, lambda: has(anna, first) == 5)
            await keep(hub, second)
            await stored(anna, lambda: has(anna, second) == 5)
            offered = hub.server.metrics.records_offered
            await anna.server.submit(third, Way.MIRROR)
            await stored(hub, lambda: has(hub, third) == 5)
            # What came from there does not go back.
            assert hub.server.metrics.records_offered == offered + 5
            hub.server._sessions.close_all(ResultCode.SHUTTING_DOWN)
            await keep(hub, fourth)
            await stored(anna, lambda: has(anna, fourth) == 5)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _run(mirror: Mirror) -> None:
    async with contextlib.aclosing(mirror.run()) as steps:
        async for _ in steps:
            pass


@pytest.mark.claim("C63", "C65")
async def test_mirrors_are_those_of_the_settings_as_they_are_now(
    open_node: OpenNode, caplog: pytest.LogCaptureFixture
) -> None:
    async with two(open_node) as (hub, anna):
        first, second = written(hub, 5), written(hub, 5, at=100)
        await keep(hub, first)
        task = asyncio.create_task(Mirrors(anna).run())
        try:
            settings = MirrorSettings(reached(hub)["server"], reached(hub)["key"], "down")
            wrong = replace(settings, person="nobody")
            anna.reconfigure(replace(anna.settings, mirror=(wrong, settings)))
            await stored(anna, lambda: has(anna, first) == 5)
            assert "a mirror can't be" in caplog.text
            anna.reconfigure(replace(anna.settings, mirror=()))
            async with anna.pool.connect(_plan(anna, hub).server) as connection:
                await connection.ping()
                await connection.ping()
            assert hub.server.subscriptions == 0
            await keep(hub, second)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert has(anna, second) == 0


@pytest.mark.claim("C65")
async def test_of_two_people_on_a_server_the_chosen_one_comes_and_may_be_here_as_well(
    open_node: OpenNode,
) -> None:
    async with two(open_node) as (hub, anna):
        chosen, other = hub.people.find(None), await hub.make_person("other")
        mine = written(hub, 5)
        theirs = [
            posts.post(other.signer, f"{number}", now=Timestamp(hub.clock.now())).data for number in range(5)
        ]
        await keep(hub, [*mine, *theirs])
        # Some of it is here already: that is no reason to fetch it, nor to refuse the rest.
        await anna.server.submit(mine[:2], Way.MIRROR)
        task = asyncio.create_task(Mirrors(anna).run())
        try:
            at = reached(hub)
            settings = MirrorSettings(at["server"], at["key"], "down", authors=(chosen.key.user_text,))
            anna.reconfigure(replace(anna.settings, mirror=(settings,)))
            await stored(anna, lambda: has(anna, mine) == 5)
            later = written(hub, 5, at=100)
            await keep(hub, [*later, posts.post(other.signer, "more", now=Timestamp(hub.clock.now())).data])
            await stored(anna, lambda: has(anna, later) == 5)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert has(anna, theirs) == 0
        assert not list(anna.everything.newest_first(Filter.of(authors=[other.key])))
        assert has(hub, mine) == 5


@pytest.mark.claim("C63", "C65")
async def test_a_sync_that_follows_goes_on_until_it_is_ended(open_node: OpenNode) -> None:
    async with two(open_node) as (hub, anna):
        first, second = written(hub, 5), written(hub, 5, at=100)
        await keep(hub, first)
        told: JsonObject = {}

        async def follow() -> None:
            given: JsonObject = {**reached(hub), **only(hub), "follow": True}
            async with contextlib.aclosing(Acts(anna, working=False).table()["sync"](given)) as items:
                async for item in items:
                    told.update(item)

        task = asyncio.create_task(follow())
        await stored(anna, lambda: has(anna, first) == 5)
        await keep(hub, second)
        await stored(anna, lambda: has(anna, second) == 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (told["received"], told["done"]) == (5, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "https://example.org/"),
        ("key", "mosrv0nonsense"),
        ("authors", ("mopub0x",)),
        ("kinds", ("nothing",)),
    ],
)
def test_a_mirror_that_can_t_be_is_told_before_it_is_needed(field: str, value: object) -> None:
    good = {"url": "mosaictcp://127.0.0.1:1320/", "key": PublicKey(bytes([1] * 32)).server_text}
    with pytest.raises(UsageError):
        MirrorSettings(**{**good, field: value})  # type: ignore[arg-type]
