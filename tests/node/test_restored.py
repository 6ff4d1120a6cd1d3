"""What a restored backup has: files, follows, what waits to be sent, what is kept, what servers did."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.client.reputation import Observation, What
from mosaic.core import blob_hash
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import MICROBLOG
from mosaic.node.backup import Backup
from mosaic.node.node import Node
from mosaic.node.restore import restore
from mosaic.store import backup_format
from mosaic.testing import Person

from .conftest import HERE, OpenNode, do, stored

PASSWORD = "a good password"
BLOB = bytes(range(256)) * 500
FRIEND, KEPT = Person("friend"), Person("kept")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rounds of scrypt: what is tested here is not how long guessing takes."""
    monkeypatch.setitem(backup_format._LOG_N, 1, 4)


def backed_up(node: Node, file: Path) -> None:
    for _ in Backup(node, PASSWORD).write(file):
        pass


def received(node: Node, author: PublicKey) -> dict[bytes, int]:
    """When each record of somebody was received (ns)."""
    scan = node.store.scan(Filter.of(authors=[author]).compiled)
    found, finished = scan.records(10_000, 10**10)
    assert finished
    return {record[:48]: at for _, at, record in found}


@pytest.mark.claim("C64")
async def test_everything_of_mine_is_there_on_another_machine(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "laptop.backup"
    async with open_node("anna") as anna, open_node("ben") as ben:
        key = anna.people.find(None).key
        source = tmp_path / "source"
        source.write_bytes(BLOB)
        own = await anna.own(anna.people.find(None))
        await own.blobs.put(source, blob_hash.of(BLOB), len(BLOB))
        await do(anna, "post", text="one of mine")
        await do(anna, "follow", person=FRIEND.key.user_text)
        await do(anna, "keep_add", what=KEPT.key.user_text)
        server = ben.server_secret.public
        for _ in range(4):
            anna.reputations.noted(server, Observation(What.WRONG, 1, "it lied"))
        anna.reputations.write()
        repute = anna.reputations.of(server)
        # Ben's server does not listen yet, so what is for him waits.
        url = "mosaictcp://127.0.0.1:9/"
        await do(anna, "servers_add", server_key=server.server_text, url=url)
        await do(anna, "post", text="waiting to be sent")
        waiting = [row.record for row in anna.deliveries.queued(100)]
        assert waiting
        times = received(anna, key)
        backed_up(anna, file)

        with file.open("rb") as backup:
            restore(backup, tmp_path / "elsewhere", PASSWORD)
        async with open_node("elsewhere") as again:
            assert again.people.find(None).key == key
            assert again.blobs.has(blob_hash.of(BLOB))
            assert again.ledger.brought_by(key.bytes) == [blob_hash.of(BLOB)]
            assert received(again, key) == times
            assert again.db.follows(key.bytes) == [FRIEND.key.bytes]
            assert again.kept.people == [KEPT.key]
            assert again.reputations.of(server) == repute
            assert [row.record for row in again.deliveries.queued(100)] == waiting
            # What waited is delivered by the restored node.
            ben.rules.served.serve(key)
            url = str(ben.listen(HERE))
            await do(again, "servers_add", server_key=server.server_text, url=url)
            again.work()

            def texts() -> set[bytes]:
                wanted = Filter.of(authors=[key], kinds=[MICROBLOG])
                return {record.payload for record in ben.everything.newest_first(wanted)}

            await stored(ben, lambda: b"waiting to be sent" in texts())
            await stored(again, lambda: not again.queue.waiting)
