"""`python -m fuzz`: the campaign, the idle readers, and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from fuzz.cases import Cases
from fuzz.honest import HonestPeer
from fuzz.hostile import Campaign, Tally
from fuzz.idle import measure
from fuzz.impostors import Impostors
from fuzz.quic import QuicPeer
from fuzz.reach import Reach
from fuzz.records import Author
from fuzz.server import LiveServer, Memory
from mosaic.cli.heap import EVERY_S
from mosaic.transport import Transport

MEMORY_GROWTH = 0.05
READER_BYTES = 256 * 1024
JUDGED_CASES = 1_000_000
"""In shorter runs the first tenth still fills caches: growth is told, not judged."""
READERS = {
    "readers.tcp": (Transport.TCP, 1),
    "readers.ws": (Transport.WS, 1),
    "readers.quic": (Transport.QUIC, 1),
    "readers.quic_streams": (Transport.QUIC, 16),
}
"""Which readers there are: over what, and how many share a connection."""
TENTHS = 10
"""Memory is measured after each tenth; the last is compared with the first (of 1,000,000 cases: 100,000)."""


async def _campaign(server: LiveServer, seed: int, count: int) -> dict[str, object]:
    random = Random(seed)
    tally = Tally()
    author = Author(random, server.person)
    records = Author(random, server.person).samples()
    reach = Reach(server, random)
    cases = Cases(random, records, author.key, Impostors(random, server.person))
    campaign = Campaign(reach, cases, random, tally)
    honest = [HonestPeer(reach, transport, author, random, tally) for transport in Transport]
    running = [asyncio.create_task(peer.run()) for peer in honest]
    began = time.monotonic()
    memory: list[Memory] = []
    for tenth in range(1, TENTHS + 1):
        await campaign.run(count * tenth // TENTHS - tally.sent)
        if not server.alive:
            break
        await asyncio.sleep(EVERY_S + 1)  # for the server to see that all links are gone, and to give back
        memory.append(server.memory())
        in_mib = (memory[-1].resident / 2**20, memory[-1].anonymous / 2**20)
        print(f"{tally.sent:>9,} cases: {in_mib[0]:.1f} MiB resident, {in_mib[1]:.1f} anonymous", flush=True)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await QuicPeer.leave()
    findings = list(tally.findings)
    if server.alive:
        missing = sum([await peer.missing() for peer in honest])
        if missing:
            findings.append(f"{missing} acknowledged records are not there")
    growth = memory[-1].resident / memory[0].resident - 1 if len(memory) == TENTHS else None
    if growth is not None and count >= JUDGED_CASES and growth > MEMORY_GROWTH:
        findings.append(f"resident memory grew by {growth:.1%}, allowed are {MEMORY_GROWTH:.0%}")
    return {
        "seed": seed,
        "shares": dict(tally.shares),
        "cases": dict(tally.cases.most_common()),
        "answers": dict(tally.answers.most_common()),
        "links": tally.links,
        "seconds": round(time.monotonic() - began, 1),
        "resident_bytes": [point.resident for point in memory],
        "growth": growth,
        "honest_acknowledged": {peer.transport.value: len(peer.acknowledged) for peer in honest},
        "honest_slowest_s": round(max(peer.slowest_s for peer in honest), 3),
        "findings": findings,
    }


async def _readers(server: LiveServer, seed: int, readers: int, records: int, kind: str) -> dict[str, object]:
    report = await measure(server, Random(seed + 1), readers, records, *READERS[kind])
    findings = []
    if report.bytes_each > READER_BYTES:
        findings.append(f"a reader that never reads costs {report.bytes_each / 1024:.0f} KiB")
    return {
        "readers": readers,
        "records": records,
        "bytes_each": round(report.bytes_each),
        "findings": findings,
    }


def _run(seed: int, cases: int, readers: int, records: int) -> dict[str, dict[str, object]]:
    results: dict[str, dict[str, object]] = {}
    for name in (*(["campaign"] if cases else []), *(READERS if readers else [])):
        with tempfile.TemporaryDirectory(prefix="mosaic-fuzz-") as folder, LiveServer(Path(folder)) as server:
            if name == "campaign":
                result = asyncio.run(_campaign(server, seed, cases))
            else:
                result = asyncio.run(_readers(server, seed, readers, records, name))
            findings = result["findings"]
            assert isinstance(findings, list)
            died = not server.alive
            code = server.stop()
            if code != 0:
                how = "died" if died else "ended"
                findings.append(f"the server {how} with {code}: {server.output()}")
            findings += [f"the server wrote: {line}" for line in server.complaints()[:5]]
            findings += [f"left over: {path.name}" for path in server.left_over_files()[:5]]
            results[name] = result
    return results


def main() -> int:
    """Runs what was asked for; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="hostile frames and records; 0 for none")
    parser.add_argument(
        "--readers", type=int, default=1_000, help="readers of each kind that never read; 0 for none"
    )
    parser.add_argument("--records", type=int, default=100_000, help="records that they don't read")
    parser.add_argument("--seed", type=int, default=None, help="the same cases again")
    parser.add_argument("--write", type=Path, default=None, help="write the results here, as JSON")
    options = parser.parse_args()
    seed = time.time_ns() % 2**32 if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = _run(seed, options.cases, options.readers, options.records)
    print(json.dumps(results, indent=2))
    if options.write:
        options.write.write_text(json.dumps(results, indent=2) + "\n")
    findings = [finding for result in results.values() for finding in list(result["findings"])]  # type: ignore[call-overload]
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
