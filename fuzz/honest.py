"""The honest peer: each of its records must be acknowledged, whatever the others do."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from fuzz.hostile import Tally
from fuzz.identity import Identity
from fuzz.link import Link
from fuzz.reach import Reach
from fuzz.records import Author
from mosaic.transport import Transport
from mosaic.wire.client_messages import Get, Submission
from mosaic.wire.server_messages import QueryClosed, Record, SubmissionResult


@dataclass(slots=True)
class HonestPeer:
    """Submits one record after the other.

    Args:
        reach: The ways to the server.
        transport: The one that it takes.
        author: Whose records.
        random: Where its key comes from.
        tally: Of the hostile peers; it sets the pace and takes what should not have happened.
        every: One record for so many hostile cases.
    """

    reach: Reach
    transport: Transport
    author: Author
    random: Random
    tally: Tally
    every: int = 3_000
    acknowledged: list[bytes] = field(default_factory=list)
    slowest_s: float = 0.0

    async def run(self) -> None:
        """Goes on until cancelled."""
        link = await self.reach.open(self.transport, Identity.of(self.random))
        try:
            await link.hello()
            while True:
                await self._submit(link)
                pause_until = self.tally.sent + self.every
                while self.tally.sent < pause_until:  # noqa: ASYNC110 - a count has no event
                    await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.tally.findings.append(f"the honest peer got {type(error).__name__}: {error}")
        finally:
            link.drop()

    async def _submit(self, link: Link) -> None:
        record = self.author.record()
        began = time.monotonic()
        await link.send(Submission(record).encode())
        answer = await link.receive()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if isinstance(answer, SubmissionResult) and answer.prefix == record[:32] and answer.result.is_success:
            self.acknowledged.append(record)
        else:
            self.tally.findings.append(f"an honest record was answered by {answer}")

    async def missing(self) -> int:
        """How many acknowledged records the server does not give back."""
        link = await self.reach.open(self.transport, Identity.of(self.random))
        await link.hello()
        wanted = {record[:48]: record for record in self.acknowledged}
        references = list(wanted)
        for start in range(0, len(references), 1000):
            await link.send(Get(1, tuple(references[start : start + 1000])).encode())
            while not isinstance(answer := await link.receive(), QueryClosed):
                if isinstance(answer, Record) and wanted.get(answer.record[:48]) == answer.record:
                    del wanted[answer.record[:48]]
        link.drop()
        return len(wanted)
