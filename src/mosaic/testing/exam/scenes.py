"""What several groups of checks begin with.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps

from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.testing.exam.check import Run
from mosaic.testing.exam.forge import Draft
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire


def in_turn(run: Run) -> Run:
    """Makes checks one after another, in the order in which they stand.

    For those that touch what a server has but once, or of which it bounds what one person may have begun.
    """

    @wraps(run)
    async def waited(stage: Stage) -> None:
        async with stage.in_turn:
            await run(stage)

    return waited


async def some(
    stage: Stage, count: int, *, kind: Kind | None = None, tags: Iterable[Iterable[Tag]] = ()
) -> tuple[Wire, list[Record]]:
    """`count` records of one kind a nanosecond apart, oldest first; each with its own tags, if any."""
    wire = await stage.as_member()
    kind, base = kind or stage.kind(), stage.now_ns - MINUTE
    each_tags = list(tags) or [()] * count
    records = [
        stage.record(stage.member, kind, timestamp=base + at, tags=each_tags[at]) for at in range(count)
    ]
    await wire.keep(*records)
    return wire, records


def drafted(
    stage: Stage, kind: Kind, *, tags: bytes = b"", payload: bytes = b"", author: bytes | None = None
) -> Draft:
    """A record of the member's that is not signed yet, every field open to be spoilt."""
    return Draft(stage.member, kind, stage.now_ns, stage.nonce(), author=author, tags=tags, payload=payload)
