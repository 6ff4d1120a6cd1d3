"""What the policies of a public outbox cost: the same records into two servers, with all of them and bare.

Both take records of 400 authors over 4 links of somebody whom they serve, on one core. The bare one asks
nothing about them. The other has the roles of a public server with a list of the people that it serves,
10,000 bans of networks and keys, and limits by standing. `policies.ratio` is the share of the bare
server's pace that is left; its limit is 0.8.
"""

from __future__ import annotations

import statistics

from benchmarks.processes import server, server_core
from benchmarks.rows import Row, row

LINKS = 4
LEAST = 0.8


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 15 seconds if quick, else a minute.

    Raises:
        RuntimeError: the server or the load client failed, or something was refused.
    """
    count, rounds = (10_000, 2) if quick else (50_000, 5)
    paces: dict[str, list[float]] = {"bare": [], "all": []}
    for number in range(rounds):
        # In turns, and the other way around each time, so that what else the machine does hits both alike.
        for which in sorted(paces, reverse=bool(number % 2)):
            with server("tcp", core=server_core(), policies=which) as ask:
                found = ask("ingest", links=LINKS, count=count, seed_number=number + 1)
                paces[which].append(found["records_per_s"])
    bare = statistics.median(paces["bare"])
    return [
        row("policies.bare", "records/s", paces["bare"], bare),
        row("policies.all", "records/s", paces["all"], bare),
        row("policies.ratio", "of bare", [statistics.median(paces["all"]) / bare], LEAST),
    ]
