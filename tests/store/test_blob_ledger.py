"""The ledger of blobs: what counts for whom, and which blob goes when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mosaic.core import blob_hash, builder, kinds, nonce
from mosaic.core.keys import SecretKey
from mosaic.core.tag import Tag
from mosaic.store import blob_ledger
from mosaic.store.blob_ledger import BlobLedger, blobs_named
from mosaic.store.blob_sweep import ORPHAN_NS
from mosaic.store.blobs import BlobStore, check_content
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.store import Mode

BOOT = b"boot"
ANNA = SecretKey(bytearray([1] * 32))
EVE = SecretKey(bytearray([2] * 32))
NOW = 1_700_000_000_000_000_000


def blob_tag(name: bytes) -> Tag:
    return Tag(0x4D03, name + bytes(4) + bytes(8) + bytes(4 + 32 + 1))


class World:
    """A store of records, one of blobs, and their ledger."""

    def __init__(self, folder: Path) -> None:
        self.uploads: list[tuple[bytes, bytes, int, int]] = []
        self.folder = folder
        self.store: EmbeddedStore = open_store(folder / "store", boot_id=BOOT)
        self.blobs = BlobStore(folder / "blobs")
        self.ledger = BlobLedger(self.blobs, self.uploads)
        self.posts = 0
        self.quota = 0

    def put(self, data: bytes, by: SecretKey = ANNA, time_ns: int = NOW) -> bytes:
        with self.blobs.begin() as writer:
            writer.write(data)
            name = writer.finish()
        self.uploads.append((name, by.public.bytes, time_ns, len(data)))
        self.ledger.brought(name, len(data), by.public.bytes, time_ns)
        return name

    def post(self, *names: bytes, by: SecretKey = ANNA) -> int:
        self.posts += 1
        record = builder.build(
            by,
            kind=kinds.MICROBLOG,
            nonce=nonce.from_time(NOW + self.posts),
            timestamp=NOW + self.posts,
            tags=[Tag(0x24, b"x"), *map(blob_tag, names)],
        )
        _, positions = self.store.append([record.data], [NOW + self.posts], bytes([Mode.KEEP_ALL]))
        return positions[0]

    def catch_up(self) -> None:
        for _ in self.ledger.catch_up(self.store):
            pass

    def sweep(self, now_ns: int, served: Sequence[SecretKey] = (ANNA,)) -> list[bytes]:
        self.catch_up()
        keys = {key.public.bytes for key in served}
        return list(self.ledger.sweep(self.store, now_ns, keys.__contains__, lambda _: self.quota))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_blob_tags_name_blobs_and_short_ones_none() -> None:
    names = [blob_hash.of(b"1"), blob_hash.of(b"2")]
    record = builder.build(
        ANNA,
        kind=kinds.MICROBLOG,
        nonce=nonce.from_time(NOW),
        timestamp=NOW,
        tags=[
            blob_tag(names[0]),
            Tag(0x4D03, b"short"),
            Tag(0x24, b"\x03\x4d" + bytes(40)),
            blob_tag(names[1]),
        ],
    )
    assert list(blobs_named(record.data)) == names


def test_a_blob_that_a_record_names_stays(world: World) -> None:
    name = world.put(b"picture", EVE)
    world.post(name)
    assert world.sweep(NOW + 10 * ORPHAN_NS, []) == []
    assert world.ledger.references(name) == 1


def test_a_blob_goes_a_day_after_the_last_record_that_named_it(world: World) -> None:
    name = world.put(b"picture")
    positions = [world.post(name), world.post(name)]
    assert world.sweep(NOW) == []
    world.store.remove(positions[:1])
    assert world.sweep(NOW) == []
    world.store.remove(positions)
    assert world.sweep(NOW) == []
    assert world.sweep(NOW + ORPHAN_NS - 1) == []
    assert world.sweep(NOW + ORPHAN_NS) == [name]
    assert not world.blobs.has(name)
    assert world.ledger.check(world.store) == []


def test_a_blob_that_is_named_again_in_time_stays(world: World) -> None:
    name = world.put(b"picture")
    world.catch_up()
    world.store.remove([world.post(name)])
    world.sweep(NOW)
    world.post(name)
    assert world.sweep(NOW + ORPHAN_NS) == []
    assert world.sweep(NOW + 2 * ORPHAN_NS) == []


def test_what_nobody_ever_named_stays_only_for_those_who_are_served(world: World) -> None:
    """A private message may name a blob where nobody else can read it."""
    sealed, foreign = world.put(b"for ben alone", ANNA), world.put(b"from a stranger", EVE)
    assert world.sweep(NOW + ORPHAN_NS - 1) == []
    assert world.sweep(NOW + ORPHAN_NS) == [foreign]
    assert world.blobs.has(sealed)


def test_a_blob_of_two_people_is_one_and_stays_while_one_of_them_is_served(world: World) -> None:
    name = world.put(b"the same", EVE)
    world.put(b"the same", ANNA)
    assert world.sweep(NOW + ORPHAN_NS) == []
    assert world.sweep(NOW + ORPHAN_NS, []) == [name]


def test_a_quota_counts_each_blob_once_that_somebody_brought_or_names(world: World) -> None:
    first, second = world.put(b"x" * 100), world.put(b"y" * 10, EVE)
    world.post(first, second)
    world.post(first)
    world.catch_up()
    assert world.ledger.used_by(ANNA.public.bytes) == (2, 110)
    assert world.ledger.used_by(EVE.public.bytes) == (1, 10)


def test_above_a_quota_the_oldest_goes_that_nobody_ever_named(world: World) -> None:
    names = [world.put(bytes([number]) * 100, ANNA, NOW + number) for number in range(4)]
    world.post(names[0])
    world.quota = 250
    assert world.sweep(NOW + 10) == [names[1], names[2]]
    assert world.ledger.used_by(ANNA.public.bytes).bytes == 200


def test_no_blob_goes_while_they_are_held(world: World) -> None:
    name = world.put(b"from a stranger", EVE)
    with world.blobs.held():
        assert world.sweep(NOW + ORPHAN_NS) == []
    assert world.sweep(NOW + ORPHAN_NS) == [name]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x" * 9_000)])
def test_a_ledger_is_made_again_when_it_is_lost(world: World, damage: object) -> None:
    named, loose = world.put(b"named", EVE), world.put(b"not named", EVE)
    world.post(named, by=EVE)
    world.catch_up()
    world.ledger.close()
    for path in world.blobs.folder.glob("ledger.db-*"):
        path.unlink()
    assert callable(damage)
    damage(world.blobs.folder / "ledger.db")
    world.ledger = BlobLedger(world.blobs, world.uploads)
    assert world.ledger.check(world.store) != []
    world.ledger.reconcile(NOW)
    world.catch_up()
    assert world.ledger.check(world.store) == []
    assert world.ledger.used_by(EVE.public.bytes) == (2, 14)
    assert world.sweep(NOW + ORPHAN_NS) == [loose]


def test_a_blob_that_vanished_is_forgotten(world: World) -> None:
    name = world.put(b"gone")
    world.blobs.path(name).unlink()
    assert world.ledger.check(world.store) == [f"the ledger names the blob {name.hex()}, which is not there"]
    world.ledger.reconcile(NOW)
    assert world.ledger.check(world.store) == []
    assert world.ledger.used_by(ANNA.public.bytes) == (0, 0)


def test_a_blob_that_comes_after_the_record_that_names_it_counts_as_named(world: World) -> None:
    world.post(blob_hash.of(b"late"))
    world.catch_up()
    world.put(b"late", EVE)
    assert world.sweep(NOW + ORPHAN_NS) == []


def test_nothing_goes_before_the_log_was_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was not read yet may name it."""
    name = world.put(b"picture", EVE)
    world.post(name)
    assert list(world.ledger.sweep(world.store, NOW + ORPHAN_NS, lambda _: False, lambda _: 0)) == []
    monkeypatch.setattr(blob_ledger, "_RECORDS", 1)
    for _ in range(3):
        world.post()
    assert len(list(world.ledger.catch_up(world.store))) >= 4
    assert world.ledger.position == world.store.end


def test_a_blob_that_is_brought_again_has_another_day(world: World) -> None:
    name = world.put(b"picture", EVE)
    world.put(b"picture", EVE, NOW + ORPHAN_NS - 1)
    assert world.sweep(NOW + ORPHAN_NS) == []
    assert world.sweep(NOW + 2 * ORPHAN_NS) == [name]


def test_a_blob_that_comes_while_all_are_listed_stays_in_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(b"just now", EVE)
    with monkeypatch.context() as patched:
        patched.setattr(BlobStore, "__iter__", lambda _: iter(()))
        world.ledger.reconcile(NOW)
    assert world.ledger.check(world.store) == []
    assert world.ledger.used_by(EVE.public.bytes) == (1, len(b"just now"))


def test_another_log_is_read_from_its_beginning(world: World) -> None:
    """A home may be restored from an older backup."""
    name = world.put(b"picture", EVE)
    for _ in range(5):
        world.post(name)
    world.catch_up()
    world.store.close()
    world.store = open_store(world.folder / "older", boot_id=BOOT)
    world.post(name)
    world.catch_up()
    assert world.ledger.references(name) == 1
    assert world.ledger.position == world.store.end


def test_a_blob_whose_bytes_changed_is_found(world: World) -> None:
    names = [world.put(b"one"), world.put(b"two")]
    world.blobs.path(names[0]).write_bytes(b"eno")
    told = [each for each in check_content(world.blobs) if each]
    assert told == [f"the blob {names[0].hex()} holds something else"]
