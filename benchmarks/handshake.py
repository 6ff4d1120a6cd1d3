"""How fast links are opened: connection, handshake with a proven key, HELLO and its answer, and the end.

The server has one core, the load client another one, eight links are under way
at a time. The limit is what the library does alone, in the same run, on the
same cores: a listener of quinn or rustls that does nothing but answer HELLO.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

from benchmarks.load_client import load, load_client
from benchmarks.processes import client_core, process, server, server_core
from benchmarks.rows import Row, row

TRANSPORTS = ("quic", "tcp", "ws")
SEED = "07" * 32
"""The client's key: an Ed25519 key that the server checks."""


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 8 seconds if quick, else 30.

    Args:
        quick: Fewer handshakes and one round.

    Raises:
        RuntimeError: a process ended before it was ready, or the load client failed.
    """
    count, rounds = (300, 1) if quick else (1_500, 3)
    ours: dict[str, list[float]] = defaultdict(list)
    bare: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for transport in TRANSPORTS:
            bare[transport].append(_bare(transport, count))
            with server(transport, core=server_core()) as ask:
                ask("handshake", count=count // 4, seed=SEED)
                found = ask("handshake", count=count, seed=SEED)
                ours[transport].append(found["handshakes_per_s"])
    return [
        row(f"handshake.{transport}", "handshakes/s", ours[transport], max(bare[transport]))
        for transport in TRANSPORTS
    ]


def _bare(transport: str, count: int) -> float:
    """Handshakes a second with the library alone."""
    command = [load_client(), "bare", "--transport", transport]
    core = server_core()
    command += [] if core is None else ["--core", str(core)]
    with process(command) as (_, ready):
        reached = {"core": client_core(), "transport": transport, "port": ready["port"], "seed": SEED}
        load("handshake", count=count // 4, **reached)
        return load("handshake", count=count, **reached)["handshakes_per_s"]


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
