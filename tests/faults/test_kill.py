"""A node that is killed in the midst of its work loses nothing that it acknowledged, and brings nothing back.

Records, replacements, Deletions and blobs, all at once. `MOSAIC_KILLS` says how often it is killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
from tests.loopback.processes import Node, run

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.core import blob_hash, builder, deletion, kinds, nonce
from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.url import ServerUrl
from mosaic.errors import PeerError
from mosaic.node.clock import Clock
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node as OpenHome
from mosaic.node.people import Person
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits
from mosaic.wire.result_code import ResultCode

NOTE = Kind.from_bytes(bytes.fromhex("000000630002000e"))  # replaceable
ROUNDS = int(os.environ.get("MOSAIC_KILLS", "10"))
IN_FLIGHT = 64
MOST_A_ROUND = 1_500
BLOB_BYTES = 300_000


async def opened(folder: Path) -> OpenHome:
    home = Home(folder)
    lock = try_lock(home)
    assert lock is not None
    return await OpenHome.open(home, lock)


async def person_of(folder: Path) -> Person:
    node = await opened(folder)
    (person,) = node.people
    await node.stop()
    return person


class Load:
    """Submits a person's records as fast as they are answered, and kills the server in between."""

    def __init__(self, person: Person, folder: Path, seed: int) -> None:
        self.person = person
        self.folder = folder
        self.random = random.Random(seed)
        self.clock = Clock()
        self.sent = 0
        self.acknowledged = 0
        self.kept: dict[Id, Record] = {}
        """Unique records that were acknowledged and that no Deletion names."""
        self.notes: list[Record] = []
        self.gone: dict[Id, Record] = {}
        """Named by a Deletion that was acknowledged."""
        self.deletions: list[Record] = []
        self.blobs: list[bytes] = []

    def _example(self) -> Record:
        now = self.clock.now_ns()
        return self._record(kinds.EXAMPLE, nonce.from_time(now), now)

    def _note(self) -> Record:
        # They replace each other, so that the index changes in more than one way.
        return self._record(NOTE, nonce.from_string(b"%d" % (self.sent % 3)), self.clock.now_ns())

    def _record(self, kind: Kind, its_nonce: bytes, now: int) -> Record:
        self.sent += 1
        return builder.build(
            self.person.device,
            author=self.person.key,
            kind=kind,
            nonce=its_nonce,
            timestamp=now,
            payload=b"%d " % self.sent + b"x" * self.random.randrange(0, 600),
        )

    async def _put_record(self, connection: Connection) -> None:
        record = self._note() if self.sent % 5 == 0 else self._example()
        result = await connection.submit(record.data)
        assert result.is_success, result
        if record.kind == NOTE:
            self.notes.append(record)
        else:
            self.kept[record.id] = record

    async def _put_deletion(self, connection: Connection) -> None:
        """Takes back a few records, by their ids or addresses."""
        named = self.random.sample(sorted(self.kept), min(len(self.kept), self.random.randrange(1, 9)))
        # Whether they are there while that is not acknowledged, nobody can say.
        doomed = [self.kept.pop(record_id) for record_id in named]
        now = self.clock.now_ns()
        record = deletion.build(
            self.person.device,
            [Target(one.kind, self.random.choice((one.id, one.address))) for one in doomed],
            now,
            nonce=nonce.from_time(now),
            author=self.person.key,
        )
        result = await connection.submit(record.data)
        assert result.is_success, result
        self.deletions.append(record)
        self.gone.update((one.id, one) for one in doomed)

    async def _put_blob(self, connection: Connection) -> None:
        self.sent += 1
        data = self.random.randbytes(BLOB_BYTES)
        path = self.folder / f"blob {self.sent}"
        path.write_bytes(data)
        result = await connection.blobs.put(path, blob_hash.of(data), len(data))
        assert result.is_success, result
        path.unlink()
        self.blobs.append(blob_hash.of(data))

    async def run_until(self, connection: Connection, count: int, node: Node) -> None:
        """Submits until `count` more are acknowledged, then kills the process at once."""
        end = self.acknowledged + count

        async def worker(number: int) -> None:
            while True:
                what = self.random.randrange(40)
                try:
                    if number == 0:
                        await self._put_blob(connection)
                    elif what == 0 and len(self.kept) > 100:
                        await self._put_deletion(connection)
                    else:
                        await self._put_record(connection)
                except PeerError:
                    return
                self.acknowledged += 1
                if self.acknowledged >= end and node.process is not None:
                    node.process.send_signal(signal.SIGKILL)

        await asyncio.gather(*(worker(number) for number in range(IN_FLIGHT)))

    async def look(self, connection: Connection) -> None:
        """What was acknowledged before is there, and what was deleted does not come again."""
        latest = list(self.kept)[-200:]
        assert sorted(one.id for one in await connection.get(latest)) == sorted(latest)
        gone = list(self.gone.values())[-200:]
        assert await connection.get([one.id for one in gone]) == []
        again = await connection.submit_all([one.data for one in gone[-50:]])
        assert set(again) <= {ResultCode.UNAUTHORIZED}
        for blob in self.blobs[-2:]:
            into = self.folder / "fetched"
            assert await connection.blobs.get(blob, into) == BLOB_BYTES
            assert blob_hash.of(into.read_bytes()) == blob
            into.unlink()  # else it would count as the beginning of the next one


async def judge(folder: Path, load: Load) -> None:
    """All that was ever acknowledged, after a start from the index that is there."""
    checked = await asyncio.to_thread(run, "check", "--home", folder, "--blobs")
    assert checked.returncode == 0, checked
    home = await opened(folder)
    try:
        ids = [record.id.bytes for record in [*load.kept.values(), *load.deletions]]
        assert None not in home.store.contains(ids)
        assert set(home.store.contains([record_id.bytes for record_id in load.gone])) <= {None}
        for place in {record.address for record in load.notes}:
            newest = max(record for record in load.notes if record.address == place)
            # One that was not acknowledged any more may have replaced it.
            (served,) = home.records.at(place)
            assert served >= newest
        assert all(home.blobs.has(blob) for blob in load.blobs)
    finally:
        await home.stop()


@pytest.mark.slow
@pytest.mark.timeout(30 * ROUNDS + 300)
@pytest.mark.claim("C29", "C45")
async def test_every_acknowledged_act_survives_kills(tmp_path: Path) -> None:
    node = Node(tmp_path / "home", "anna")
    person = await person_of(node.home)
    load = Load(person, tmp_path, seed=7)
    for number in range(ROUNDS):
        await asyncio.to_thread(node.start)
        network = SocketNetwork(TransportSettings(tuple(frame_limits()), tuple(SPOOL_PREFIX), str(tmp_path)))
        pool = LinkPool(network, ClientSettings(), load.clock.now_ns)
        address = ServerAddress.by_hand(
            PublicKey.parse_server(node.line["server"]), ServerUrl.parse(node.line["tcp"])
        )
        async with pool.connect(address, person.device) as connection:
            await load.look(connection)
            await load.run_until(connection, load.random.randrange(1, MOST_A_ROUND), node)
        await asyncio.to_thread(node.kill)
        await network.stop(0)
        if number % 3 == 0 or number == ROUNDS - 1:
            await judge(node.home, load)
    print(f"{load.acknowledged} acknowledged, {len(load.gone)} deleted, {len(load.blobs)} blobs")
    assert load.gone or ROUNDS < 3
    assert "Traceback" not in node.log
