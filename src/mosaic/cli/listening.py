"""The options that say where a node listens, how it is found, and where its page is.

Source: url.md, transports.md; edition §2 (native and browser mode).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from mosaic.cli.configuring import Places, configured, file_of
from mosaic.cli.reaching import Given, reaching
from mosaic.errors import UsageError
from mosaic.node import configuration
from mosaic.node.home import Home, default_folder

_Command = TypeVar("_Command", bound=Callable[..., Any])


def listening(*, tcp: str, quic: str, ws: str) -> Callable[[_Command], _Command]:
    """Adds the options; the command gets them as `places`, from which its settings are loaded.

    Args:
        tcp: Where it listens if nobody says anything.
        quic: The same.
        ws: The same.
    """
    place = "HOST:PORT|off"
    defaults = {**configuration.SERVING, "listen.tcp": tcp, "listen.quic": quic, "listen.ws": ws}

    def with_options(command: _Command) -> _Command:
        def run(home: Path | None, config: Path | None, preset: str | None, **rest: Any) -> Any:
            given = {**rest.pop("given"), **_given(**{name: rest.pop(name) for name in _NAMES})}
            places = Places(file_of(Home(home or default_folder()), config), preset, given, defaults)
            return command(home=home, places=places, **rest)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
        for option in (
            click.option("--public", multiple=True, metavar="URL", help=_PUBLIC),
            click.option("--dht", show_default="mainline", metavar=_DHT, help=_DHT_HELP),
            click.option("--web", show_default="127.0.0.1:0", metavar="HOST:PORT", help="Your page."),
            click.option("--ws-plain", is_flag=True, help=_PLAIN),
            click.option("--ws-key", multiple=True, type=_FILE, metavar="FILE", help="Its secret key (PEM)."),
            click.option(
                "--ws-cert", multiple=True, type=_FILE, metavar="FILE", help="Its certificates (PEM)."
            ),
            click.option("--ws-name", multiple=True, metavar="NAME", help=_NAME),
            click.option("--ws", show_default=ws, metavar=place, help=_WS),
            click.option("--quic", show_default=quic, metavar=place, help=_QUIC),
            click.option("--tcp", show_default=tcp, metavar=place, help="TCP port for others."),
        ):
            run = option(run)
        return configured(reaching(run))  # type: ignore[return-value]

    return with_options


_NAMES = ("tcp", "quic", "ws", "ws_name", "ws_cert", "ws_key", "ws_plain", "web", "dht", "public")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DHT = "mainline|off|HOST:PORT,…"
_DHT_HELP = "Where people find each other's servers: the public DHT, none, or one entered by these nodes."
_QUIC = "UDP port for others: QUIC, which is tried first."
_WS = "WebSocket port for others, also for browsers; 443 passes most firewalls."
_NAME = "A host name by which browsers connect; needs --ws-cert and --ws-key. May be repeated."
_PLAIN = "Take WebSockets without TLS as well: from your own proxy."
_PUBLIC = "Tell others this address instead of the machine's own: behind a router or proxy. May be repeated."


def _given(
    *,
    tcp: str | None,
    quic: str | None,
    ws: str | None,
    ws_name: Sequence[str],
    ws_cert: Sequence[Path],
    ws_key: Sequence[Path],
    ws_plain: bool,
    web: str | None,
    dht: str | None,
    public: Sequence[str],
) -> Given:
    said: Given = {"listen.tcp": tcp, "listen.quic": quic, "listen.ws": ws, "dht.mode": dht}
    given = {path: value for path, value in said.items() if value is not None}
    if not len(ws_name) == len(ws_cert) == len(ws_key):
        raise UsageError(
            "a host name needs its certificate and its key",
            hint="Give --ws-name NAME --ws-cert FILE --ws-key FILE together, once for each name.",
        )
    if ws_name:
        given["listen.name"] = [
            {"name": name, "certificate": str(chain), "key": str(key)}
            for name, chain, key in zip(ws_name, ws_cert, ws_key, strict=True)
        ]
    if ws_plain:
        given["listen.ws_plain"] = True
    if public:
        given["listen.public"] = list(public)
    if web is not None:
        given["page.address"] = web
    return given
