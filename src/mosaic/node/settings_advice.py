"""What settings allow and an operator has probably not meant, in sentences.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import ipaddress
from typing import Final

from mosaic.node.host_port import HostPort
from mosaic.node.settings import NodeSettings

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
        if not settings.operator.contact:
            found.append(
                "this server is for others, and does not say how you are reached: [operator] contact"
            )
        if not settings.backup.folder:
            found.append(
                "this server is for others, and makes no backups: [backup] folder, or `mosaic backup`"
            )
        if not settings.operator.page and not settings.server.service_url:
            found.append(
                "this server is for others, and shows nobody what holds here: [operator] page, "
                "or [server] service_url"
            )
    if _asks_work(settings):
        found.append(
            "[limits] work_bits shuts out clients that do no work, and this program's own does none: "
            "people from elsewhere can't write to anybody here with it"
        )
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


def _asks_work(settings: NodeSettings) -> bool:
    limits = settings.server.limits
    return any(row.work_bits for row in (limits.anonymous, limits.stranger))


def _is_open(where: HostPort) -> bool:
    """Whether others than this machine and its own networks reach an address."""
    if not where:
        return False
    try:
        address = ipaddress.ip_address(where.host)
    except ValueError:
        return where.host != "localhost"
    return address.is_unspecified or not address.is_private
