"""How long the first page of a feed takes, from 100,000 stored records of 300 people who are followed.

A page is 30 posts with the names of their authors, as the act `feed` gives it;
`feed.page` is milliseconds, `feed.page_p99` the slowest but one of a hundred.
`feed.page_large` and `feed.page_large_p99` are the same where each profile is
almost 1 MiB long, so that it has to be read for a name.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.processes import DISK
from benchmarks.rows import Row, row
from mosaic.core import profile
from mosaic.core.profile import Profile
from mosaic.core.timestamp import Timestamp
from mosaic.dht.mode import DhtMode
from mosaic.node.acts import Acts
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.settings import NodeSettings
from mosaic.policy.submission import Way
from mosaic.social import posts
from mosaic.social.signer import Signer
from mosaic.testing import Person

RECORDS: Final = 100_000
PEOPLE: Final = 300
ROUNDS: Final = 100
LIMIT_MS: Final = 200.0
LARGE: Final = 1_040_000
_BATCH: Final = 500
_SECOND: Final = 1_000_000_000


def run(quick: bool) -> list[Row]:
    """Measures `feed.*`.

    Args:
        quick: A tenth of the records.
    """
    os.environ["MOSAIC_KEYRING"] = "no"
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        pages, large = asyncio.run(_measured(Path(folder), RECORDS // 10 if quick else RECORDS))
    rows = []
    for name, spent in (("page", pages), ("page_large", large)):
        slow = sorted(spent)[-1 - len(spent) // 100]
        rows += [row(f"feed.{name}", "ms", spent, LIMIT_MS), row(f"feed.{name}_p99", "ms", [slow], LIMIT_MS)]
    return rows


async def _measured(folder: Path, records: int) -> tuple[list[float], list[float]]:
    home = Home(folder / "home")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, NodeSettings(dht=DhtMode(on=False)))
    try:
        await node.make_person("reader")
        first = node.people.first
        assert first is not None
        people = [Person(f"person {number}") for number in range(PEOPLE)]
        for person in people:
            node.db.follow(first.key.bytes, person.key.bytes, node.clock.now_ns())
        await _fill(node, people, records)
        await _profiles(node, people, 0)
        pages = await _pages(node)
        await _profiles(node, people, LARGE)
        return pages, await _pages(node)
    finally:
        await node.stop()


async def _fill(node: Node, people: list[Person], records: int) -> None:
    chance = random.Random(1)
    now_ns = node.clock.now_ns() - 3_600 * _SECOND
    batch: list[bytes] = []
    for number in range(records):
        person = chance.choice(people)
        made = posts.post(
            Signer(person.key, person.master), f"post {number}", now=Timestamp(now_ns - number * _SECOND)
        )
        batch.append(made.data)
        if len(batch) == _BATCH or number == records - 1:
            await node.server.submit(batch, Way.MIRROR)
            batch = []


async def _profiles(node: Node, people: list[Person], length: int) -> None:
    for number, person in enumerate(people):
        said = Profile(name=f"person{number}", about="x" * length)
        made = profile.build(person.master, said, node.clock.now_ns())
        await node.server.submit([made.data], Way.MIRROR)


async def _pages(node: Node) -> list[float]:
    acts = Acts(node, working=False).table()
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        items = [item async for item in acts["feed"]({})]
        spent.append((time.perf_counter() - begun) * 1e3)
        assert sum("author_name" in item for item in items) == 30
    return spent
