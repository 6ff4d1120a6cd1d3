"""The store door against its twin: seeded random histories, 100,000 steps in all (MOSAIC_TWIN_CASES)."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic._kernel import _rust
from tests.kernel.twins.cases import CASES
from tests.kernel.twins.store_twin import (
    DELETES,
    DELETION,
    HIDDEN,
    ONLY_TAGGED,
    PRIVATE_DELETION,
    PRIVATE_MESSAGE,
    SERVER_ACT,
    WITHHELD,
    Entry,
    Query,
    StoreTwin,
)
from tests.store import samples

pytestmark = [pytest.mark.timeout(900)]

STEPS_A_STORE = 500
SEGMENT_BYTES = 8192

PEOPLE = [samples.key(n) for n in range(1, 5)]
STRANGER = samples.key(9)
KINDS = [
    samples.UNIQUE,
    *(
        b"\0\0\0\1" + kind[4:]
        for kind in (
            samples.UNIQUE,
            samples.REPLACEABLE,
            samples.VERSIONED,
            samples.AUTHOR_ONLY,
            samples.TAGGED_ONLY,
        )
    ),
    PRIVATE_MESSAGE,
    SERVER_ACT,
]
LABELS = [0, 0, ONLY_TAGGED, WITHHELD, HIDDEN, WITHHELD | ONLY_TAGGED, HIDDEN | WITHHELD]
TIMES = [0, 1, 5, 6, 7, 100, 101, 2**62, 2**63 - 1]
TAGS = [
    samples.tag(7, b"a"),
    samples.tag(7, b""),
    samples.tag(0, b"skipped"),
    samples.tag(8, bytes(60)),
    samples.tag(1, b"short"),
    *(samples.notify(who) for who in PEOPLE),
]
FRAME_HEAD = b"\x80\x00\x07\x01"


def rng_most(rng: random.Random) -> int:
    return rng.choice([1, 1, 2, 4])


class History:
    """A kernel store and its twin, taken through the same random steps."""

    def __init__(self, rng: random.Random, folder: Path) -> None:
        self.rng = rng
        self.folder = folder
        self.boot = 0
        self.store = self.open()
        self.twin = StoreTwin()
        self.position_of: dict[int, int] = {}
        self.received = 0

    def open(self) -> _rust.Store:
        return _rust.Store(str(self.folder), boot_id=str(self.boot).encode(), segment_bytes=SEGMENT_BYTES)

    # --- what chance makes

    def some(self, pool: list[bytes], most: int = 3) -> list[bytes]:
        return [self.rng.choice(pool) for _ in range(self.rng.randint(0, most))]

    def record(self) -> bytes:
        rng = self.rng
        if self.twin.entries and rng.random() < 0.15:
            return rng.choice(self.twin.entries).data
        author = rng.choice(PEOPLE)
        return samples.record(
            author=author,
            signer=author if rng.random() < 0.5 else rng.choice(PEOPLE),
            timestamp=rng.choice(TIMES),
            kind=rng.choice(KINDS),
            nonce=b"\x80" + bytes(6) + bytes([rng.randrange(3)]),
            tags=self.some(TAGS),
            payload=bytes(rng.choice([0, 0, 8, 200])) + rng.randbytes(rng.choice([0, 1])),
        )

    def deletion(self) -> bytes:
        """A Deletion of what is, was or was never there, mostly by its author."""
        rng, named = self.rng, self.chosen(rng_most(self.rng))
        references = [rng.choice([e.id, e.address]) for e in named] + self.some([bytes(48)], 1)
        tags = [samples.tag(0x4D01, bytes(4) + samples.UNIQUE + reference) for reference in references]
        if rng.random() < 0.1:
            tags.append(samples.tag(0x4D01, bytes(59)))
        return samples.record(
            author=named[0].author if named and rng.random() < 0.8 else rng.choice(PEOPLE),
            timestamp=rng.choice(TIMES),
            kind=rng.choice([DELETION, DELETION, PRIVATE_DELETION]),
            nonce=b"\x80" + rng.randbytes(7),
            tags=tags,
        )

    def query(self) -> Query:
        rng = self.rng
        choices: dict[str, Callable[[], object]] = {
            "authors": lambda: self.some([*PEOPLE, STRANGER]),
            "signers": lambda: self.some([*PEOPLE, STRANGER]),
            "kinds": lambda: self.some(KINDS),
            "timestamps": lambda: [rng.choice(TIMES) for _ in range(rng.randint(0, 3))],
            "tags": lambda: [self.some(TAGS) for _ in range(rng.randint(0, 2))],
            "since": lambda: rng.choice(TIMES),
            "until": lambda: rng.choice(TIMES),
            "received_since": lambda: rng.randint(0, self.received + 1),
            "received_until": lambda: rng.randint(0, self.received + 1),
            "exclude": lambda: [e.id for e in rng.sample(self.twin.entries, min(2, len(self.twin.entries)))],
            "excluded_tags": lambda: self.some(TAGS),
        }
        chosen = rng.sample(list(choices), rng.choice([0, 1, 1, 2, 2, 3, 4]))
        query: Query = {}
        for name in chosen:
            query[name] = choices[name]()  # type: ignore[literal-required]
        # A tag of type 0 can't stand in a record's index and never matches; the twin's records have none.
        return query

    def viewers(self) -> list[bytes] | None:
        return None if self.rng.random() < 0.3 else self.some([*PEOPLE, STRANGER], 2)

    def number(self) -> int | None:
        """A place in the history, as the twin counts them."""
        return None if self.rng.random() < 0.6 else self.rng.randint(0, len(self.twin.entries))

    def position(self, number: int | None) -> int | None:
        return None if number is None else self.position_of.get(number, self.store.end)

    def chosen(self, most: int) -> list[Entry]:
        return self.rng.sample(self.twin.entries, min(most, len(self.twin.entries)))

    # --- comparing

    def same(self, scan: _rust.Scan, expected: list[Entry]) -> None:
        """The scan gives what the twin expects, in slices of any size."""
        if self.rng.random() < 0.5:
            found: list[tuple[int, int, bytes]] = []
            finished = False
            while not finished:
                some, finished = scan.records(self.rng.choice([1, 2, 1000]), self.rng.choice([0, 10**9]))
                found += some
            assert found == [(self.position_of[e.number], e.received, e.data) for e in expected]
            return
        frames, count, finished = b"", 0, False
        while not finished:
            some_frames, some_count, finished = scan.frames(
                FRAME_HEAD, self.rng.choice([1, 500, 10**6]), self.rng.choice([0, 10**9])
            )
            frames += some_frames
            count += some_count
        assert count == len(expected)
        assert frames == b"".join(
            FRAME_HEAD + (8 + len(e.data)).to_bytes(4, "little") + e.data for e in expected
        )

    # --- steps

    def append(self) -> None:
        rng = self.rng
        count = rng.choice([1, 1, 2, 3, 8])
        records = [self.record() for _ in range(count)]
        if rng.random() < 0.2:
            records.append(records[0])
        received = list(range(self.received + 1, self.received + 1 + len(records)))
        self.received += len(records)
        modes = [rng.randrange(3) for _ in records]
        if rng.random() < 0.15:
            at = rng.randrange(len(records))
            records[at] = self.deletion()
            modes[at] = rng.choice([0, DELETES, DELETES, DELETES])
        labels = [rng.choice(LABELS) if rng.random() < 0.3 else 0 for _ in records]
        expected = self.twin.append(records, received, modes, labels)
        given = bytes(labels) if any(labels) else None
        outcomes, positions = self.store.append(records, received, bytes(modes), labels=given)
        assert list(outcomes) == [outcome for outcome, _ in expected]
        for position, (outcome, entry) in zip(positions, expected, strict=True):
            if entry is None:
                assert position == 0
            elif outcome == _rust.STORED:
                assert position > max(self.position_of.values(), default=0)
                self.position_of[entry.number] = position
            else:
                assert position == self.position_of[entry.number]

    def readmit(self) -> None:
        entries = self.chosen(self.rng.choice([1, 2, 5]))
        entries += entries[:1]
        label, deletes = self.rng.choice(LABELS), self.rng.random() < 0.5
        expected = self.twin.readmit(entries, label, deletes=deletes)
        before = [self.position_of[e.number] for e in entries]
        positions = self.store.readmit(before, label, deletes=deletes)
        for position, entry in zip(positions, expected, strict=True):
            assert bool(position) == (entry is not None and entry.served)
            if entry is not None:
                # What a Deletion among them took away at once stood somewhere behind the one before it.
                self.position_of[entry.number] = position or max(self.position_of.values()) + 8

    def remove(self) -> None:
        entries = self.chosen(self.rng.choice([1, 2, 10]))
        refuse = self.rng.random() < 0.2
        positions = [self.position_of[e.number] for e in entries] + [self.store.end + 8]
        assert self.store.remove(positions, refuse=refuse) == self.twin.remove(entries, refuse=refuse)

    def scan(self) -> None:
        query, viewers = self.query(), self.viewers()
        limit = self.rng.choice([0, 0, 1, 3, 10])
        before, after = self.number(), self.number()
        scan = self.store.scan(
            samples.query(**query),
            limit=limit,
            viewers=viewers,
            before=self.position(before),
            after=self.position(after),
        )
        self.same(scan, self.twin.scan(query, limit, viewers, before, after))

    def lookup(self) -> None:
        named = self.chosen(4)
        references = [self.rng.choice([e.id, e.id[:32], e.address]) for e in named] + [bytes(48)]
        self.rng.shuffle(references)
        viewers = self.viewers()
        self.same(self.store.lookup(references, viewers=viewers), self.twin.lookup(references, viewers))

    def follow(self) -> None:
        query, viewers, number = self.query(), self.viewers(), self.number() or 0
        position = self.position(number) or 0
        scan = self.store.follow(samples.query(**query), position, viewers=viewers)
        expected = self.twin.follow(query, number, viewers)
        known = {
            self.position_of[e.number]
            for e in expected
            if viewers is not None
            and e.first is not None
            and e.first < number
            and e.readable(viewers, e.former)
        }
        if not known:
            self.same(scan, expected)
            return
        # Who could read it before may be given it again, where the log can't tell any more.
        found = [at for at, _, _ in scan.records(len(expected) + 1, 10**9)[0]]
        wanted = [self.position_of[e.number] for e in expected]
        assert [at for at in found if at not in known] == [at for at in wanted if at not in known]
        assert found == sorted(found)
        assert set(found) <= set(wanted)

    def ask(self) -> None:
        entries = self.chosen(3)
        there = [self.position_of[e.number] if e.served else None for e in entries]
        ids = [e.id for e in entries]
        latest = {e.id: self.position_of[e.number] for e in self.twin.served}
        expected = [latest.get(one) for one in ids]
        assert self.store.contains(ids) == expected
        assert self.store.contains([one[:32] for one in ids]) == expected
        read = self.store.read([self.position_of[e.number] for e in entries])
        assert read == [e.data if p is not None else None for e, p in zip(entries, there, strict=True)]
        for entry in entries:
            assert self.store.signers(entry.address) == self.twin.signers(entry.address)
            positions = sorted(self.position_of[e.number] for e in self.twin.deletions(entry))
            assert sorted(self.store.deletions(entry.data)) == positions
        labels = [e.label if e.served else 255 for e in entries]
        assert list(self.store.labels([self.position_of[e.number] for e in entries])) == labels
        for bit in (WITHHELD, HIDDEN):
            marked = sorted(self.position_of[e.number] for e in self.twin.served if e.label & bit)
            assert self.store.labelled(bit, limit=10_000) == marked
            assert self.store.labelled(bit, after=marked[0] if marked else 0, limit=1) == marked[1:2]
        assert self.store.last_received_ns == self.twin.last_received
        assert self.store.stats()["records"] == len(self.twin.served)

    def reopen(self) -> None:
        if self.rng.random() < 0.5:
            self.store.close()
        if self.rng.random() < 0.5:
            self.boot += 1
        del self.store
        self.store = self.open()

    def compact(self) -> None:
        size = self.store.stats()["log_bytes"]
        freed = self.store.compact(min_dead_ratio=self.rng.choice([0.01, 0.5]))
        assert self.store.stats()["log_bytes"] == size - freed

    def verify(self) -> None:
        assert self.store.verify() == []

    def interrupted(self) -> None:
        """A scan during which the store changes gives nothing twice, nothing out of order, nothing false."""
        query, viewers = self.query(), self.viewers()
        scan = self.store.scan(samples.query(**query), viewers=viewers)
        before = {e.number for e in self.twin.scan(query, 0, viewers, None, None)}
        found: list[bytes] = []
        finished, possible = False, set(before)
        while not finished:
            some, finished = scan.records(1, 0)
            found += [data[:48] for _, _, data in some]
            self.rng.choice([self.append, self.append, self.remove, self.compact])()
            possible |= {e.number for e in self.twin.scan(query, 0, viewers, None, None)}
        after = {e.number for e in self.twin.scan(query, 0, viewers, None, None)}
        ids = {e.number: e.id for e in self.twin.entries}
        assert found == sorted(set(found), reverse=True)
        assert {ids[n] for n in before & after} <= set(found) <= {ids[n] for n in possible}


STEPS: list[tuple[int, Callable[[History], None]]] = [
    (30, History.append),
    (5, History.remove),
    (5, History.readmit),
    (30, History.scan),
    (10, History.lookup),
    (10, History.follow),
    (8, History.ask),
    (2, History.reopen),
    (1, History.compact),
    (1, History.verify),
    (2, History.interrupted),
]


def compare(cases: int, seed: int) -> None:
    rng = random.Random(seed)
    # A folder in memory, where there is one: what disks do is tested elsewhere.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    weights, steps = zip(*STEPS, strict=True)
    done = 0
    while done < cases:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            history = History(rng, Path(folder))
            for _ in range(min(STEPS_A_STORE, cases - done)):
                (step,) = rng.choices(steps, weights)
                step(history)
                done += 1
            history.verify()
            history.store.close()


@pytest.mark.claim("C7", "C29", "C30", "C34", "C41", "C44")
def test_a_short_history_is_the_twins() -> None:
    compare(min(CASES, 3000), seed=1)


@pytest.mark.slow
@pytest.mark.claim("C7", "C29", "C30", "C34", "C41", "C44")
def test_long_histories_are_the_twins() -> None:
    compare(CASES, seed=2)
