"""A short run of the fuzz against a live server; `make fuzz` is the long one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest
from fuzz.breaches import Breaches
from fuzz.cases import Cases
from fuzz.honest import HonestPeer
from fuzz.hostile import Campaign, Tally
from fuzz.identity import NOBODY, Identities
from fuzz.idle import measure
from fuzz.impostors import Impostors
from fuzz.pipe import LinkEnded
from fuzz.quic import QuicPeer
from fuzz.quic_breaches import QuicBreaches
from fuzz.reach import Reach
from fuzz.records import Author
from fuzz.server import LiveServer
from fuzz.tcp_breaches import TcpBreaches
from fuzz.ws_breaches import WsBreaches

from mosaic.transport import Transport
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.limits import BLOB_LIMIT, QUERY_FRAME_LIMIT, RECORD_LIMIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
async def _no_peer_stays() -> AsyncIterator[None]:
    yield
    await QuicPeer.leave()
    await asyncio.sleep(0)  # what was aborted is closed in the loop's next round


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
    reach = Reach(server, random)
    campaign = Campaign(reach, cases, random, tally)
    honest = [HonestPeer(reach, transport, author, random, tally, every=100) for transport in Transport]
    running = [asyncio.create_task(peer.run()) for peer in honest]
    await campaign.run(9_000)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert tally.findings == []
    for peer in honest:
        assert len(peer.acknowledged) >= 5
        assert await peer.missing() == 0
    assert min(tally.shares[transport.value] for transport in Transport) >= 2_900
    # Every kind of case was there, and the server said more than no.
    assert len(tally.cases) >= 20
    assert {"SubmissionResult INVALID", "QueryClosed INVALID", "QueryClosed SUCCESS"} <= set(tally.answers)
    assert {"Unrecognized", "CLOSING INVALID", "CLOSING TOO_LARGE", "Record"} <= set(tally.answers)


@pytest.mark.parametrize("kind", [TcpBreaches, QuicBreaches, WsBreaches])
async def test_no_breach_of_what_carries_frames_harms_anybody(
    server: LiveServer, kind: type[Breaches]
) -> None:
    random = Random(8)
    breaches = kind(Reach(server, random), Identities(random, 8))
    for name, act in breaches.all():
        with contextlib.suppress(LinkEnded, OSError):  # an end is an answer to all of them
            await asyncio.wait_for(act(), 60)
        assert server.alive, name


@pytest.mark.claim("C89")
@pytest.mark.parametrize("transport", list(Transport))
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
    server: LiveServer, kind: int, limit: int, transport: Transport
) -> None:
    """Eight bytes are sent, and nothing of what they announce."""
    link = await Reach(server, Random(1)).open(transport, NOBODY)
    await link.hello()
    await link.send(encode_header(kind, limit + 1))
    with pytest.raises(LinkEnded, match="CLOSING TOO_LARGE"):
        await link.receive()
    link.drop()


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_length_at_its_limit_is_not_refused(server: LiveServer, transport: Transport) -> None:
    link = await Reach(server, Random(1)).open(transport, NOBODY)
    await link.hello()
    body = bytes(65_536 - 8)
    await link.send(encode_header(0x7F, 65_536) + body)
    assert type(await link.receive()).__name__ == "Unrecognized"
    link.drop()


@pytest.mark.parametrize(
    ("transport", "streams"),
    [(Transport.TCP, 1), (Transport.WS, 1), (Transport.QUIC, 1), (Transport.QUIC, 10)],
)
async def test_readers_that_never_read_cost_little(
    tmp_path: Path, transport: Transport, streams: int
) -> None:
    with LiveServer(tmp_path) as server:
        report = await measure(server, Random(3), 40, 4_000, transport, streams)
    assert report.bytes_each <= 256 * 1024
