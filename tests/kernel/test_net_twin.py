"""The net door against its twin: seeded random streams in random chunks (MOSAIC_TWIN_CASES, 100,000)."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic._kernel._rust import LINK_CLOSED, LINK_SPOOLED, FrameCutter, blake3
from tests.kernel.twins.cases import CASES
from tests.kernel.twins.net_twin import REFUSED_LENGTH, SPOOLED, cut
from tests.transport.conftest import MakeStation, make_station, transport
from tests.transport.station import Station

OVER_LINKS = 0.03
STREAMS_A_LINK = 10
NOISE = random.Random(1).randbytes(1 << 16)

__all__ = ["make_station", "transport"]


@dataclass(frozen=True)
class Tables:
    """Limits under test: small ones, so that every edge is met often."""

    limits: tuple[int, ...]
    prefixes: tuple[int, ...]
    spool_over: int

    @classmethod
    def of(cls, seed: int) -> "Tables":
        rng = random.Random(seed)
        over = rng.choice([40, 64, 200])
        return cls(
            tuple(rng.choice([0, 7, 8, 9, 40, 100, 1_000, 5_000]) for _ in range(256)),
            tuple(rng.choice([0, 0, 8, 9, 40]) for _ in range(256)),
            over,
        )


TABLES = [Tables.of(seed) for seed in range(30)]


def length_for(rng: random.Random, tables: Tables, kind: int, *, honest: bool) -> int:
    limit = tables.limits[kind]
    edges = [8, 9, tables.spool_over, tables.spool_over + 1, limit - 1, limit]
    if not honest:
        edges += [rng.randrange(8), limit + 1, rng.randrange(1 << 32), (1 << 32) - 1]
    length = rng.choice([*edges, rng.randrange(8, max(9, limit + 1))])
    return min(max(8, length), limit) if honest else max(0, length)


def stream_of(rng: random.Random, tables: Tables, *, honest: bool) -> bytes:
    """A few frames. An honest stream breaks no limit and ends with a whole frame."""
    kinds = [kind for kind in rng.sample(range(256), 12) if not honest or tables.limits[kind] >= 8]
    parts = []
    for kind in kinds[: rng.randrange(6)]:
        length = length_for(rng, tables, kind, honest=honest or rng.random() < 0.8)
        at = rng.randrange(1 << 15)
        head = bytes((kind,)) + NOISE[at : at + 3] + length.to_bytes(4, "little")
        parts.append(head + NOISE[at : at + max(0, min(length, 6_000) - 8)])
    stream = b"".join(parts)
    if honest or rng.random() < 0.5:
        return stream
    return stream[: rng.randrange(len(stream) + 1)]


def chunks_of(rng: random.Random, stream: bytes) -> Iterator[bytes]:
    most = rng.choice([1, 3, 8, 9, 50, 500, 10_000]) if len(stream) < 500 else rng.choice([50, 500, 10_000])
    while stream:
        size = rng.randrange(1, most + 1)
        yield stream[:size]
        stream = stream[size:]


def expected(stream: bytes, tables: Tables) -> list[tuple[int, bytes]]:
    events = cut(stream, tables.limits, tables.prefixes, tables.spool_over)
    return [(what, data + blake3(body) if what == SPOOLED else data) for what, data, body in events]


@pytest.mark.slow
@pytest.mark.claim("C42", "C89")
@pytest.mark.timeout(600)
def test_the_cutter_agrees_with_its_twin() -> None:
    for case in range(round(CASES * (1 - OVER_LINKS))):
        rng = random.Random(case)
        tables = TABLES[case % len(TABLES)]
        stream = stream_of(rng, tables, honest=False)
        cutter = FrameCutter(
            frame_limits=tables.limits, spool_prefix=tables.prefixes, spool_over=tables.spool_over
        )
        found = [event for chunk in chunks_of(rng, stream) for event in cutter.feed(chunk)]
        assert found == expected(stream, tables), f"case {case}"


def collect(server: Station, link: int, count: int) -> list[tuple[int, bytes]]:
    """The next events of a link, long bodies by their hash."""
    found = []
    for number, what, data in server.take(count):
        assert number == link
        if what == LINK_SPOOLED:
            path, digest, length = server.net.take_spooled(link)
            assert Path(path).stat().st_size == length
            Path(path).unlink()
            found.append((what, data + digest))
        else:
            found.append((what, data))
    return found


def compare_one_link(server: Station, client: Station, port: int, tables: Tables, seed: int) -> None:
    """Several streams over one link; only the last may break a limit or end inside of a frame."""
    rng = random.Random(seed)
    dialled = client.dial(port)
    client.opened()
    link, _ = server.opened()
    for number in range(STREAMS_A_LINK):
        stream = stream_of(rng, tables, honest=number < STREAMS_A_LINK - 1)
        for chunk in chunks_of(rng, stream):
            client.net.send(dialled, chunk)
        wanted = expected(stream, tables)
        assert collect(server, link, len(wanted)) == wanted, f"seed {seed}, stream {number}"
        if wanted and wanted[-1][0] == REFUSED_LENGTH:
            server.net.close(link)
    client.net.close(dialled)
    assert server.next(LINK_CLOSED)[0] == link
    client.next(LINK_CLOSED)


@pytest.mark.slow
@pytest.mark.claim("C42", "C89")
@pytest.mark.timeout(600)
def test_links_agree_with_the_twin(make_station: MakeStation) -> None:
    links = max(1, round(CASES * OVER_LINKS / STREAMS_A_LINK))
    client = make_station()
    for number, tables in enumerate(TABLES):
        server = make_station(
            frame_limits=tables.limits, spool_prefix=tables.prefixes, spool_over=tables.spool_over
        )
        port = server.listen()
        for seed in range(number, links, len(TABLES)):
            compare_one_link(server, client, port, tables, -1 - seed)
        server.net.shutdown(0)


def test_the_cutter_tells_whether_it_is_inside_of_a_frame() -> None:
    cutter = FrameCutter(frame_limits=[100] * 256, spool_prefix=[0] * 256)
    head = bytes((1, 0, 0, 0, 9, 0, 0, 0))
    seen = [(cutter.feed(chunk), cutter.inside) for chunk in (b"", head, b"x")]
    assert seen == [([], False), ([], True), ([(1, head + b"x")], False)]
