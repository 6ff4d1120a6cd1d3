"""What settings allow and an operator has probably not meant, in sentences.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Final

from mosaic.client.settings import ClientSettings
from mosaic.node.host_port import HostPort
from mosaic.node.settings import NodeSettings
from mosaic.policy.bans import network, network_text

_INNER: Final = tuple(
    map(
        network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    )
)
"""Networks from which nobody comes who is not in one of one's own."""
_WIDE: Final = {4: 12, 16: 24}
"""By the length of an address: networks with fewer bits than this are nobody's proxies."""
_FOR_OTHERS: Final = frozenset({"everyone", "invitations", "hook"})


def advice(settings: NodeSettings) -> list[str]:
    """A sentence for each thing to think about; none if all is well."""
    found = []
    if _is_open(settings.metrics.address):
        found.append(
            f"everybody who reaches {settings.metrics.address} can read the node's numbers: "
            "[metrics] address is best a private one"
        )
    if settings.serves.who in _FOR_OTHERS:
        found += _for_others(settings)
    if _asks_too_much_work(settings):
        found.append(
            "[limits] work_bits asks for more than this program does by default "
            f"({ClientSettings().work_bits} bits): people from elsewhere can't write to anybody here with it"
        )
    found += _wide_proxies(settings)
    if settings.roles.inbox_readers == "recipient" and not settings.roles.inbox:
        found.append("[roles] inbox_readers has no effect, for the server is no inbox")
    if settings.roles.withhold and not settings.roles.inbox:
        found.append("[roles] withhold has no effect, for the server is no inbox")
    if settings.listen.ws_plain and _is_open(settings.listen.ws):
        found.append(
            f"WebSockets without TLS are taken from everybody who reaches {settings.listen.ws}: "
            "listen where your proxy alone connects"
        )
    return found


def missing(settings: NodeSettings) -> list[str]:
    """A sentence for each file or folder that is named and can't be used by who asks; none if all is well."""
    named = [
        ("[listen] name", path) for name in settings.listen.name for path in (name.certificate, name.key)
    ]
    named += [("[backup] password_file", settings.backup.password_file)] if settings.backup.folder else []
    named.append(("[client] authorities_file", settings.client.authorities_file))
    found = [
        f"{setting}: {path} can't be read; does it stand there, and may the server's user read it?"
        for setting, path in named
        if path and not os.access(path, os.R_OK)
    ]
    folder = settings.backup.folder
    if folder and not (Path(folder).is_dir() and os.access(folder, os.W_OK)):
        found.append(
            f"[backup] folder: there is no folder {folder} into which backups can be written: make it"
        )
    return found


def _for_others(settings: NodeSettings) -> list[str]:
    found = []
    if not settings.operator.contact:
        found.append("this server is for others, and does not say how you are reached: [operator] contact")
    if not settings.backup.folder:
        found.append("this server is for others, and makes no backups: [backup] folder, or `mosaic backup`")
    if not settings.operator.page and not settings.server.service_url:
        found.append(
            "this server is for others, and shows nobody what holds here: [operator] page, "
            "or [server] service_url"
        )
    return found


def _wide_proxies(settings: NodeSettings) -> list[str]:
    return [
        f"[server] proxies: whoever connects from {network_text(value, prefix)} is believed about where he "
        "comes from, and so escapes limits and bans by address: name your proxies' own addresses"
        for value, prefix in map(network, settings.server.proxies)
        if prefix < _WIDE[len(value)] and not _is_inner(value, prefix)
    ]


def _is_inner(value: bytes, prefix: int) -> bool:
    """Whether a network lies in one that the Internet does not reach."""
    return any(
        len(value) == len(inner)
        and prefix >= bits
        and int.from_bytes(value, "big") >> (8 * len(inner) - bits)
        == int.from_bytes(inner, "big") >> (8 * len(inner) - bits)
        for inner, bits in _INNER
    )


def _asks_too_much_work(settings: NodeSettings) -> bool:
    limits = settings.server.limits
    most = ClientSettings().work_bits
    return any(row.work_bits > most for row in (limits.anonymous, limits.stranger))


def _is_open(where: HostPort) -> bool:
    """Whether others than this machine and its own networks reach an address."""
    if not where:
        return False
    try:
        address = ipaddress.ip_address(where.host)
    except ValueError:
        return where.host != "localhost"
    return address.is_unspecified or not address.is_private
