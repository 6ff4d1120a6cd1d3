"""The Server Info of this home's server: made from the settings, kept in its own store as long as they hold.

It is written by the server's own key when the node begins to work, and again
when a reload has changed what it says; never otherwise.

Source: edition §4 (Server Info, proof of work); docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mosaic.core import server_info
from mosaic.core.community_kinds import SERVER_INFO
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.server_info import ServerInfo
from mosaic.errors import MosaicError
from mosaic.node.records import OwnRecords
from mosaic.policy.submission import Way
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node
    from mosaic.node.operating_settings import RoleSettings
    from mosaic.node.settings import NodeSettings

_LOG: Final = logging.getLogger(__name__)
_SECOND: Final = 1_000_000_000


def told(settings: NodeSettings) -> ServerInfo:
    """What a server with these settings says about itself."""
    server, operator = settings.server, settings.operator
    roles = settings.roles
    has = {
        "outbox": roles.outbox,
        "inbox": roles.inbox,
        "encryption": roles.encryption,
        "chat": roles.chat,
    }
    row = server.limits.stranger
    bits = max(server.limits.anonymous.work_bits, row.work_bits)
    # Whom an outbox takes from is served, of whom no work is asked, unless that is everybody.
    for_strangers = set(has) if settings.serves.who == "everyone" else set(has) - {"outbox"}
    asked = {name: bits for name, there in has.items() if there and bits and name in for_strangers}
    limits = {
        "record_bytes": min(server.record_limit, row.record_bytes),
        "blob_bytes": min(server.blob_limit, row.blob_bytes),
        "subscriptions": min(server.subscriptions_per_link, row.subscriptions),
        "queries": min(server.queries_per_link, row.queries),
        "open_limit": min(server.open_query_limit, row.open_limit),
        "open_window_s": server.open_query_window_ns // _SECOND,
        "future_s": server.future_ns // _SECOND,
    }
    return ServerInfo(
        name=operator.name,
        serves=settings.serves.who,
        roles=tuple(name for name, there in has.items() if there),
        inbox=_inbox(roles),
        work=MappingProxyType(asked),
        limits=MappingProxyType(limits),
        rules=operator.rules,
        contact=operator.contact,
        terms=operator.terms,
        service_url=server.service_url,
    )


def _inbox(roles: RoleSettings) -> str:
    """Who reads what strangers sent."""
    if not roles.inbox:
        return ""
    return "approved" if roles.withhold else roles.inbox_readers


def latest(records: OwnRecords, server: PublicKey) -> Record | None:
    """The newest Server Info of a server that is at hand."""
    wanted = Filter.of(authors=[server], signers=[server], kinds=[SERVER_INFO])
    return next(records.newest_first(wanted, 1), None)


def known(records: OwnRecords, server: PublicKey) -> ServerInfo | None:
    """What the newest Server Info of a server that is at hand says; None if there is none."""
    record = latest(records, server)
    try:
        return None if record is None else server_info.read(record)
    except MosaicError:
        return None


class OwnServerInfo:
    """Keeps the own server's record as the settings are.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._changed = asyncio.Event()
        node.live.watch(lambda _: self._changed.set())

    async def run(self) -> None:
        """Writes it whenever that is needed, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.keep()
            except MosaicError as error:
                _LOG.error("the Server Info could not be written: %s", error)
            await self._changed.wait()

    async def keep(self) -> Record | None:
        """Writes the record if what is stored says something else; None if it says the same.

        Raises:
            InvalidContent: the settings hold what no text is.
            RecordTooLong: the rules are too long for a record.
        """
        node, secret = self._node, self._node.server_secret
        info, before = told(node.settings), latest(node.everything, secret.public)
        if before is not None and before.payload == info.payload():
            return None
        now_ns = node.clock.now_ns()
        if before is not None and before.timestamp >= now_ns + node.settings.server.future_ns:
            # Written while the clock was ahead: it would stand above all later ones until that time comes.
            await node.server.moderation.drop([before.id.bytes])
        elif before is not None:
            now_ns = max(now_ns, before.timestamp + 1)
        record = Signer(secret.public, secret).server_info(info, now_ns)
        (result,) = await node.server.submit([record.data], Way.OWNER, (secret.public.bytes,))
        if not result.is_success:
            _LOG.error("the Server Info was not taken: %s", result.name)
        return record
