"""Look-ups in the DHT that a server makes for one connection, and the proof that comes with each answer.

A server may lie, so that an item counts only when the key that was asked for
has signed it. That nothing was found proves nothing.

Source: messages.md (DHT LOOKUP, DHT RESPONSE), bootstrap.md; edition §1, §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mosaic.client.refusals import refused
from mosaic.client.waiting import Waiting
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.errors import Disconnected, InvalidBootstrap, MosaicError, ProtocolViolation
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession
from mosaic.wire.result_code import ResultCode

_SALTS: Final = {USER_SALT: False, SERVER_SALT: True}


class DhtLookups:
    """The open look-ups of a connection.

    Args:
        session: The client's session.
        answer_s: How long the server may take, in seconds.
        send: Sends a frame, waiting while the server does not read.
    """

    def __init__(
        self, session: ClientSession, answer_s: float, send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self._session = session
        self._answer_s = answer_s
        self._send = send
        self._waiting: Waiting[events.DhtAnswered] = Waiting()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, event: events.DhtAnswered) -> None:
        """Takes an answer."""
        self._waiting.resolve(_place(event.query_id), event)

    def unrecognized(self) -> None:
        """The server did not know a message: it may well be this one, which not all servers know."""
        self._waiting.fail(refused(ResultCode.NOT_FOUND, "the server does not look into the DHT"))

    def fail(self, error: MosaicError) -> None:
        """Nothing more comes."""
        self._waiting.fail(error)

    async def look_up(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        """What the server finds of a key's bootstrap, with the key's signature checked.

        Args:
            key: Whose bootstrap.
            salt: `USER_SALT` or `SERVER_SALT`.

        Returns:
            The item, or None if the server found none, which proves nothing.

        Raises:
            Refused: the server would not.
            ProtocolViolation: the item is not signed by the key, or can't be an item.
            PeerError: no answer came.
        """
        query_id, frame = self._session.dht_lookup(key.bytes, server=_SALTS[salt])
        with self._waiting.answer(_place(query_id)) as future:
            await self._send(frame)
            try:
                async with asyncio.timeout(self._answer_s):
                    answer = await future
            except TimeoutError:
                raise Disconnected("the server did not answer in time") from None
        if answer.item is None:
            if answer.result is ResultCode.NOT_FOUND:
                return None
            raise refused(answer.result, "the server did not look into the DHT")
        found = answer.item
        try:
            item = DhtItem(key, salt, found.sequence, found.text, found.signature)
        except InvalidBootstrap as error:
            raise ProtocolViolation(f"the server gave what can't be in the DHT: {error}") from None
        if not item.verify():
            raise ProtocolViolation("the server gave a bootstrap that its owner has not signed")
        return item


def _place(query_id: int) -> bytes:
    return query_id.to_bytes(2, "little")
