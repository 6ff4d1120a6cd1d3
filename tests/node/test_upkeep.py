"""A running node gives back the space of what is no longer served."""

from __future__ import annotations

from pathlib import Path

from tests.store.samples import BOOT, everything, found, key, put, record

from mosaic.errors import StoreFull
from mosaic.node.upkeep import Upkeep
from mosaic.store.embedded import open_store


async def test_dead_bytes_are_given_back_and_what_is_served_stays(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", boot_id=BOOT, segment_bytes=65_536)
    versions = [record(author=key(1), timestamp=t, payload=bytes(1000)) for t in range(1, 400)]
    put(store, *versions)
    kept = found(store.scan(everything()))
    positions = [
        position for position in store.contains([one[:48] for one in versions[:-1]]) if position is not None
    ]
    store.remove(positions)
    before = store.stats()["log_bytes"]
    assert await Upkeep(store, 1.0).once() > 0
    assert store.stats()["log_bytes"] < before / 2
    assert found(store.scan(everything())) == [versions[-1]]
    assert len(kept) == 399
    store.close()


async def test_a_full_disk_stops_no_later_look(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", boot_id=BOOT)

    class Full:
        def compact(self) -> int:
            raise StoreFull

    assert await Upkeep(Full(), 1.0).once() == 0  # type: ignore[arg-type]
    assert await Upkeep(store, 1.0).once() == 0
    store.close()
