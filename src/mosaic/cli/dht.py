"""`mosaic dht`: the DHT by hand, and a whole one on this machine.

Source: bootstrap.md; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import click

from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common
from mosaic.cli.output import Exit, notice, print_object, say
from mosaic.cli.reaching import dht_mode_of_command
from mosaic.cli.unlocking import MasterOptions, act_with_master, master_file_options
from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import DhtMode
from mosaic.dht.resolver import Found, LookUp, Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.testnet import DhtTestnet
from mosaic.errors import Unreachable, UsageError
from mosaic.node.clock import Clock
from mosaic.node.control import JsonObject

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.group(cls=Group)
def dht() -> None:
    """Find and publish in the Mainline DHT, or run one of your own."""


@dht.command()
@click.option("--nodes", default=10, show_default=True, help="How many nodes, 1 to 256.")
def testnet(nodes: int) -> None:
    """Run a DHT of its own on this machine until interrupted.

    Prints one line, the HOST:PORT to enter by, and nothing else.

    \b
    Example:
      mosaic dht testnet --nodes 20
      mosaic serve --dht 127.0.0.1:PORT
    """
    asyncio.run(_testnet(nodes))


async def _testnet(nodes: int) -> None:
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with await asyncio.to_thread(DhtTestnet, nodes) as net:
        say(net.entry_nodes[0])
        await stop.wait()


@dht.command()
@click.argument("key", required=False)
@click.option(
    "--dht",
    "mode",
    show_default="mainline",
    metavar="mainline|HOST:PORT",
    help="Which DHT, where no node runs; one that runs uses its own.",
)
@click.option(
    "--public", multiple=True, metavar="URL", help="Where your server is reached, where no node runs."
)
@click.option("--again", is_flag=True, help="Also what another device of yours has replaced.")
@master_file_options
@common
def publish(
    options: Common,
    key: str | None,
    mode: str | None,
    public: tuple[str, ...],
    unlocking: MasterOptions,
    *,
    again: bool,
) -> None:
    """Publish now where your server is, and which servers you use; and read it back.

    A node that runs does this by itself every hour. KEY is one of this home;
    what the owner of another key published last is written again, so that it
    stays for two more hours.

    \b
    Examples:
      mosaic dht publish
      mosaic dht publish mosrv0… --public mosaic://203.0.113.7:1320/
    \f

    Raises:
        UsageError: there is nothing to publish.
        Unreachable: the DHT did not take it.
    """
    arguments = options.arguments(key=key, dht=mode, public=list(public), again=again)
    states = []
    for item in act_with_master(options, "dht_publish", arguments, unlocking):
        states.append(item)
        if options.as_json:
            print_object(item)
        else:
            say(f"{item['key']}  number {item['seq']}: {item['detail']}")
    if any(item["replaced"] for item in states):
        click.get_current_context().exit(Exit.REFUSED)
    if not any(item["published"] for item in states):
        raise Unreachable("nothing was published", hint="Check the network, or name another DHT with --dht.")


@dht.command()
@click.argument("key")
@click.option(
    "--dht",
    "mode",
    show_default="mainline",
    metavar="mainline|HOST:PORT",
    help="Which DHT; several entry nodes with commas.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bootstrap.")
def resolve(key: str, mode: str | None, *, as_json: bool) -> None:
    """Look up where a key is to be found.

    KEY is mopub0… (a user), mosrv0… (a server), or the same without prefix: then both are looked up.

    \b
    Example:
      mosaic dht resolve mopub0…
    \f

    Raises:
        InvalidText: KEY is no key.
        UsageError: the DHT is off.
        Unreachable: the DHT did not answer, or nobody has published anything under KEY.
    """
    asyncio.run(_resolve(key, dht_mode_of_command(mode), as_json=as_json))


async def _resolve(text: str, mode: DhtMode, *, as_json: bool) -> None:
    key = PublicKey.parse(text)
    newest: dict[bytes, Found[UserBootstrap] | Found[ServerBootstrap]] = {}
    async with _resolver(mode) as resolver:
        if text.startswith("mopub0"):
            async for user in resolver.user(key):
                newest[user.item.salt] = user
        elif text.startswith("mosrv0"):
            async for server in resolver.server(key):
                newest[server.item.salt] = server
        else:
            async for found in resolver.either(key):
                newest[found.item.salt] = found
        ends = {resolver.last_look_up(key, salt).ended for salt in (UserBootstrap.salt, ServerBootstrap.salt)}
    for found in newest.values():
        _show(found, as_json=as_json)
    if not newest:
        if LookUp.UNREACHABLE in ends:
            raise Unreachable(
                "the DHT did not answer", hint="Check the network, or name another entry node with --dht."
            )
        raise Unreachable(
            "nobody has published anything under this key",
            hint="Check the key; what is not refreshed within two hours leaves the DHT.",
        )


def _show(found: Found[UserBootstrap] | Found[ServerBootstrap], *, as_json: bool) -> None:
    is_server = isinstance(found.bootstrap, ServerBootstrap)
    if as_json:
        line: JsonObject = {
            "kind": "server" if is_server else "user",
            "key": found.item.key.server_text if is_server else found.item.key.user_text,
            "seq": str(found.seq),
            "bootstrap": found.bootstrap.text,
        }
        print_object(line)
    else:
        notice(f"{'Server' if is_server else 'User'} bootstrap, number {found.seq}:")
        say(found.bootstrap.text)


@contextlib.asynccontextmanager
async def _resolver(mode: DhtMode) -> AsyncIterator[Resolver]:
    """A resolver on a DHT that is left at the end of the block."""
    if not mode.on:
        raise UsageError("the DHT is off", hint="Name one with --dht mainline or --dht HOST:PORT.")
    network = Mainline(mode)
    network.start()
    resolver = Resolver(network, MemorySequenceStore(), Clock().now_ns)
    try:
        yield resolver
    finally:
        await resolver.stop()
        await network.stop()
