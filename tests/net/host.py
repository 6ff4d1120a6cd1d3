"""A process with the nodes of some homes, without page and commands: people's, or that of a server that lies.

`python -m tests.net.host --dht HOST:PORT --home DIR --home DIR …` prints a line when all run; acts come over
each home's socket, as commands bring them. With `--listen` it listens, and takes lines of JSON: with
`{"lie": NAME, "about": [KEY, …]}` it lies so from then on. It answers them, and `{}`, with `{"told": COUNT}`,
which is how many lies it has told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from mosaic.dht.mode import DhtMode
from mosaic.node.acts import Acts
from mosaic.node.control import ControlServer
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.operating_settings import ServingSettings
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.testing.simulation.homes import hurried
from mosaic.testing.simulation.lying import Lies, LyingNetwork
from mosaic.testing.simulation.town import Lie
from mosaic.transport.network import ListeningNetwork
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Transport


def main() -> None:
    """Runs until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dht", required=True)
    parser.add_argument("--home", type=Path, action="append", required=True)
    parser.add_argument("--listen", default="")
    parser.add_argument("--compare", type=float, default=60.0, help="how often outboxes are compared (s)")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(host(chosen.home, chosen.dht, chosen.listen, chosen.compare))


async def host(folders: list[Path], dht: str, listen: str, compare_s: float) -> None:
    """Opens all homes, serves their sockets, and ends in order."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lies = Lies()

    def listener(settings: TransportSettings) -> ListeningNetwork:
        return LyingNetwork(SocketNetwork(settings), lies)

    settings = NodeSettings(
        client=hurried(compare_s).client,
        dht=DhtMode.parse(dht),
        serves=ServingSettings(who="everyone" if listen else "home"),
        settle_s=0.0,
    )
    nodes: list[Node] = []
    controls: list[ControlServer] = []
    for folder in folders:
        home = Home(folder)
        if not home.is_there:
            home.make()
        lock = try_lock(home)
        assert lock is not None, folder
        node = await Node.open(home, lock, settings, surroundings=Surroundings(listener=listener))
        if listen:
            address, _, port = listen.rpartition(":")
            node.listen(ListenAt(Transport.TCP, address, int(port)))
            node.listen(ListenAt(Transport.QUIC, address, int(port)))
        control = ControlServer(home.socket, Acts(node, working=True).table())
        await control.start()
        node.work()
        nodes.append(node)
        controls.append(control)
    servers = [node.server_secret.public.server_text for node in nodes]
    print(json.dumps({"running": len(nodes), "servers": servers}), flush=True)
    lying = asyncio.create_task(lie_as_told(lies)) if listen else None
    await stop.wait()
    if lying is not None:
        lying.cancel()
    for control in controls:
        await control.stop()
    await asyncio.gather(*(node.stop() for node in nodes))


async def lie_as_told(lies: Lies) -> None:
    """Takes what comes in line by line."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        told = json.loads(line)
        if told:
            lies.lie, lies.about = Lie(told["lie"]), frozenset(map(bytes.fromhex, told["about"]))
        print(json.dumps({"told": lies.told}), flush=True)


if __name__ == "__main__":
    main()
