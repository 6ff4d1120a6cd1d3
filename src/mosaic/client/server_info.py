"""A server's Server Info, as it gives it itself.

Source: edition §4 (Server Info, proof of work).
"""

from __future__ import annotations

import contextlib

from mosaic.client.connection import Connection
from mosaic.core import server_info
from mosaic.core.community_kinds import SERVER_INFO
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.server_info import ServerInfo
from mosaic.errors import InvalidContent


async def fetch(connection: Connection) -> tuple[Record, ServerInfo] | None:
    """Asks a server for its Server Info: the record and what it says; None if it has none.

    Raises:
        PeerError: the server would not, or went away.
    """
    key = connection.server_key
    if key is None:
        return None
    wanted = Filter.of(authors=[key], signers=[key], kinds=[SERVER_INFO])
    async with contextlib.aclosing(connection.query(wanted, 1)) as records:
        async for record in records:
            try:
                return record, server_info.read(record)
            except InvalidContent:
                return None
    return None
