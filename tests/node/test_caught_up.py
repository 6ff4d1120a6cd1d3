"""A restored home asks what was deleted since its backup before it serves again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mosaic.core import builder, nonce
from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.community_kinds import DELETION
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import KEY_SCHEDULE, MICROBLOG
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.node import caught_up
from mosaic.node.caught_up import catch_up
from mosaic.node.node import Node
from mosaic.node.people import Person
from mosaic.node.restore import MARK
from mosaic.policy.submission import Way
from mosaic.store.record_source import RecordSource
from mosaic.wire.result_code import ResultCode

from .conftest import HERE, OpenNode


def post(node: Node, person: Person, text: bytes, *tags: Tag, deletes: Record | None = None) -> Record:
    now = node.clock.now_ns()
    kind = MICROBLOG
    if deletes is not None:
        kind = DELETION
        tags = (Tag(0x4D01, bytes(4) + MICROBLOG.bytes + deletes.id.bytes),)
    return builder.build(
        person.device,
        author=person.key,
        kind=kind,
        nonce=nonce.from_time(now),
        timestamp=now,
        tags=tags,
        payload=text,
    )


def holds(node: Node, record: Record) -> bool:
    return node.store.contains([record.id.bytes])[0] is not None


def mark(node: Node, made_ns: int, **more: object) -> Path:
    path = node.home.folder / MARK
    path.write_text(json.dumps({"made_ns": str(made_ns), "last_received_ns": "0", **more}))
    return path


async def test_a_home_that_was_not_restored_asks_nobody(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        assert await catch_up(node) is None


async def test_what_was_deleted_meanwhile_does_not_come_back(open_node: OpenNode) -> None:
    async with open_node("anna") as home, open_node("hub") as hub:
        person = home.people.first
        assert person is not None
        hub.rules.served.serve(person.key, note="", until_ns=None, by="test")
        url = hub.listen(HERE)
        regretted, kept = post(home, person, b"regretted"), post(home, person, b"kept")
        schedules = RecordSource(home.store).query(Filter.of(authors=[person.key], kinds=[KEY_SCHEDULE]))
        both = [*(stored.record.data for stored in schedules), regretted.data, kept.data]
        for node in (home, hub):
            assert all(
                result.is_success or result is ResultCode.DUPLICATE
                for result in await node.server.submit(both, Way.OWNER)
            )
        backup_ns = home.clock.now_ns()
        # Only the hub learns of the Deletion: the home is restored from before it.
        deletion = post(hub, person, b"", deletes=regretted)
        assert await hub.server.submit([deletion.data], Way.OWNER) == [ResultCode.ACCEPTED]
        server = hub.server_secret.public
        bootstrap = UserBootstrap.parse(f"U\n7 {server.server_text}")
        home.people.use_servers(person, bootstrap)
        home.db.set_server_urls(server.bytes, [str(url)])

        path = mark(home, backup_ns)
        caught = await catch_up(home, 20.0)
        assert caught is not None
        assert (caught.asked, caught.unasked) == (1, ())
        assert caught.records >= 1
        assert not holds(home, regretted)
        assert holds(home, kept)
        assert holds(home, deletion)
        assert not path.exists()
        assert await catch_up(home) is None


async def test_whom_nobody_can_be_asked_about_is_told_and_serving_begins(
    open_node: OpenNode, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_node("anna") as node:
        person = node.people.first
        assert person is not None
        mark(node, 1)
        caught = await catch_up(node, 5.0)
        assert caught is not None
        assert caught.unasked == (person.key,)
        assert person.key.user_text in caplog.text


async def test_an_unreadable_mark_asks_for_everything(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        (node.home.folder / MARK).write_text("{")
        caught = await catch_up(node, 5.0)
        assert caught is not None


async def test_who_was_erased_after_the_backup_is_erased_again(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        ben = await node.make_person("ben")
        record = post(node, ben, b"to be erased")
        assert await node.server.submit([record.data], Way.OWNER) == [ResultCode.ACCEPTED]
        mark(node, 1, erased=[ben.key.bytes.hex()])
        caught = await catch_up(node, 5.0)
        assert caught is not None
        assert caught.erased == 1
        assert not holds(node, record)


async def test_a_server_that_gives_without_end_is_heard_so_far_and_a_little_at_a_time(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(caught_up, "MOST", 1_000)
    given: list[Record] = []
    handed_in: list[int] = []

    class Endless:
        async def query(self, _: Filter) -> AsyncGenerator[Record, None]:
            while True:
                await asyncio.sleep(0)
                given.append(repeated)
                yield repeated

    @asynccontextmanager
    async def endless(_: PublicKey) -> AsyncIterator[Endless]:
        yield Endless()

    async with open_node("anna") as home:
        person = home.people.first
        assert person is not None
        other = SecretKey.from_seed(bytes(32)).public.server_text
        home.people.use_servers(person, UserBootstrap.parse(f"U\n7 {other}"))
        repeated = post(home, person, b"again and again")
        mirror = home.mirror

        async def watched(records: Sequence[bytes]) -> list[ResultCode]:
            handed_in.append(len(records))
            return await mirror(records)

        monkeypatch.setattr(home.reach, "server", endless)
        monkeypatch.setattr(home, "mirror", watched)
        mark(home, 1)
        caught = await catch_up(home, 20.0)
        assert caught is not None
        assert caught.records == len(given) == sum(handed_in) == 1_000
        assert max(handed_in) <= 256
        assert "more than 1000 Deletions" in caplog.text
