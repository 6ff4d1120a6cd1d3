"""What honest people notice of a flood, on the cores that they share with the attackers.

A minute long, from addresses in 127.1.0.0/16: 10,000 links with 1,000,000 false signatures, 10,000 broad
questions and readers that never read, 2,000 handshakes that never end. Meanwhile somebody at 127.2.0.1
posts over a standing link, and once a second over a new one; so does a stranger who writes to him
(`guest`). Limits: 250 ms for the 99th of 100 posts;
for the server's memory the bound that its settings set. Nobody honest may be refused.
"""

from __future__ import annotations

from tests.faults.flood.campaign import run as flood
from tests.faults.flood.server import MEMORY_BYTES

from benchmarks.rows import Row, row

POST_MS = 250.0
NEW_LINK_MS = 1_000.0
MEMORY_MIB = MEMORY_BYTES / 2**20


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about a quarter of a minute if quick, else a minute.

    Raises:
        RuntimeError: somebody honest was refused or, at full scale, waited too long; or a process died.
    """
    found = flood(10, 0.1) if quick else flood(60, 1.0)
    honest, guest = found["honest"], found["guest"]
    if refused := honest["refused"] + guest["refused"]:
        raise RuntimeError(f"somebody honest was refused: {refused[:3]}")
    p99_ms = max(honest["post_ms"]["p99"], guest["post_ms"]["p99"])
    if not quick and p99_ms > POST_MS:
        raise RuntimeError(f"one in a hundred honest posts took {p99_ms:.0f} ms or more, not {POST_MS:.0f}")
    server, sent = found["server"], found["attack"]
    attacked = {name: server.get(name, 0) for name in ("accepted", "paced", "blocked", "evicted", "bans")}
    parts = ("links", "records", "filters", "half_open")
    return [
        *(
            row(f"flood.sent_{name}", "in all", [sent.get(name, 0)], max(1, sent.get(name, 0)))
            for name in parts
        ),
        row("flood.post_p50_ms", "ms", [honest["post_ms"]["p50"]], POST_MS),
        row("flood.post_p99_ms", "ms", [honest["post_ms"]["p99"]], POST_MS),
        row("flood.guest_p99_ms", "ms", [guest["post_ms"]["p99"]], POST_MS),
        row("flood.new_link_p99_ms", "ms", [honest["new_link_ms"]["p99"]], NEW_LINK_MS),
        row("flood.memory", "MiB", [found["memory_mib"]["most"]], MEMORY_MIB),
        *(row(f"flood.{name}", "connections", [count], max(1, count)) for name, count in attacked.items()),
    ]
