"""Blobs of a home: long ones go on where they were broken off, and what nobody names goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mosaic.client.connection import Connection
from mosaic.core import blob_hash, builder, nonce
from mosaic.core.kinds import MICROBLOG
from mosaic.core.tag import Tag
from mosaic.errors import BlobMismatch, PeerError
from mosaic.node.node import Node
from mosaic.node.upkeep import blob_upkeep
from mosaic.policy.submission import Way
from mosaic.store.blob_sweep import ORPHAN_NS
from mosaic.wire.limits import BLOB_PART_LIMIT
from mosaic.wire.result_code import ResultCode

from .conftest import OpenNode

DATA = bytes(range(256)) * 20_000
NAME = blob_hash.of(DATA)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(DATA)
    return file


async def connection(node: Node) -> Connection:
    return await node.own(node.people.first)


class Counted:
    """How many bytes of blobs went over a connection, and where it breaks."""

    def __init__(self, link: Connection, breaks_at: int = 1 << 60) -> None:
        self.sent = 0
        self.parts = 0
        blobs = link.blobs
        send = blobs._send

        async def counting(frame: bytes) -> None:
            self.sent += len(frame)
            self.parts += frame[0] in {0x2A, 0x2B}
            if self.parts > breaks_at:
                link.close()
            await send(frame)

        blobs._send = counting


async def test_a_long_blob_that_was_broken_off_goes_on_in_both_directions(
    open_node: OpenNode, source: Path, tmp_path: Path
) -> None:
    async with open_node("anna") as node:
        link = await connection(node)
        Counted(link, breaks_at=2)
        with pytest.raises(PeerError):
            await link.blobs.put(source, NAME, len(DATA))
        link = await connection(node)
        counted = Counted(link)
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.ACCEPTED
        assert counted.sent < len(DATA) - BLOB_PART_LIMIT
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.DUPLICATE

        target = tmp_path / "target"
        Counted(link, breaks_at=3)
        with pytest.raises(PeerError):
            await link.blobs.get(NAME, target)
        begun = target.stat().st_size
        assert begun > 0
        link = await connection(node)
        counted = Counted(link)
        assert await link.blobs.get(NAME, target) == len(DATA)
        assert target.read_bytes() == DATA
        assert counted.parts <= 1 + (len(DATA) - begun) // BLOB_PART_LIMIT + 1


async def test_a_file_that_begins_otherwise_is_not_taken_for_the_blob(
    open_node: OpenNode, source: Path, tmp_path: Path
) -> None:
    async with open_node("anna") as node:
        link = await connection(node)
        await link.blobs.put(source, NAME, len(DATA))
        target = tmp_path / "target"
        target.write_bytes(b"something else")
        with pytest.raises(BlobMismatch):
            await link.blobs.get(NAME, target)
        assert not target.exists()
        target.write_bytes(DATA + b"and more")
        assert await link.blobs.get(NAME, target) == len(DATA)
        assert target.read_bytes() == DATA


@pytest.mark.claim("C88")
async def test_a_quota_bounds_what_one_person_brings(
    open_node: OpenNode, source: Path, tmp_path: Path
) -> None:
    async with open_node("anna") as node:
        small = tmp_path / "small"
        small.write_bytes(b"small")
        link = await connection(node)
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.ACCEPTED
        settings = node.server.settings
        object.__setattr__(settings, "blob_quota", len(DATA) + 4)
        name = blob_hash.of(b"small")
        assert await link.blobs.put(small, name, 5) is ResultCode.TOO_LARGE
        # What is there already takes no more room.
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.DUPLICATE
        object.__setattr__(settings, "blob_quota", len(DATA) + 5)
        assert await link.blobs.put(small, name, 5) is ResultCode.ACCEPTED


@pytest.mark.claim("C88")
async def test_blobs_that_come_side_by_side_do_not_pass_the_quota_together(
    open_node: OpenNode, source: Path, tmp_path: Path
) -> None:
    """Each of them has room when it begins."""
    async with open_node("anna") as node:
        other = tmp_path / "other"
        other.write_bytes(DATA[::-1])
        object.__setattr__(node.server.settings, "blob_quota", len(DATA) * 3 // 2)
        link = await connection(node)
        results = await asyncio.gather(
            link.blobs.put(source, NAME, len(DATA)),
            link.blobs.put(other, blob_hash.of(DATA[::-1]), len(DATA)),
        )
        assert sorted(results) == sorted([ResultCode.ACCEPTED, ResultCode.TOO_LARGE])
        assert node.ledger.total().blobs == 1


@pytest.mark.claim("C88")
async def test_a_running_node_removes_what_no_record_names_any_more(
    open_node: OpenNode, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("anna") as node:
        link = await connection(node)
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.ACCEPTED
        person = node.people.first
        assert person is not None
        now = node.clock.now_ns()
        record = builder.build(
            person.device,
            author=person.key,
            kind=MICROBLOG,
            nonce=nonce.from_time(now),
            timestamp=now,
            tags=[Tag(0x4D03, NAME + bytes(49))],
        )
        assert await node.server.submit([record.data], Way.OWNER) == [ResultCode.ACCEPTED]
        upkeep = blob_upkeep(node)
        await upkeep.catch_up()
        assert node.ledger.references(NAME) == 1
        (position,) = node.store.contains([record.data[:48]])
        assert position is not None
        await asyncio.to_thread(node.store.remove, [position])
        await upkeep.catch_up()
        assert await upkeep.sweep() == 0
        monkeypatch.setattr(upkeep, "_now_ns", lambda: now + 2 * ORPHAN_NS)
        assert await upkeep.sweep() == 1
        assert not node.blobs.has(NAME)


async def test_who_is_on_the_list_may_have_a_quota_of_his_own(open_node: OpenNode, source: Path) -> None:
    async with open_node("anna") as node:
        person = node.people.first
        assert person is not None
        node.rules.served.serve(person.key, note="", until_ns=None, by="test", blob_bytes=len(DATA) - 1)
        link = await connection(node)
        assert await link.blobs.put(source, NAME, len(DATA)) is ResultCode.TOO_LARGE


async def test_what_an_erased_person_brought_goes_unless_somebody_else_needs_it(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("anna") as node:
        ben = await node.make_person("ben")
        names = []
        for number, people in enumerate(([node.people.first], [node.people.first, ben])):
            file = tmp_path / str(number)
            file.write_bytes(bytes([number]) * 100)
            names.append(blob_hash.of(file.read_bytes()))
            for person in people:
                link = await node.own(person)
                assert (await link.blobs.put(file, names[-1], 100)).is_success or person is ben
        anna = node.people.first
        assert anna is not None
        erased = await node.server.moderation.erase(anna.key.bytes, by="test")
        assert erased.blobs == 1
        assert [node.blobs.has(name) for name in names] == [False, True]
        assert anna.key.bytes not in node.ledger.uploaders()
        uploads = (node.home.blobs / "uploads").read_bytes()
        assert anna.key.bytes not in uploads
        assert ben.key.bytes in uploads
