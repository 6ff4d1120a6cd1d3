"""The options that say how other servers are reached: through a proxy, at private addresses, by whose word.

A proxy's user and password never stand on a command line, where every user
of the machine could read them: they come from a file or from MOSAIC_PROXY.

Source: network.md, tcp.md (Tor); edition §2 (private addresses, browser mode).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import click

from mosaic.client.proxies import ProxyRules
from mosaic.client.settings import ClientSettings
from mosaic.dht.mode import DhtMode
from mosaic.errors import UsageError
from mosaic.node import configuration

_Command = TypeVar("_Command", bound=Callable[..., Any])

Given: TypeAlias = dict[str, object]
"""What a command line sets, by the settings' paths."""
VARIABLE: Final = configuration.PROXY
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NAMES = ("proxy", "proxy_login", "proxy_onion_only", "private_addresses", "authorities")
_PROXY = (
    "Reach others through this SOCKS5 proxy only: not over QUIC, and without a DHT, for UDP does not pass "
    f"it. Else {VARIABLE}."
)
_PRIVATE = "Connect also to private addresses that others publish: in a network of your own."
_LOGIN_HINT = (
    f"Write USER:PASSWORD into a file for --proxy-login, or socks5://USER:PASSWORD@HOST:PORT into {VARIABLE}."
)
_DHT_HINT = "Name a DHT with --dht if your address may be seen there, or unset the proxy."


def reaching(command: _Command) -> _Command:
    """Adds the options; the command gets them as `given`, what they set, by the settings' paths."""

    def run(*arguments: Any, given: Given | None = None, **rest: Any) -> Any:
        options = {name: rest.pop(name) for name in _NAMES}
        return command(*arguments, given={**(given or {}), **_given(**options)}, **rest)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option(
            "--authorities", type=_FILE, metavar="FILE", help="Whose word counts for web hosts (PEM)."
        ),
        click.option("--private-addresses", is_flag=True, help=_PRIVATE),
        click.option("--proxy-onion-only", is_flag=True, help="The proxy is for .onion addresses only."),
        click.option("--proxy-login", type=_FILE, metavar="FILE", help="Holds the proxy's USER:PASSWORD."),
        click.option("--proxy", metavar="HOST:PORT", help=_PROXY),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


def from_environment() -> ClientSettings:
    """The settings of commands that need no home.

    Raises:
        SettingsInvalid: a variable sets what can't be set.
        UsageError: MOSAIC_PROXY names no proxy.
    """
    return configuration.load(None, env=os.environ).settings.client


def dht_mode_of_command(text: str | None) -> DhtMode:
    """Which DHT a command enters that is about nothing else.

    Raises:
        UsageError: nobody named it, and all else goes through a proxy; or `text` names none.
    """
    if text is None and ProxyRules.parse(from_environment().proxy).take_all:
        raise UsageError("the DHT does not pass the proxy and would see your address", hint=_DHT_HINT)
    return DhtMode.parse(text or "mainline")


def _given(
    *,
    proxy: str | None,
    proxy_login: Path | None,
    proxy_onion_only: bool,
    private_addresses: bool,
    authorities: Path | None,
) -> Given:
    given: Given = {}
    if proxy is not None:
        given["client.proxy"] = _rule(proxy, proxy_login, onion_only=proxy_onion_only)
    elif proxy_login is not None or proxy_onion_only:
        raise UsageError("--proxy-login and --proxy-onion-only need --proxy HOST:PORT")
    if private_addresses:
        given["client.private_addresses"] = True
    if authorities is not None:
        given["client.authorities_file"] = str(authorities)
    return given


def _rule(proxy: str, login: Path | None, *, onion_only: bool) -> str:
    """The rule as the settings have it."""
    if "@" in proxy:
        raise UsageError("a proxy's password does not belong on a command line", hint=_LOGIN_HINT)
    if "," in proxy or "=" in proxy:
        raise UsageError("--proxy is one HOST:PORT", hint=f"Several proxies can be named in {VARIABLE}.")
    who = "" if login is None else f"{_login(login)}@"
    host_port = proxy.removeprefix("socks5://")
    return f"{'.onion=' if onion_only else ''}socks5://{who}{host_port}"


def _login(file: Path) -> str:
    try:
        user, colon, password = file.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read", hint=_LOGIN_HINT) from error
    if not colon:
        raise UsageError(f"{file} holds no USER:PASSWORD", hint=_LOGIN_HINT)
    return f"{quote(user, safe='')}:{quote(password, safe='')}"
