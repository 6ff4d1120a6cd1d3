"""`mosaic serve` and `mosaic run`: the node, until it is told to stop.

Source: transports.md; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import click

from mosaic.cli.acting import indexing
from mosaic.cli.configuring import Places
from mosaic.cli.hangup import on_hangup
from mosaic.cli.heap import keep_giving_back, large_blocks_apart, one_arena_a_core, set_apart_what_stays
from mosaic.cli.listening import listening
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object
from mosaic.cli.page import Page, page_of, service_page
from mosaic.cli.turns import many_files, short_turns
from mosaic.core.url import Scheme
from mosaic.errors import HomeInUse
from mosaic.node.acts import Acts
from mosaic.node.caught_up import catch_up
from mosaic.node.configuration import Loaded
from mosaic.node.control import ControlServer, JsonObject, reach
from mosaic.node.crash_report import tell_of_loop
from mosaic.node.health import watched
from mosaic.node.home import Home, HomeLock, try_lock
from mosaic.node.listening import listen
from mosaic.node.logging_setup import set_up
from mosaic.node.node import Node
from mosaic.node.operating import Operating
from mosaic.node.reload import Reload
from mosaic.node.service_manager import ServiceManager
from mosaic.web.settings import WebSettings

_PATIENCE_S = 10.0
_PAUSE_S = 0.1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
# 443, where WebSockets pass most walls, needs rights that a person's own program does not have.
@listening(tcp="0.0.0.0:1320", quic="0.0.0.0:1320", ws="0.0.0.0:1321")
@click.option("--verbose", is_flag=True, help="Tell more in the log.")
@common
def serve(options: Common, places: Places, *, verbose: bool) -> None:
    """Run the node: serve, deliver, follow and show the page, until interrupted.

    Prints one line of JSON when it listens: its key, its addresses, the page.
    In a terminal the page's address holds a token: who has it may act for you.
    It goes into no log of a service: `mosaic page` tells the whole address there.

    \b
    Examples:
      mosaic serve
      mosaic serve --public mosaic://203.0.113.5/ --public mosaictcp://203.0.113.5/
      mosaic serve --ws 0.0.0.0:443 --ws-name example.org --ws-cert chain.pem --ws-key key.pem
      mosaic serve --proxy 127.0.0.1:9050
      mosaic serve --home /srv/mosaic --tcp [::]:1320 --web 127.0.0.1:8080 --dht off

    \f
    Raises:
        UsageError: an address is not HOST:PORT.
        SettingsInvalid: something in the settings is wrong.
        HomeMissing: there is no home.
        HomeInUse: another process has it open.
        ListenFailed: an address could not be listened on.
    """
    if verbose:
        places = replace(places, given={**places.given, "log.level": "info"})
    set_up(places.load().settings.log)  # what was said wrongly is told before anything else
    options.home.check()
    asyncio.run(serve_home(options.home, places.load, browse=False))


@click.command()
@listening(tcp="127.0.0.1:0", quic="127.0.0.1:0", ws="127.0.0.1:0")
@click.option("--browse/--no-browse", default=True, help="Whether to open the page in a browser.")
@common
def run(options: Common, places: Places, *, browse: bool) -> None:
    """Make a home if there is none, run the node on this machine and open its page.

    You find others by their keys. Others find you once your node listens at a
    public address: see `mosaic serve`.

    \f
    Raises:
        UsageError: an address is not HOST:PORT.
        SettingsInvalid: something in the settings is wrong.
        HomeInUse: another process has it open.
        ListenFailed: an address could not be listened on.
    """
    set_up(places.load().settings.log)  # no home is made for settings that don't hold
    if not options.home.is_there:
        options.home.make()
        notice(f"A new home at {options.home.folder}")
    options.home.check()
    asyncio.run(serve_home(options.home, places.load, browse=browse))


async def serve_home(home: Home, load: Callable[[], Loaded], *, browse: bool) -> None:
    """Serves a home until a signal tells to stop; prints the line of JSON.

    Args:
        home: The home.
        load: Reads the settings.
        browse: Whether to open the page in a browser.

    Raises:
        SettingsInvalid: something in the settings is wrong.
        HomeInUse: another process has it open.
        ListenFailed: an address could not be listened on.
    """
    one_arena_a_core()
    large_blocks_apart()
    short_turns()
    many_files()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_of_loop)
    async with at_work(home, load) as (node, page):
        operating = node.operating
        assert operating is not None
        # From here on the node stops in order.
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, operating.drain)
        loop.add_signal_handler(signal.SIGHUP, on_hangup(operating.drain, operating.reload.soon))
        manager = ServiceManager()
        operating.reload.tell(manager)
        operating.page = page
        giving_back = asyncio.create_task(keep_giving_back(), name="heap")
        try:
            set_apart_what_stays()
            _tell(node, page, browse=browse)
            manager.ready(f"Serving {node.server_secret.public.server_text}")
            await operating.stop.wait()
            manager.stopping()
        finally:
            giving_back.cancel()


@contextlib.asynccontextmanager
async def at_work(home: Home, load: Callable[[], Loaded]) -> AsyncIterator[tuple[Node, Page]]:
    """The node of a home, which serves, delivers, follows and takes commands until the end of the block.

    Args:
        home: The home.
        load: Reads the settings.

    Returns:
        The node, and where its page is.

    Raises:
        HomeInUse: another process has it open.
        ListenFailed: an address could not be listened on.
    """
    loaded = load()
    lock = await _lock(home)
    with indexing() as progress:
        node = await Node.open(home, lock, loaded.settings, progress=progress)
    reload = Reload(node, load, loaded)
    node.operating = Operating(node, reload)
    node.settings_file = loaded.file or node.settings_file
    page_settings = loaded.more["page"]
    assert isinstance(page_settings, WebSettings)
    try:
        # Who watches the node is answered until it has stopped.
        async with watched(node) as metrics:
            node.operating.metrics = metrics
            try:
                await catch_up(node)
                listen(node)
                async with page_of(node, page_settings) as page, service_page(node), _commands(node):
                    watching = asyncio.create_task(reload.run(), name="settings")
                    try:
                        node.work()
                        yield node, page
                    finally:
                        node.operating.stop.set()
                        watching.cancel()
            finally:
                await node.stop()
    finally:
        await node.stop()


@contextlib.asynccontextmanager
async def _commands(node: Node) -> AsyncIterator[None]:
    """Answers other processes' commands until the end of the block."""
    control = ControlServer(node.home.socket, Acts(node, working=True).table())
    await control.start()
    try:
        yield
    finally:
        await control.stop()


async def _lock(home: Home) -> HomeLock:
    """The home's lock; another command may hold it for a moment."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _PATIENCE_S
    while (lock := try_lock(home)) is None:
        with contextlib.suppress(HomeInUse):
            await (await reach(home.socket)).close()
            give_up = 0.0
        if loop.time() > give_up:
            hint = (
                "Its page is at the address that it printed when it began; `mosaic status` tells how it does."
                " For a second node name another home with --home DIR."
            )
            raise HomeInUse(f"a node runs on {home.folder} already", hint=hint)
        await asyncio.sleep(_PAUSE_S)
    return lock


def _tell(node: Node, page: Page, *, browse: bool) -> None:
    """The one line that says where everything is.

    What a terminal does not show stays in files, of a service in the journal: no token goes there.
    """
    at, operating = {url.scheme: str(url) for url in node.urls}, node.operating
    web = (page.address if sys.stdout.isatty() else page.bare) or None
    line: JsonObject = {
        "server": node.server_secret.public.server_text,
        "tcp": at.get(Scheme.TCP),
        "quic": at.get(Scheme.QUIC),
        "ws": at.get(Scheme.WEBSOCKET),
        "web": web,
        "urls": [*at.values(), *([web] if web else [])],
        "metrics": str(operating.metrics) if operating is not None and operating.metrics else None,
        "dht": str(node.settings.dht),
        "home": str(node.home.folder),
    }
    print_object(line)
    advice = () if operating is None else operating.reload.loaded.warnings
    for warning in (node.clock.warning(), *advice):
        if warning is not None:
            notice(f"Warning: {warning}")
    if node.dht.announcement.missing:
        notice(node.dht.announcement.missing)
    if page.address and not sys.stderr.isatty():
        notice(f"Your page is at {page.bare}; `mosaic page` tells its whole address, with which it opens.")
    elif browse and page.address:
        notice(f"Your page: {page.address}")
    if browse and page.address:
        webbrowser.open(page.once())
