"""What a backup of a million records costs while records keep coming.

A home with a million records of 400 bytes (those of `benchmarks.store`) takes
records of a person as fast as it can, first alone, then while an encrypted
backup of it is made, as `mosaic backup` makes it. `backup_million.s` goes from
asking for the backup until its file is whole and on the disk, with the key's
derivation. `ingest_kept` is the part of the records a second that came in
meanwhile. Restoring the same file and opening what came out are told for
information.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row, row
from benchmarks.store import Writer
from mosaic.core import builder, nonce
from mosaic.core.kinds import MICROBLOG
from mosaic.node.backup import Backup
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.restore import restore
from mosaic.node.steps import in_thread
from mosaic.policy.submission import Way
from mosaic.store.embedded import open_store
from mosaic.wire.result_code import ResultCode

BACKUP_LIMIT_S = 30.0
RESTORE_LIMIT_S = 60.0
BATCH = 4_000
AT_ONCE = 256
ALONE_S = 3.0
PASSWORD = "correct horse battery staple"


def run(quick: bool) -> list[Row]:
    """The rows."""
    count = 40_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), count))


async def _measure(folder: Path, count: int) -> list[Row]:
    home = Home(folder / "home")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock)
    await node.make_person("anna")
    await asyncio.to_thread(_fill, node, count)
    ingest = Ingest(node)
    alone = await ingest.rate(asyncio.sleep(ALONE_S))
    file = folder / "backup"
    begun = time.monotonic()
    meanwhile = await ingest.rate(_back_up(node, file))
    took_s = time.monotonic() - begun
    size = file.stat().st_size
    stored = node.store.stats()["records"]
    await node.stop()

    begun = time.monotonic()
    with file.open("rb") as source:
        manifest = await asyncio.to_thread(restore, source, folder / "new", PASSWORD)
    restored_s = time.monotonic() - begun
    begun = time.monotonic()
    store = await asyncio.to_thread(open_store, folder / "new")
    opened_s = time.monotonic() - begun
    assert count < manifest.records <= store.stats()["records"] <= stored
    store.close()
    return [
        row("backup_million.s", "s", [took_s], BACKUP_LIMIT_S),
        row("backup_million.bytes", "bytes/record", [size / stored], 1_000),
        row("backup_million.ingest_kept", "ratio", [meanwhile / alone], 1.0),
        row("restore_million.s", "s", [restored_s], RESTORE_LIMIT_S),
        row("restore_million.index_s", "s", [opened_s], RESTORE_LIMIT_S),
    ]


def _fill(node: Node, count: int) -> None:
    writer = Writer()
    for _ in range(count // BATCH):
        first = node.store.last_received_ns + 1
        node.store.append(writer.batch(BATCH), range(first, first + BATCH), bytes(BATCH))


async def _back_up(node: Node, file: Path) -> None:
    async for _ in in_thread(Backup(node, PASSWORD).write(file)):
        pass


class Ingest:
    """Hands in a person's records, one batch after another."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def rate(self, until: object) -> float:
        """Records a second that were taken until something else was done."""
        waiting = asyncio.ensure_future(until)  # type: ignore[call-overload]
        taken, begun = 0, time.monotonic()
        while not waiting.done():
            results = await self._node.server.submit(self._batch(), Way.OWNER)
            assert set(results) == {ResultCode.ACCEPTED}
            taken += len(results)
        await waiting
        return taken / (time.monotonic() - begun)

    def _batch(self) -> list[bytes]:
        person = self._node.people.first
        assert person is not None
        now = self._node.clock.now_ns()
        return [
            builder.build(
                person.device,
                author=person.key,
                kind=MICROBLOG,
                nonce=nonce.from_time(now + number),
                timestamp=now + number,
                payload=bytes(100),
            ).data
            for number in range(AT_ONCE)
        ]
