"""The work that a server asks of strangers, done beside everything else.

Source: edition §4 (proof of work).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mosaic.client.connection import Connection
from mosaic.client.server_info import fetch
from mosaic.core.proof_of_work import Search
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Refused
from mosaic.wire.result_code import ResultCode

_TRIES: Final = 65_536
"""Tries between which it can be called off: a fraction of a second."""


async def asked_by(connection: Connection) -> tuple[Record | None, int]:
    """A server's Server Info and how many bits of work it asks of strangers; 0 where it does not say.

    Raises:
        PeerError: it went away.
    """
    try:
        found = await fetch(connection)
    except Refused:
        return None, 0
    return (None, 0) if found is None else (found[0], found[1].work_bits)


def check_bound(bits: int, most: int) -> None:
    """Whether so much work is done here at all.

    Args:
        bits: What a server asks, 0 to 255.
        most: What is done at most, 0 to 64.

    Raises:
        Refused: it is too much.
    """
    if bits > most:
        raise Refused(
            f"it asks strangers for {bits} bits of proof of work, and this program does at most {most}",
            result=ResultCode.TOO_FAST,
            hint="Ask somebody there to follow you: of contacts no work is asked. "
            "Or raise [client] work_bits: each bit more takes twice as long.",
        )


async def worked(
    record: Record, sealed: Callable[[Search], Record], bits: int, *, timestamp: Timestamp, most: int
) -> Record:
    """The record made again, with work in it. May be cancelled at any time.

    Args:
        record: What is to be made again.
        sealed: Signs what was found, with the key that signed it.
        bits: How many zero bits its id is to have.
        timestamp: Its new time.
        most: More bits than that are not done (0 to 64).

    Raises:
        Refused: so many bits are too much.
        RecordTooLong: with the tag it would be too long.
        InvalidSecretKey: the key is another one.
    """
    check_bound(bits, most)
    search = Search(record, bits, timestamp)
    while not await asyncio.to_thread(search.look, _TRIES):
        pass
    return sealed(search)
