"""A server for measuring: `python -m benchmarks.server_process FOLDER --core 0`.

Everybody who shows a key is served, so that what is measured is not a limit for strangers.
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
from random import Random

from benchmarks.processes import SOMEBODY
from mosaic.core.keys import SecretKey
from mosaic.node.clock import Clock
from mosaic.policy.bans import Ban, BanList
from mosaic.policy.introductions import Introductions
from mosaic.policy.limits import LimitTable
from mosaic.policy.roles import encryption, inbox, outbox
from mosaic.policy.served import listed
from mosaic.policy.whole import Policy, policy_of
from mosaic.server.acquaintance import has_stored
from mosaic.server.server import Server
from mosaic.server.settings import ServerSettings
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.transport import SocketNetwork, Transport, TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

ROUNDS = 6
AUTHORS = 400
"""Whom the load client writes for: it makes so many keys for each number of a round."""
BANS = 10_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--core", type=int, default=None, help="the core to run on; all if not given")
    parser.add_argument("--check-threads", type=int, default=1)
    parser.add_argument("--subscriptions", type=int, default=1_000, help="that one link may have open")
    parser.add_argument("--policies", choices=["bare", "home", "all"], default="home")
    parser.add_argument("--seed", type=int, default=1, help="which key it has")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def public_server(store: EmbeddedStore, folder: Path, settings: ServerSettings, clock: Clock) -> Server:
    """One with all roles, a list of the people whom it serves, and bans."""
    authors = [(round_number, author) for round_number in range(1, ROUNDS) for author in range(AUTHORS)]
    seeds = [
        round_number.to_bytes(8, "little") + author.to_bytes(8, "little") + bytes((7,)) * 16
        for round_number, author in authors
    ]
    keys = frozenset(SecretKey.from_seed(seed).public.bytes for seed in (bytes.fromhex(SOMEBODY), *seeds))
    served = listed(lambda: keys)
    introductions = Introductions(has_stored(store), clock.now_ns)
    roles = (outbox(served), encryption(served), inbox(served, introductions))
    random = Random(1)
    bans = [
        Ban("key", random.randbytes(32), 256, "", 0, None, "")
        if number % 2
        else Ban("ip", bytes((10, *random.randbytes(3))), random.randrange(16, 33), "", 0, None, "")
        for number in range(BANS)
    ]
    return Server(
        store,
        BlobStore(folder / "blobs"),
        settings,
        now_ns=clock.now_ns,
        served=served,
        policy=policy_of(roles, served),
        bans=BanList(bans),
    )


async def serve(options: argparse.Namespace) -> None:
    store = open_store(options.folder / "store")
    everybody = replace(LimitTable().served, subscriptions=options.subscriptions)
    settings = ServerSettings(
        limits=LimitTable(anonymous=everybody),
        check_threads=options.check_threads,
        subscriptions_per_link=options.subscriptions,
    )
    clock = Clock()
    if options.policies == "all":
        server = public_server(store, options.folder, settings, clock)
    else:
        server = Server(
            store,
            BlobStore(options.folder / "blobs"),
            settings,
            now_ns=clock.now_ns,
            served=any,
            policy=Policy((), ()) if options.policies == "bare" else None,
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
    seed = options.seed.to_bytes(32, "big")
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
