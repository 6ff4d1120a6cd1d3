"""Comparing what is here with what a server has, by the sums of Negentropy: few bytes where nothing differs.

Source: edition §4 (sync).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mosaic.client.sync_exchange import SyncExchange
from mosaic.core.filter import Filter
from mosaic.sync.reconciling import Initiator, SyncSet, split_ids


@dataclass(frozen=True, slots=True)
class Difference:
    """In what two stores differ.

    Attributes:
        ours: The records that only we have (32 bytes of each id).
        theirs: The records that only the server has.
        messages: Bytes of the comparison's messages, both ways.
    """

    ours: tuple[bytes, ...]
    theirs: tuple[bytes, ...]
    messages: int


async def compare(syncs: SyncExchange, items: SyncSet, wanted: Filter, most_needed: int) -> Difference:
    """Compares a set with what a server has of the same filter.

    Args:
        syncs: Of a connection to the server.
        items: A sealed set of what is here.
        wanted: The filter.
        most_needed: How many records may be lacking here.

    Raises:
        Refused: the server would not; NOT_FOUND where it knows no sync.
        StoreCrowded: more than `most_needed` are lacking here.
        PeerError: the connection ended.
    """
    initiator = Initiator(items, most_needed)
    first = initiator.begin()
    ours, theirs = bytearray(), bytearray()
    query_id, message = await syncs.begin(wanted, first)
    messages = len(first) + len(message)
    try:
        while True:
            # About 5 ms a million records: long enough to leave it to a thread.
            learned = await asyncio.to_thread(initiator.take, message)
            ours += learned.ours
            theirs += learned.theirs
            if learned.answer is None:
                return Difference(split_ids(bytes(ours)), split_ids(bytes(theirs)), messages)
            message = await syncs.go_on(query_id, learned.answer)
            messages += len(learned.answer) + len(message)
    finally:
        syncs.close(query_id)
