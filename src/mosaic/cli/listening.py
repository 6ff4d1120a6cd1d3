"""The options that say where a node listens, how it is found, and where its page is.

Source: url.md, transports.md; edition §2 (native and browser mode).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from mosaic.cli.reaching import dht_mode, reaching
from mosaic.client.settings import ClientSettings
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import DhtMode
from mosaic.errors import ListenFailed, UsageError
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.transport.transport import HostCertificate, Transport

_Command = TypeVar("_Command", bound=Callable[..., Any])

OFF = "off"


@dataclass(frozen=True, slots=True)
class Serving:
    """What a serving node is told on its command line.

    Args:
        listen: Where others connect.
        web: Host and port of the page.
        dht: In which DHT it finds others and is found.
        client: How it reaches others.
        public: What it announces, if that is not to be found out.
    """

    listen: tuple[ListenAt, ...]
    web: tuple[str, int]
    dht: DhtMode
    public: tuple[ServerUrl, ...] = ()
    client: ClientSettings = field(default_factory=ClientSettings)

    def begin(self, node: Node) -> None:
        """Listens everywhere.

        Raises:
            ListenFailed: an address can't be had; the hint names the option.
        """
        for at in self.listen:
            option = f"--{at.transport.value}"
            try:
                node.listen(at)
            except ListenFailed as error:
                hint = f"Another program may use the port. Name another with {option} HOST:PORT (0 for any),"
                hint = f"{hint} or leave it out with {option} {OFF}."
                if at.names:
                    hint = f"Look at the files of --ws-cert and --ws-key. Or else: {hint}"
                raise ListenFailed(f"{option}: {error}", hint=hint) from error


def listening(*, tcp: str, quic: str, ws: str) -> Callable[[_Command], _Command]:
    """Adds the options; the command gets them as `serving`.

    Args:
        tcp: The default of `--tcp`.
        quic: The default of `--quic`.
        ws: The default of `--ws`.
    """
    place = "HOST:PORT|off"

    def with_options(command: _Command) -> _Command:
        def run(*arguments: Any, **rest: Any) -> Any:
            names = [name for name in _NAMES if name in rest]
            return command(*arguments, serving=_serving(**{name: rest.pop(name) for name in names}), **rest)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
        for option in (
            click.option("--public", multiple=True, metavar="URL", help=_PUBLIC),
            click.option("--dht", show_default="mainline", metavar=_DHT, help=_DHT_HELP),
            click.option(
                "--web", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Your page."
            ),
            click.option("--ws-plain", is_flag=True, help=_PLAIN),
            click.option("--ws-key", multiple=True, type=_FILE, metavar="FILE", help="Its secret key (PEM)."),
            click.option(
                "--ws-cert", multiple=True, type=_FILE, metavar="FILE", help="Its certificates (PEM)."
            ),
            click.option("--ws-name", multiple=True, metavar="NAME", help=_NAME),
            click.option("--ws", default=ws, show_default=True, metavar=place, help=_WS),
            click.option("--quic", default=quic, show_default=True, metavar=place, help=_QUIC),
            click.option("--tcp", default=tcp, show_default=True, metavar=place, help="TCP port for others."),
        ):
            run = option(run)
        return reaching(run)  # type: ignore[return-value]

    return with_options


_NAMES = ("tcp", "quic", "ws", "ws_name", "ws_cert", "ws_key", "ws_plain", "web", "dht", "public", "client")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DHT = "mainline|off|HOST:PORT,…"
_DHT_HELP = "Where people find each other's servers: the public DHT, none, or one entered by these nodes."
_QUIC = "UDP port for others: QUIC, which is tried first."
_WS = "WebSocket port for others, also for browsers; 443 passes most firewalls."
_NAME = "A host name by which browsers connect; needs --ws-cert and --ws-key. May be repeated."
_PLAIN = "Take WebSockets without TLS as well: from your own proxy."
_PUBLIC = "Tell others this address instead of the machine's own: behind a router or proxy. May be repeated."


def _serving(
    *,
    tcp: str,
    quic: str,
    ws: str,
    ws_name: Sequence[str],
    ws_cert: Sequence[Path],
    ws_key: Sequence[Path],
    ws_plain: bool,
    web: str,
    dht: str | None,
    public: Sequence[str],
    client: ClientSettings,
) -> Serving:
    names = _certificates(ws_name, ws_cert, ws_key)
    listen = [
        ListenAt(
            transport,
            *host_port(where),
            names=names if transport is Transport.WS else (),
            plain=ws_plain and transport is Transport.WS,
        )
        for transport, where in ((Transport.TCP, tcp), (Transport.QUIC, quic), (Transport.WS, ws))
        if where != OFF
    ]
    if ws == OFF and (names or ws_plain):
        raise UsageError("--ws-name and --ws-plain need --ws HOST:PORT")
    urls = tuple(map(ServerUrl.parse, public))
    return Serving(tuple(listen), host_port(web), dht_mode(client, dht), urls, client)


def _certificates(
    names: Sequence[str], chains: Sequence[Path], keys: Sequence[Path]
) -> tuple[HostCertificate, ...]:
    if not len(names) == len(chains) == len(keys):
        raise UsageError(
            "a host name needs its certificate and its key",
            hint="Give --ws-name NAME --ws-cert FILE --ws-key FILE together, once for each name.",
        )
    try:
        return tuple(
            HostCertificate(name.lower(), chain.read_bytes(), key.read_bytes())
            for name, chain, key in zip(names, chains, keys, strict=True)
        )
    except OSError as error:
        raise UsageError(f"{error.filename} can't be read: {error.strerror}") from error


def host_port(text: str) -> tuple[str, int]:
    """HOST:PORT, the host of IPv6 in brackets. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{text!r} is no HOST:PORT", hint="Write it as 127.0.0.1:1320 or [::1]:1320.")
    return host.strip("[]"), int(port)
