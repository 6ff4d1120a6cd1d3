"""The embedded store: what it keeps, in which order, for whom, and what a restart changes."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store import samples
from tests.store.samples import found, key, put, query, record

from mosaic._kernel import _rust
from mosaic.errors import StoreDamaged, StoreError, UsageError
from mosaic.store.embedded import EmbeddedStore, current_boot_id, open_store
from mosaic.store.store import Mode, Outcome

ALICE, BOB, CAROL = key(1), key(2), key(3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = open_store(tmp_path / "store", boot_id=samples.BOOT)
    yield opened
    opened.close()


def times(records: list[bytes]) -> list[int]:
    return [struct.unpack_from(">Q", one)[0] for one in records]


@pytest.mark.claim("C44")
def test_answers_are_newest_first_by_timestamp_and_id(store: EmbeddedStore) -> None:
    records = [record(author=ALICE, timestamp=t, payload=bytes([i])) for i, t in enumerate([5, 9, 5, 7, 5])]
    put(store, *records)
    expected = sorted(records, key=lambda r: r[:48], reverse=True)
    assert found(store.scan(samples.everything())) == expected
    assert found(store.scan(query(authors=[ALICE]), limit=3)) == expected[:3]


def test_a_scan_goes_on_where_it_stopped(store: EmbeddedStore) -> None:
    records = [record(author=ALICE, timestamp=100 + i // 3, payload=bytes([i])) for i in range(30)]
    put(store, *records)
    scan = store.scan(query(authors=[ALICE]))
    collected = b""
    total, finished, calls = 0, False, 0
    while not finished:
        frames, count, finished = scan.frames(b"\x80\0\x07\0", 1, 0)
        collected += frames
        total += count
        calls += 1
    expected = sorted(records, key=lambda r: r[:48], reverse=True)
    assert total == 30
    assert calls >= 30
    assert collected == b"".join(b"\x80\0\x07\0" + struct.pack("<I", 8 + len(r)) + r for r in expected)
    assert scan.frames(b"\x80\0\x07\0", 1, 0) == (b"", 0, True)


@pytest.mark.claim("C41")
def test_ranges_are_inclusive_at_both_ends(store: EmbeddedStore) -> None:
    put(store, *(record(author=ALICE, timestamp=t) for t in range(1, 10)))
    for elements in ({}, {"authors": [ALICE]}, {"kinds": [samples.UNIQUE]}):
        scan = store.scan(query(since=3, until=6, **elements))
        assert times(found(scan)) == [6, 5, 4, 3]


@pytest.mark.claim("C7")
def test_received_times_are_kept_and_searchable(store: EmbeddedStore) -> None:
    records = [record(author=ALICE, timestamp=t) for t in (30, 20, 10)]
    store.append(records, [1000, 2000, 3000], bytes(3))
    kept, _ = store.scan(samples.everything()).records(10, 1_000_000)
    assert [(received, data) for _, received, data in kept] == list(
        zip([1000, 2000, 3000], records, strict=True)
    )
    assert found(store.scan(query(received_since=2000))) == records[1:]
    assert found(store.scan(query(received_until=2000))) == records[:2]
    assert store.last_received_ns == 3000


@pytest.mark.claim("C34")
def test_every_tag_is_searchable_whole(store: EmbeddedStore) -> None:
    long = samples.tag(9, bytes(65_000))
    almost = samples.tag(9, bytes(64_999) + b"\1")
    one = record(author=ALICE, timestamp=1, tags=[samples.tag(7, b""), long])
    two = record(author=ALICE, timestamp=2, tags=[almost])
    many = record(author=ALICE, timestamp=3, tags=[samples.tag(5, struct.pack("<I", i)) for i in range(2000)])
    put(store, one, two, many)
    assert found(store.scan(query(tags=[[samples.tag(7, b"")]]))) == [one]
    assert found(store.scan(query(tags=[[samples.tag(5, struct.pack("<I", 1999))]]))) == [many]
    assert store.verify() == []


@pytest.mark.claim("C24")
def test_the_greatest_record_is_kept_as_it_came(store: EmbeddedStore) -> None:
    largest = record(author=ALICE, timestamp=1, payload=bytes(1_048_576 - 216))
    outcomes, positions = put(store, largest)
    assert outcomes == bytes([Outcome.STORED])
    assert store.read(positions) == [largest]
    with pytest.raises(UsageError):
        put(store, largest + bytes(8))


def test_duplicates_are_seen_also_within_a_batch(store: EmbeddedStore) -> None:
    one, two = record(author=ALICE, timestamp=1), record(author=ALICE, timestamp=2)
    outcomes, positions = put(store, one, two, one)
    assert list(outcomes) == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]
    assert positions[2] == positions[0]
    assert put(store, two) == (bytes([Outcome.DUPLICATE]), [positions[1]])
    assert store.contains([one[:48], two[:32], bytes(48)]) == [positions[0], positions[1], None]


@pytest.mark.claim("C29")
def test_only_the_newest_of_a_replaceable_address_is_served(store: EmbeddedStore) -> None:
    old, new = (record(author=ALICE, timestamp=t, kind=samples.REPLACEABLE) for t in (1, 2))
    assert list(put(store, old, mode=Mode.REPLACE_ADDRESS)[0]) == [Outcome.STORED]
    assert list(put(store, new, mode=Mode.REPLACE_ADDRESS)[0]) == [Outcome.STORED]
    assert list(put(store, old, mode=Mode.REPLACE_ADDRESS)[0]) == [Outcome.SUPERSEDED]
    assert found(store.scan(samples.everything())) == [new]
    assert found(store.lookup([old[:48]])) == []
    assert found(store.lookup([old[48:96]])) == [new]
    assert found(store.follow(samples.everything(), 0)) == [new]
    assert store.verify() == []


@pytest.mark.claim("C29")
def test_within_a_batch_the_newest_of_an_address_wins_in_any_order(store: EmbeddedStore) -> None:
    versions = [record(author=ALICE, timestamp=t, kind=samples.REPLACEABLE) for t in (2, 1, 3)]
    outcomes, _ = put(store, *versions, mode=Mode.REPLACE_ADDRESS)
    assert list(outcomes) == [Outcome.STORED, Outcome.SUPERSEDED, Outcome.STORED]
    assert found(store.scan(query(authors=[ALICE]))) == [versions[2]]
    assert store.verify() == []


@pytest.mark.claim("C29")
def test_signers_do_not_replace_each_other_until_they_may(store: EmbeddedStore) -> None:
    by_bob = record(author=ALICE, signer=BOB, timestamp=5, kind=samples.REPLACEABLE)
    by_carol = record(author=ALICE, signer=CAROL, timestamp=4, kind=samples.REPLACEABLE)
    put(store, by_bob, by_carol, mode=Mode.REPLACE_SIGNER)
    assert found(store.lookup([by_bob[48:96]])) == [by_bob, by_carol]
    assert store.signers(by_bob[48:96]) == sorted([BOB, CAROL])
    newest = record(author=ALICE, signer=CAROL, timestamp=6, kind=samples.REPLACEABLE)
    put(store, newest, mode=Mode.REPLACE_ADDRESS)
    assert found(store.lookup([by_bob[48:96]])) == [newest]


@pytest.mark.claim("C29")
def test_unique_and_versioned_records_are_all_kept(store: EmbeddedStore) -> None:
    for kind in (samples.UNIQUE, samples.VERSIONED):
        versions = [record(author=ALICE, timestamp=t, kind=kind) for t in (1, 2, 3)]
        put(store, *versions)
        assert found(store.lookup([versions[0][48:96]])) == versions[::-1]


@pytest.mark.claim("C30")
def test_references_are_ids_and_addresses_freely_mixed(store: EmbeddedStore) -> None:
    one, two = record(author=ALICE, timestamp=1), record(author=BOB, timestamp=2)
    put(store, one, two)
    assert found(store.lookup([two[48:96], bytes(48), one[:48], two[:48]])) == [two, one]


@pytest.mark.parametrize(
    ("kind", "viewers", "served"),
    [
        (samples.AUTHOR_ONLY, [], False),
        (samples.AUTHOR_ONLY, [BOB], False),
        (samples.AUTHOR_ONLY, [ALICE], True),
        (samples.TAGGED_ONLY, [], False),
        (samples.TAGGED_ONLY, [CAROL], False),
        (samples.TAGGED_ONLY, [CAROL, BOB], True),
        (samples.TAGGED_ONLY, [ALICE], True),
        (samples.UNIQUE, [], True),
        (samples.AUTHOR_ONLY, None, True),
    ],
)
def test_read_access_holds_on_every_path(
    store: EmbeddedStore, kind: bytes, viewers: list[bytes] | None, served: bool
) -> None:
    one = record(author=ALICE, timestamp=1, kind=kind, tags=[samples.notify(BOB)])
    put(store, one)
    expected = [one] if served else []
    assert found(store.scan(samples.everything(), viewers=viewers)) == expected
    assert found(store.lookup([one[:48]], viewers=viewers)) == expected
    assert found(store.lookup([one[48:96]], viewers=viewers)) == expected
    assert found(store.follow(samples.everything(), 0, viewers=viewers)) == expected


def test_the_limit_counts_what_the_reader_may_have(store: EmbeddedStore) -> None:
    hidden = [record(author=ALICE, timestamp=t, kind=samples.AUTHOR_ONLY) for t in range(10, 20)]
    shown = [record(author=ALICE, timestamp=t) for t in range(5)]
    put(store, *hidden, *shown)
    assert times(found(store.scan(query(authors=[ALICE]), viewers=[], limit=2))) == [4, 3]


def test_removed_records_may_come_again_and_refused_ones_may_not(store: EmbeddedStore) -> None:
    one, two = record(author=ALICE, timestamp=1), record(author=ALICE, timestamp=2)
    _, positions = put(store, one, two)
    assert store.remove(positions[:1] * 2) == 1
    assert store.remove(positions[1:], refuse=True) == 1
    assert store.remove(positions) == 0
    assert found(store.scan(samples.everything())) == []
    assert store.read(positions) == [None, None]
    assert list(put(store, one, two)[0]) == [Outcome.STORED, Outcome.REFUSED]
    assert found(store.scan(samples.everything())) == [one]
    assert store.verify() == []


def test_stored_and_live_meet_at_a_position(store: EmbeddedStore) -> None:
    early = [record(author=ALICE, timestamp=t) for t in (1, 2)]
    late = [record(author=ALICE, timestamp=t) for t in (9, 3)]
    put(store, *early)
    border = store.end
    put(store, *late)
    assert found(store.scan(samples.everything(), before=border)) == early[::-1]
    assert found(store.scan(samples.everything(), after=border)) == late
    assert found(store.follow(samples.everything(), border)) == late


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("boot", [samples.BOOT, b"another boot"])
def test_a_restart_changes_nothing(tmp_path: Path, clean: bool, boot: bytes) -> None:
    store = open_store(tmp_path, boot_id=samples.BOOT, segment_bytes=4096)
    records = [record(author=ALICE, timestamp=t, payload=bytes(50)) for t in range(60)]
    for start in range(0, 60, 6):
        put(store, *records[start : start + 6])
    _, positions = put(store, record(author=BOB, timestamp=1))
    store.remove(positions, refuse=True)
    end, last = store.end, store.last_received_ns
    if clean:
        store.close()
    del store
    progress: list[tuple[int, int]] = []
    again = open_store(
        tmp_path,
        boot_id=boot,
        segment_bytes=4096,
        progress=lambda done, total: progress.append((done, total)),
    )
    rebuilt = not clean and boot != samples.BOOT
    assert bool(progress) == rebuilt
    assert found(again.scan(query(authors=[ALICE]))) == records[::-1]
    assert (again.end, again.last_received_ns) == (end, last)
    assert list(put(again, record(author=BOB, timestamp=1))[0]) == [Outcome.REFUSED]
    assert again.verify() == []
    again.close()


def test_a_torn_end_is_cut_off_and_damage_before_it_is_told(tmp_path: Path) -> None:
    store = open_store(tmp_path, boot_id=samples.BOOT)
    records = [record(author=ALICE, timestamp=t) for t in range(3)]
    for one in records:
        put(store, one)
    del store
    (segment,) = (tmp_path / "log").glob("*.log")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-100])
    cut = open_store(tmp_path, boot_id=b"another boot")
    assert found(cut.scan(samples.everything())) == records[1::-1]
    del cut
    segment.write_bytes(whole[:400] + b"\xff" + whole[401:])
    with pytest.raises(StoreDamaged, match=segment.name):
        open_store(tmp_path, boot_id=b"a third boot")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    code = "import sys; from mosaic.store.embedded import open_store; open_store(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    tried = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, env=environment, check=False
    )
    assert b"StoreError: another process has the store" in tried.stderr
    store.close()
    open_store(tmp_path).close()


@pytest.mark.parametrize("file", ["log", "index"])
def test_a_newer_format_is_refused(tmp_path: Path, file: str) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "index" / "state" if file == "index" else next((tmp_path / "log").glob("*.log"))
    data = bytearray(path.read_bytes())
    data[8] = 3
    body = 48 if file == "index" else 56
    data[body : body + 8] = _rust.blake3(bytes(data[:body]))[:8]
    path.write_bytes(data)
    with pytest.raises(StoreError, match="has format 3") as refused:
        open_store(tmp_path)
    assert "newer version" in refused.value.hint


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    scan = store.scan(samples.everything())
    store.close()
    store.close()
    for use in (
        lambda: put(store, record(author=ALICE, timestamp=1)),
        lambda: store.remove([64]),
        lambda: store.contains([bytes(48)]),
        lambda: scan.records(1, 1),
        store.stats,
    ):
        with pytest.raises(StoreError, match="closed"):
            use()


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.append([bytes(216)], [], b""),
        lambda s: s.append([bytes(215)], [1], b"\0"),
        lambda s: s.append([bytes(217)], [1], b"\0"),
        lambda s: s.append([bytes(216)], [1], b"\3"),
        lambda s: s.append([b"\xff" * 216], [1], b"\0"),
        lambda s: s.contains([bytes(31)]),
        lambda s: s.lookup([bytes(47)]),
        lambda s: s.signers(bytes(49)),
        lambda s: s.scan(samples.everything(), viewers=[bytes(31)]),
    ],
)
def test_wrong_use_is_told(store: EmbeddedStore, use: object) -> None:
    assert callable(use)
    with pytest.raises(UsageError):
        use(store)


def test_compaction_gives_room_back_and_positions_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path, boot_id=samples.BOOT, segment_bytes=16_384)
    records = [record(author=ALICE, timestamp=t, payload=bytes(100)) for t in range(300)]
    positions: list[int] = []
    for start in range(0, 300, 10):
        positions += put(store, *records[start : start + 10])[1]
    kept = {p: r for i, (p, r) in enumerate(zip(positions, records, strict=True)) if i % 5 == 0}
    store.remove([p for p in positions if p not in kept], refuse=False)
    waiting = store.scan(query(authors=[ALICE]))
    first, _ = waiting.records(3, 10_000_000)
    before = store.stats()
    freed = store.compact(min_dead_ratio=0.5)
    after = store.stats()
    assert freed == before["log_bytes"] - after["log_bytes"] > 0.6 * before["log_bytes"]
    assert [data for _, _, data in first] + found(waiting) == list(kept.values())[::-1]
    assert store.read(list(kept)) == list(kept.values())
    assert found(store.follow(samples.everything(), positions[7])) == [
        data for p, data in kept.items() if p >= positions[7]
    ]
    assert store.verify() == []
    assert store.compact(min_dead_ratio=0.5) == 0
    del store, waiting
    again = open_store(tmp_path, boot_id=b"another boot", segment_bytes=16_384)
    assert found(again.scan(query(authors=[ALICE]))) == list(kept.values())[::-1]
    assert again.verify() == []
    assert again.read(list(kept)) == list(kept.values())
    again.close()


def test_this_machine_tells_its_boot() -> None:
    assert current_boot_id() == current_boot_id() != b""


FULL = """
import resource, sys
from mosaic.errors import StoreFull
from mosaic.store.embedded import open_store
from tests.store import samples

def batch(n):
    author, tags = samples.key(n % 7), [[samples.tag(9, bytes([i]))] for i in range(100)]
    return [samples.record(author=author, timestamp=n * 1000 + i, tags=tags[i]) for i in range(100)]

store = open_store(sys.argv[1], segment_bytes=65_536)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
taken = 0
for n in range(1000):
    try:
        samples.put(store, *batch(n))
    except StoreFull:
        break
    taken += 100
assert 1000 < taken < 100_000, taken
for _ in range(3):
    try:
        samples.put(store, *batch(n))
    except StoreFull as error:
        assert "the disk is full" in str(error), error
    else:
        raise AssertionError("there was room")
    assert store.stats()["records"] == taken
assert len(samples.found(store.scan(samples.everything(), limit=50))) == 50
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
samples.put(store, *batch(n))
assert store.stats()["records"] == taken + 100
assert store.verify() == []
del store
again = open_store(sys.argv[1], boot_id=b"another boot", segment_bytes=65_536)
assert again.stats()["records"] == taken + 100
assert again.verify() == []
"""


def test_a_full_disk_takes_nothing_and_stops_nothing(tmp_path: Path) -> None:
    """A limit on the length of files stands for the disk: here it is the index that finds no room."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
