"""A short run of the fuzz against a live server; `make fuzz` is the long one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fuzz.cases import Cases
from fuzz.honest import HonestPeer
from fuzz.hostile import Campaign, Tally
from fuzz.identity import tls_context
from fuzz.idle import measure
from fuzz.impostors import Impostors
from fuzz.link import Link, LinkEnded
from fuzz.records import Author
from fuzz.server import LiveServer

from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.limits import BLOB_LIMIT, QUERY_FRAME_LIMIT, RECORD_LIMIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("fuzz")) as live:
        yield live
        assert live.alive, live.output()
        assert live.complaints() == []
        assert live.left_over_files() == []
        assert live.stop() == 0


async def test_hostile_frames_harm_nobody(server: LiveServer) -> None:
    seed = int(os.environ.get("MOSAIC_FUZZ_SEED", "20"))
    random, tally = Random(seed), Tally()
    author = Author(random, server.person)
    samples = Author(random, server.person).samples()
    cases = Cases(random, samples, author.key, Impostors(random, server.person))
    campaign = Campaign(server, cases, random, tally)
    honest = HonestPeer(server, author, random, tally, every=100)
    running = asyncio.create_task(honest.run())
    await campaign.run(6_000)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert tally.findings == []
    assert len(honest.acknowledged) >= 5
    assert await honest.missing() == 0
    # Every kind of case was there, and the server said more than no.
    assert len(tally.cases) >= 20
    assert {"SubmissionResult INVALID", "QueryClosed INVALID", "QueryClosed SUCCESS"} <= set(tally.answers)
    assert {"Unrecognized", "CLOSING INVALID", "CLOSING TOO_LARGE", "Record"} <= set(tally.answers)


@pytest.mark.claim("C89")
@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (MessageType.SUBMISSION, RECORD_LIMIT + 8),
        (MessageType.QUERY, QUERY_FRAME_LIMIT),
        (MessageType.SUBSCRIBE, QUERY_FRAME_LIMIT),
        (MessageType.BLOB_SUBMISSION, BLOB_LIMIT + 40),
        (MessageType.GET, 65_536),
        (MessageType.HELLO, 65_536),
        (0x7F, 65_536),
    ],
)
async def test_a_length_beyond_its_limit_is_refused_from_the_header(
    server: LiveServer, kind: int, limit: int
) -> None:
    """Eight bytes are sent, and nothing of what they announce."""
    link = await Link.open(server.host, server.port, tls_context())
    await link.hello()
    await link.send(encode_header(kind, limit + 1))
    with pytest.raises(LinkEnded, match="CLOSING TOO_LARGE"):
        await link.receive()
    link.drop()


async def test_a_length_at_its_limit_is_not_refused(server: LiveServer) -> None:
    link = await Link.open(server.host, server.port, tls_context())
    await link.hello()
    body = bytes(65_536 - 8)
    await link.send(encode_header(0x7F, 65_536) + body)
    assert type(await link.receive()).__name__ == "Unrecognized"
    link.drop()


async def test_readers_that_never_read_cost_little(server: LiveServer, tmp_path: Path) -> None:
    report = await measure(server, Random(3), readers=40, records=4_000)
    assert report.bytes_each <= 256 * 1024
