"""The attacked server: `python -m tests.faults.flood.server FOLDER`. Serves until its input ends.

Prints its port, at the end its counters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import sys
from pathlib import Path

from tests.faults.flood import frames

from mosaic.cli import heap
from mosaic.node.clock import Clock
from mosaic.policy.introductions import Introductions
from mosaic.policy.roles import encryption, inbox, outbox
from mosaic.policy.served import listed
from mosaic.policy.whole import policy_of
from mosaic.server.acquaintance import has_stored
from mosaic.server.server import Server
from mosaic.server.settings import ServerSettings
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import open_store
from mosaic.transport import SocketNetwork, Transport, TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

MEMORY_BYTES = 268_435_456
"""The bound that is set for the server."""


async def serve(folder: Path) -> None:
    honest = frames.person("honest")[0].public.bytes
    store, clock = open_store(folder / "store"), Clock()
    served = listed(lambda: frozenset((honest,)))
    papers = Introductions(has_stored(store), clock.now_ns)
    server = Server(
        store,
        BlobStore(folder / "blobs"),
        ServerSettings(memory_bytes=MEMORY_BYTES),
        now_ns=clock.now_ns,
        served=served,
        policy=policy_of((outbox(served), encryption(served), inbox(served, papers)), served),
    )
    network = SocketNetwork(
        TransportSettings(
            frame_limits=tuple(frame_limits()),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(folder),
        )
    )
    server.attach(network)
    await server.start()
    port = network.listen(Transport.TCP, "127.0.0.1", 0, bytes(31) + b"\x01")
    print(json.dumps({"tcp": port}), flush=True)
    giving_back = asyncio.create_task(heap.keep_giving_back())
    await asyncio.to_thread(sys.stdin.read)
    giving_back.cancel()
    door, bans = dict(server.door), len(server.bans)
    await server.stop(1)
    numbers = server.metrics.as_dict() | door | {"bans": bans}
    print(json.dumps(numbers), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logging.disable(logging.WARNING)
    heap.one_arena_a_core()
    heap.large_blocks_apart()
    asyncio.run(serve(parser.parse_args().folder))


if __name__ == "__main__":
    main()
