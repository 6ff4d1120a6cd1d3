"""`mosaic demo`: a DHT, three nodes and three people, all on this machine, to see what it is like.

Everything is real but small: each node has a home, a server and a page of its
own, and the people find each other through the DHT by nothing but their keys.
It is one process, so that its end is the end of all of it.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shlex
import shutil
import sys
import tempfile
import webbrowser
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from mosaic.cli.demo_story import LATER, OPENING, PEOPLE, Line
from mosaic.cli.output import say
from mosaic.cli.page import Page
from mosaic.cli.serving import STOP_SIGNALS, at_work
from mosaic.dht.testnet import DhtTestnet
from mosaic.errors import Unreachable
from mosaic.node import configuration
from mosaic.node.face import Entry, Face
from mosaic.node.home import Home
from mosaic.node.host_port import HostPort
from mosaic.node.node import Node
from mosaic.web.settings import WebSettings

_DHT_NODES = 8
_PATIENCE_S = 90.0
_LISTEN = {"listen.quic": "127.0.0.1:0", "listen.tcp": "127.0.0.1:0", "listen.ws": "off"}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the three.

    Args:
        name: A name.
        node: The node, at work.
        page: Where the page is.
    """

    name: str
    node: Node
    page: Page

    @property
    def face(self) -> Face:
        """What the page of this node may do."""
        return Face(self.node)

    async def until(self, look: Callable[[Face], Awaitable[object]], what: str) -> None:
        """Waits until `look` finds something; looks again whenever this node tells of a change.

        Raises:
            Unreachable: it took too long; `what` was waited for.
        """
        try:
            with self.node.changes() as changed:
                async with asyncio.timeout(_PATIENCE_S):
                    while not await look(self.face):
                        await changed.wait()
                        changed.clear()
        except TimeoutError:
            raise Unreachable(
                f"{self.name} waited {_PATIENCE_S:.0f} s for {what}",
                hint="The machine may be very busy: try again, or look with `mosaic serve --verbose`.",
            ) from None


@click.command()
@click.option("--browse/--no-browse", default=True, help="Whether to open a page in a browser.")
@click.option(
    "--web", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Where that page is."
)
@click.option(
    "--every", default=12.0, show_default=True, metavar="SECONDS", help="How often somebody speaks."
)
def demo(web: str, every: float, *, browse: bool) -> None:
    """Three people on this machine who find each other and talk.

    Starts a DHT and three nodes in a temporary folder. Nothing outside of this
    machine is asked, and nothing is left when you press Ctrl+C.

    \f
    Raises:
        UsageError: the page's address is not HOST:PORT.
        ListenFailed: an address can't be had.
        Unreachable: the three did not find each other.
    """
    logging.basicConfig(level=logging.ERROR)
    # Homes of an hour have no business in anybody's keyring.
    os.environ["MOSAIC_KEYRING"] = "no"
    HostPort.parse(web)
    with tempfile.TemporaryDirectory(prefix="mosaic-demo-") as folder:
        asyncio.run(_until_stopped(_live(Path(folder), web, every, browse=browse)))
    say("All of it is gone.")


async def _until_stopped(living: Coroutine[None, None, None]) -> None:
    """Lives until a signal, or until something goes wrong."""
    life = asyncio.create_task(living)

    def stop() -> None:
        if not life.cancelling():  # who is stopping already finishes that
            life.cancel()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await life


async def _live(folder: Path, web: str, every_s: float, *, browse: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        say(f"Starting a DHT of {_DHT_NODES} nodes and three people's nodes …")
        net = stack.enter_context(await asyncio.to_thread(DhtTestnet, _DHT_NODES))
        everybody = []
        for name in PEOPLE:
            home = Home(folder / name)
            home.make()
            given = {
                **_LISTEN,
                "page.address": web if name == PEOPLE[0] else "127.0.0.1:0",
                "dht.mode": str(net.mode),
            }
            node, page = await stack.enter_async_context(
                at_work(home, partial(configuration.load, None, given=given, more={"page": WebSettings()}))
            )
            everybody.append(Neighbour(name, node, page))
            await everybody[-1].face.begin(name)
        await _meet(everybody)
        story = Story(everybody)
        for line in OPENING:
            await story.tell(line)
        await story.read_by_all()
        _explain(folder, net.entry_nodes[0], everybody)
        if browse:
            webbrowser.open(everybody[0].page.once())
        await _go_on(story, every_s)


async def _meet(everybody: Sequence[Neighbour]) -> None:
    """They follow each other by their keys, and find each other's servers by them."""
    for one, other in itertools.permutations(everybody, 2):
        await one.face.follow(other.face.status().key)
    for one in everybody:
        await one.until(_has_met_all, "the others")


async def _has_met_all(face: Face) -> bool:
    return all(person.state == "connected" for person in face.people())


class Story:
    """What was said so far.

    Args:
        everybody: Who says it.
    """

    def __init__(self, everybody: Sequence[Neighbour]) -> None:
        self._everybody = {one.name: one for one in everybody}
        self._said: list[Entry] = []

    async def tell(self, line: Line) -> None:
        """Somebody says a line, once what it answers has come to them. Raises Unreachable."""
        who = self._everybody[line.who]
        if line.answers is None:
            self._said.append(await who.face.post(line.text))
            return
        answered = self._said[line.answers].reference
        await who.until(_holds(answered), "what to answer")
        self._said.append(await who.face.reply(answered, line.text))

    async def read_by_all(self) -> None:
        """Waits until everybody has what everybody said. Raises Unreachable."""
        for who in self._everybody.values():
            for entry in self._said:
                await who.until(_holds(entry.reference), "what the others say")


def _holds(reference: str) -> Callable[[Face], Awaitable[object]]:
    """Looks whether a post has come to somebody."""
    return lambda face: face.entry(reference)


async def _go_on(story: Story, every_s: float) -> None:
    """Tells the rest of the story, a line now and then, and then stays."""
    for line in LATER:
        await asyncio.sleep(every_s)
        await story.tell(line)
    await asyncio.Event().wait()


def _command() -> str:
    """How this program is called from another terminal, which may not have it on its path."""
    if shutil.which("mosaic"):
        return "mosaic"
    program = Path(sys.argv[0])
    if program.name == "mosaic":
        return shlex.quote(str(program.absolute()))
    return f"{shlex.quote(sys.executable)} -m mosaic"


def _explain(folder: Path, entry_node: str, everybody: Sequence[Neighbour]) -> None:
    first, second, *_ = everybody
    say()
    say(f"The DHT:  {_DHT_NODES} nodes, entered by {entry_node}")
    for one in everybody:
        say(f"{one.name + ':':<9} {one.face.status().key}")
        say(f"          page {one.page.address}")
    say()
    say("Each has a node, a home and a server of their own, and was told nothing but the others' keys.")
    say("In another terminal you can be one of them, or ask the DHT as anybody may:")
    say()
    mosaic = _command()
    say(f'  {mosaic} post "Good evening" --home {folder / second.name}')
    say(f"  {mosaic} feed --home {folder / first.name}")
    say(f"  {mosaic} dht resolve {second.face.status().key} --dht {entry_node}")
    say()
    say(f"Look at {first.name}'s page: {first.page.address}")
    say("They go on talking. Ctrl+C ends it and removes all of it.")
