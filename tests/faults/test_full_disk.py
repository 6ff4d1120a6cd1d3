"""A node whose disk is full refuses what it can't keep, answers questions, and recovers by itself."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.loopback.processes import Node, run

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.core import blob_hash, builder, kinds, nonce
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.url import ServerUrl
from mosaic.node.clock import Clock
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node as OpenHome
from mosaic.node.people import Person
from mosaic.testing import Person as Somebody
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits
from mosaic.wire.result_code import ResultCode

ACCEPTED, TEMPORARY_ERROR = ResultCode.ACCEPTED, ResultCode.TEMPORARY_ERROR
UNLIMITED = resource.RLIM_INFINITY
ROOM = 200_000
PAYLOAD = bytes(2_000)
CLOCK = Clock()


async def opened(folder: Path) -> OpenHome:
    home = Home(folder)
    lock = try_lock(home)
    assert lock is not None
    return await OpenHome.open(home, lock)


def limit(node: Node, most: int) -> None:
    """No file that the node writes may become longer: to it that is a full disk."""
    assert node.process is not None
    _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (most, hard))


def make(person: Person) -> Record:
    now = CLOCK.now_ns()
    return builder.build(
        person.device,
        author=person.key,
        kind=kinds.EXAMPLE,
        nonce=nonce.from_time(now),
        timestamp=now,
        payload=PAYLOAD,
    )


@asynccontextmanager
async def connected(node: Node, person: Person, folder: Path) -> AsyncIterator[Connection]:
    network = SocketNetwork(TransportSettings(tuple(frame_limits()), tuple(SPOOL_PREFIX), str(folder)))
    pool = LinkPool(network, ClientSettings(), CLOCK.now_ns)
    address = ServerAddress.by_hand(
        PublicKey.parse_server(node.line["server"]), ServerUrl.parse(node.line["tcp"])
    )
    async with pool.connect(address, person.device) as connection:
        yield connection
    await network.stop(0)


async def put_blob(connection: Connection, folder: Path, data: bytes) -> ResultCode:
    path = folder / "blob"
    path.write_bytes(data)
    return await connection.blobs.put(path, blob_hash.of(data), len(data))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.claim("C45")
async def test_a_full_disk_takes_nothing_answers_and_recovers_by_itself(tmp_path: Path) -> None:
    node = Node(tmp_path / "home", "anna")
    home = await opened(node.home)
    (person,) = home.people
    await home.stop()
    node.start()
    somebody = Somebody("carl").key.user_text
    kept: list[Record] = []
    async with connected(node, person, tmp_path) as connection:
        kept += [make(person) for _ in range(50)]
        assert set(await connection.submit_all([one.data for one in kept])) == {ACCEPTED}
        log = max((node.home / "log").glob("*.log"))
        for _ in range(2):
            limit(node, log.stat().st_size + ROOM)
            refused = 0
            while refused < 5:
                record = make(person)
                result = await connection.submit(record.data)
                assert result in {ACCEPTED, TEMPORARY_ERROR}
                kept += [record] * (result is ACCEPTED)
                refused += result is TEMPORARY_ERROR
            # In parts, whole by a file, and whole in memory.
            for length in (2 * log.stat().st_size + 1_048_576, 500_000, 30_000):
                limit(node, min(length // 2, ROOM))
                assert await put_blob(connection, tmp_path, bytes(length)) is TEMPORARY_ERROR, length
            limit(node, 4_096)
            assert run("admin", "serve", somebody, "--home", node.home).returncode != 0
            # Questions are answered all the while.
            assert len(await connection.get([one.id for one in kept])) == len(kept)
            asked = connection.query(Filter.of(authors=[person.key], kinds=[kinds.EXAMPLE]))
            assert {record async for record in asked} == set(kept)
            limit(node, UNLIMITED)
            more = [make(person) for _ in range(20)]
            assert set(await connection.submit_all([one.data for one in more])) == {ACCEPTED}
            kept += more
        assert await put_blob(connection, tmp_path, bytes(3_000_000)) is ACCEPTED
        assert run("admin", "serve", somebody, "--home", node.home).returncode == 0
    assert await asyncio.to_thread(node.stop) == 0
    checked = run("check", "--home", node.home, "--blobs")
    assert checked.returncode == 0, checked
    home = await opened(node.home)
    try:
        assert None not in home.store.contains([one.id.bytes for one in kept])
    finally:
        await home.stop()
    assert "Traceback" not in node.log
