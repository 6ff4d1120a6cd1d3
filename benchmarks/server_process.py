"""A server for measuring: `python -m benchmarks.server_process FOLDER --core 0`.

Everybody lives on it, so that what is measured is not a limit for strangers.
Prints its ports as one line of JSON, {"tcp": …, "quic": …, "ws": …}, serves until its input ends, then
prints its metrics and, with --profile, where its Python spent its time.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import sys
import time
from dataclasses import replace
from pathlib import Path

from mosaic.node.clock import Clock
from mosaic.policy.limits import LimitTable
from mosaic.server.server import Server
from mosaic.server.settings import ServerSettings
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import open_store
from mosaic.transport import SocketNetwork, Transport, TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--core", type=int, default=None, help="the core to run on; all if not given")
    parser.add_argument("--check-threads", type=int, default=1)
    parser.add_argument("--subscriptions", type=int, default=1_000, help="that one link may have open")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    store = open_store(options.folder / "store")
    everybody = replace(LimitTable().served, subscriptions=options.subscriptions)
    settings = ServerSettings(
        limits=LimitTable(anonymous=everybody),
        check_threads=options.check_threads,
        subscriptions_per_link=options.subscriptions,
    )
    server = Server(
        store, BlobStore(options.folder / "blobs"), settings, now_ns=Clock().now_ns, served=lambda _: True
    )
    network = SocketNetwork(
        TransportSettings(
            frame_limits=tuple(frame_limits()),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(options.folder),
        )
    )
    server.attach(network)
    await server.start()
    seed = bytes(31) + b"\x01"
    ports = {each.value: network.listen(each, "127.0.0.1", 0, seed) for each in Transport}
    print(json.dumps(ports), flush=True)
    before = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    cpu_s = round(time.process_time() - before, 4)
    await server.stop(1)
    print(json.dumps({"cpu_s": cpu_s} | server.metrics.as_dict()), flush=True)


def main() -> None:
    options = arguments()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if not options.profile:
        asyncio.run(serve(options))
        return
    profile = cProfile.Profile()
    profile.runcall(asyncio.run, serve(options))
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
