"""What was read from other servers goes to the own one, until it is stored or refused.

Schedules go first, since they tell what the others are worth, and Vouches before
them, so that nothing goes that stays valid. What a key
signed before it was revoked since a time counts if the author's outbox had it
by then, though it comes here later: that is asked for apart.

Source: edition §3 (revocation, received times).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from mosaic.client.connection import Connection
from mosaic.core import core_tags
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError
from mosaic.wire.result_code import ResultCode

log = logging.getLogger(__name__)

BATCH: Final = 512
"""How many records are handed in at once."""

_TRY_TO_STORE_AGAIN_S = 5.0
_TRIES: Final = 4

Connect = Callable[[], contextlib.AbstractAsyncContextManager[Connection]]
"""Connects to the server that records were read from."""


class Mirror(Protocol):
    """The way to the own server for records that were read elsewhere."""

    async def __call__(
        self, records: Sequence[bytes], received_by_ns: int | None = None
    ) -> Sequence[ResultCode]:
        """Hands records in; what became of each.

        Args:
            records: Whole records.
            received_by_ns: By when an outbox of their author says that it received them (ns), if it does.

        Raises:
            MosaicError: some could not be written.
        """


class ReadRecords:
    """Hands in what was read.

    Args:
        mirror: Takes it.
        schedule_of: The key schedule of somebody that is at hand.
        again: Told how many records came that were here already.
    """

    def __init__(
        self,
        mirror: Mirror,
        schedule_of: Callable[[PublicKey], KeySchedule | None],
        again: Callable[[PublicKey, int], None] = lambda _server, _count: None,
    ) -> None:
        self._mirror = mirror
        self._schedule_of = schedule_of
        self._again = again
        self._asked_back: set[tuple[PublicKey, PublicKey, PublicKey, int]] = set()

    async def store(
        self,
        server: PublicKey,
        records: Sequence[Record],
        connect: Connect,
        troubled: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Hands records in until the own server has stored or refused them all.

        What still waits for a schedule is tried again some times.

        Args:
            server: Whom they were read from.
            records: Valid records.
            connect: Connects there.
            troubled: Told in words why they can't be stored now.
        """
        left = sorted(records, key=_importance)
        doubted: list[Record] = []
        tries = 0
        while left:
            try:
                results = await self._mirror([record.data for record in left])
            except MosaicError as error:
                troubled(f"what was read can't be stored: {error}")
                log.warning("what was read from %s can't be stored: %s", server.server_text, error)
            else:
                answered = list(zip(left, results, strict=True))
                if twice := sum(result is ResultCode.DUPLICATE for _, result in answered):
                    self._again(server, twice)
                left = [record for record, result in answered if result.is_server_error]
                doubted += [record for record, result in answered if _may_doubt(record, result)]
                tries += 1
                if left and tries == _TRIES:
                    log.warning("%d records from %s were not taken", len(left), server.server_text)
                    break
            if left:
                await asyncio.sleep(_TRY_TO_STORE_AGAIN_S)
        await self._ask_back(server, doubted, connect)

    async def _ask_back(self, server: PublicKey, doubted: Sequence[Record], connect: Connect) -> None:
        """Fetches what keys signed before they were revoked since a time; once for each revocation."""
        for author, signer, since in _revocations(doubted, self._schedule_of):
            asked = (server, author, signer, since)
            if asked in self._asked_back:
                continue
            self._asked_back.add(asked)
            wanted = Filter.of(authors=[author], signers=[signer], received_until=Timestamp(since))
            try:
                async with connect() as connection:
                    batch: list[bytes] = []
                    async for record in connection.query(wanted):
                        batch.append(record.data)
                        if len(batch) == BATCH:
                            await self._mirror(batch, since)
                            batch = []
                    await self._mirror(batch, since)
            except MosaicError as error:
                self._asked_back.discard(asked)
                log.warning("what %s had in time can't be read: %s", server.server_text, error)


def _importance(record: Record) -> int:
    """What is handed in before what."""
    return 0 if record.kind == VOUCH else 1 if record.kind == KEY_SCHEDULE else 2


def _may_doubt(record: Record, result: ResultCode) -> bool:
    """Whether a record was refused for its signer, or is a new schedule that may have made others go."""
    return result is ResultCode.UNAUTHORIZED or (
        result is ResultCode.ACCEPTED and record.kind == KEY_SCHEDULE
    )


def _revocations(
    doubted: Sequence[Record], schedule_of: Callable[[PublicKey], KeySchedule | None]
) -> Iterator[tuple[PublicKey, PublicKey, int]]:
    """The revocations since a time that concern some records, each once: author, signer, time (ns)."""
    found: dict[tuple[PublicKey, PublicKey, int], None] = {}
    for record in doubted:
        schedule = schedule_of(record.author)
        if schedule is None:
            continue
        signers = (
            [PublicKey(key) for key in core_tags.subkeys(record)]
            if record.kind == KEY_SCHEDULE
            else [record.signer]
        )
        for signer in signers:
            since = schedule.revoked_past(signer)
            if since is not None and (record.kind == KEY_SCHEDULE or record.timestamp <= since):
                found[record.author, signer, since] = None
    return iter(found)
