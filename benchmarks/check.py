"""How much a batch check gains over single checks, and what both do on one core.

Records of 400 bytes with one tag, each signed by one of 1,000 devices for its
owner (another key), all keys in the cache: what a server sees from the people
it knows. Both ways run by turns on one core, so that a busy machine slows both;
the clock is the CPU time of this thread. `check.batch_ratio` is (batches of 256)
/ (batch=1) in records a second, one value for each turn.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.rows import Row, row
from mosaic._kernel import _rust

PEOPLE = 1_000
RECORDS = 4_096
BATCH = 256

# What was reached at best on a quiet machine; a row's `ratio` says how near to it this run came.
RATIO_LIMIT = 2.8
SINGLE_LIMIT = 27_000
BATCH_LIMIT = 75_000


def make_records(count: int, people: int, seed: int = 1) -> list[bytes]:
    """`count` valid records of 400 bytes: one Notify tag and 144 bytes of payload.

    Args:
        count: How many records.
        people: How many authors, each with one device.
        seed: Of the random numbers; the same makes the same records.
    """
    rng = random.Random(seed)
    devices = [rng.randbytes(32) for _ in range(people)]
    device_keys = [_rust.public_key(device) for device in devices]
    owners = [_rust.public_key(rng.randbytes(32)) for _ in range(people)]
    records = []
    for number in range(count):
        person = rng.randrange(people)
        tag = bytes([40, 0, 1, 0]) + bytes(4) + rng.choice(owners)
        signed_data = b"".join(
            (
                bytes([0x80]) + rng.randbytes(7),
                bytes.fromhex("000000010001001c"),
                owners[person],
                device_keys[person],
                (1_700_000_000_000_000_000 + number).to_bytes(8, "big"),
                bytes(8),
                len(tag).to_bytes(2, "little") + (64).to_bytes(2, "little") + (144).to_bytes(4, "little"),
                tag,
                rng.randbytes(144),
            )
        )
        records.append(_rust.seal_record(devices[person], signed_data))
    return records


@contextmanager
def one_core() -> Iterator[None]:
    """This process on the last of its cores, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def speed(records: list[bytes], batch: int) -> float:
    """Records a second of CPU time, checked in batches of `batch`; raises if one of them is not valid."""
    start = time.thread_time()
    verdicts = _rust.check(records, batch=batch)
    elapsed = time.thread_time() - start
    if any(verdicts):
        raise AssertionError("a record of the benchmark is not valid")
    return len(records) / elapsed


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 2 seconds if quick, else 10."""
    with one_core():
        records = make_records(RECORDS, PEOPLE)
        speed(records, BATCH)  # fills the cache of keys
        singles, batches = [], []
        for _ in range(5 if quick else 40):
            singles.append(speed(records, 1))
            batches.append(speed(records, BATCH))
    ratios = [batch / single for single, batch in zip(singles, batches, strict=True)]
    return [
        row("check.batch_ratio", "x", ratios, RATIO_LIMIT),
        row("check.single", "records/s", singles, SINGLE_LIMIT),
        row("check.batch_256", "records/s", batches, BATCH_LIMIT),
    ]


if __name__ == "__main__":
    for line in run(quick=False):
        print(line)
