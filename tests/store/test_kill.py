"""A process that is killed while it writes: what it had acknowledged is there, and index and log agree."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.store.embedded import open_store

KILLS = 20

WRITER = """
import random, sys
from mosaic.store.embedded import open_store
from mosaic.store.store import Mode
from tests.store import samples

folder, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
authors = [samples.key(n) for n in range(1, 9)]
store = open_store(folder, segment_bytes=1 << 20)
print("ready", flush=True)
while True:
    records = [
        samples.record(
            author=chance.choice(authors),
            timestamp=chance.getrandbits(62),
            kind=samples.UNIQUE,
            nonce=bytes([0x80]) + chance.randbytes(7),
            tags=[samples.tag(7, chance.randbytes(8))],
        )
        for _ in range(chance.choice([1, 10, 200]))
    ]
    _, positions = samples.put(store, *records)
    # Told only when it is on disk.
    print(*(one[:48].hex() for one in records), flush=True)
    if chance.random() < 0.1:
        gone = chance.sample(positions, len(positions) // 2)
        ids = [one[:48].hex() for one, p in zip(records, positions) if p in gone]
        print("removing", *ids, flush=True)
        store.remove(gone)
        print("removed", *ids, flush=True)
    if chance.random() < 0.02:
        store.compact(min_dead_ratio=0.05)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_acknowledged_outlives_kill_9_under_load(tmp_path: Path) -> None:
    chance = random.Random(3)
    there: set[str] = set()
    maybe: set[str] = set()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for kill in range(KILLS):
        arguments = [sys.executable, "-c", WRITER, str(tmp_path), str(kill)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(chance.randint(20, 300))]
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.readlines()
        assert lines[0] == "ready\n"
        for line in lines[1:]:
            if not line.endswith("\n"):
                continue
            words = line.split()
            if words[:1] == ["removing"]:
                there -= set(words[1:])
                maybe |= set(words[1:])
            elif words[:1] == ["removed"]:
                maybe -= set(words[1:])
            else:
                there |= set(words)
        store = open_store(tmp_path, segment_bytes=1 << 20)
        assert store.verify() == []
        found = store.contains([bytes.fromhex(one) for one in sorted(there)])
        assert None not in found, f"kill {kill}: {found.count(None)} of {len(there)} are lost"
        read = store.read([position for position in found if position is not None])
        assert [one[:48].hex() for one in read if one] == sorted(there)
        # What was under way when it died is there or not; from now on it stays so.
        under_way = sorted(maybe)
        kept = store.contains([bytes.fromhex(one) for one in under_way])
        there |= {one for one, position in zip(under_way, kept, strict=True) if position is not None}
        maybe.clear()
        if chance.random() < 0.3:
            store.close()
        del store
