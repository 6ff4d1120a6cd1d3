"""Query ids: which ones a stream has open, on either side, and what may still come for each.

A client picks the ids (16 bits) and the server echoes them. An id of GET, QUERY,
SUBSCRIBE or SYNC GET is open from the request to QUERY CLOSED, one of SYNC OPEN to SYNC CLOSE or SYNC
ERROR, and may not be used again before. A client also keeps the ids of its DHT LOOKUPs here, until DHT
RESPONSE.

Source: messages.md (GET, QUERY, SUBSCRIBE, UNSUBSCRIBE, QUERY CLOSED), edition §1 and §4 (sync).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core import reference
from mosaic.errors import InvalidReference, UsageError
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode

QUERY_IDS: Final = 65_536
"""How many ids there are."""


_WITHOUT_RECORDS: Final = (MessageType.DHT_LOOKUP, MessageType.SYNC_OPEN)


@dataclass(slots=True)
class _Asked:
    """One query id in use.

    Attributes:
        kind: What was asked with it.
        left: How many more records may come; None = any number.
        muted: Whether records are dropped, since nobody wants them any more.
        complete: Whether LOCALLY COMPLETE has come.
    """

    kind: MessageType
    left: int | None = None
    muted: bool = False
    complete: bool = False


class ClientQueries:
    """The query ids that a client has open."""

    __slots__ = ("_asked", "_next_id")

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._next_id = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._asked)

    @property
    def ids(self) -> frozenset[int]:
        """Those that are open."""
        return frozenset(self._asked)

    def free_id(self) -> int:
        """An id that is not open; ids rise, so that a late answer meets no new query.

        Raises:
            UsageError: all are open.
        """
        if len(self._asked) >= QUERY_IDS:
            raise UsageError("all 65,536 query ids are open", hint="Wait until some queries have ended.")
        while self._next_id in self._asked:
            self._next_id = (self._next_id + 1) % QUERY_IDS
        query_id = self._next_id
        self._next_id = (query_id + 1) % QUERY_IDS
        return query_id

    def open(self, query_id: int, kind: MessageType, limit: int = 0) -> None:
        """Opens an id for a question of a kind, to which `limit` records may come (0 = any number)."""
        self._asked[query_id] = _Asked(kind, limit or None)

    def mute(self, query_id: int) -> bool:
        """Drops from now on what comes for an id, except its end; False if it is muted or has ended."""
        asked = self._asked.get(query_id)
        if asked is None or asked.muted:
            return False
        asked.muted = True
        return True

    def record_wanted(self, query_id: int) -> bool:
        """Whether a record that has come for an id is wanted; counts it."""
        asked = self._asked.get(query_id)
        if asked is None or asked.muted or asked.kind in _WITHOUT_RECORDS:
            return False
        if asked.left is not None:
            if asked.left == 0:
                return False  # more than was asked for
            asked.left -= 1
        return True

    def completed(self, query_id: int) -> bool:
        """Notes LOCALLY COMPLETE; whether it says something new about an open subscription."""
        asked = self._asked.get(query_id)
        if asked is None or asked.muted or asked.complete or asked.kind is not MessageType.SUBSCRIBE:
            return False
        asked.complete = True
        return True

    def ended(self, query_id: int) -> bool:
        """Takes QUERY CLOSED; whether the id was open. It is free again."""
        asked = self._asked.get(query_id)
        if asked is None or asked.kind in _WITHOUT_RECORDS:
            return False
        del self._asked[query_id]
        return True

    def looked_up(self, query_id: int) -> bool:
        """Takes DHT RESPONSE; whether a look-up was open under the id. It is free again."""
        return self._free(query_id, MessageType.DHT_LOOKUP)

    def is_sync(self, query_id: int) -> bool:
        """Whether a sync is open under an id."""
        asked = self._asked.get(query_id)
        return asked is not None and asked.kind is MessageType.SYNC_OPEN

    def sync_ended(self, query_id: int) -> bool:
        """Takes SYNC ERROR, or the client's own SYNC CLOSE; whether a sync was open. The id is free again."""
        return self._free(query_id, MessageType.SYNC_OPEN)

    def clear(self) -> None:
        """Forgets all: the session is over."""
        self._asked.clear()

    def _free(self, query_id: int, kind: MessageType) -> bool:
        asked = self._asked.get(query_id)
        if asked is None or asked.kind is not kind:
            return False
        del self._asked[query_id]
        return True


class ServerQueries:
    """The query ids that a client has open at a server; those of look-ups don't count.

    Args:
        most: How many may be open at a time.
    """

    __slots__ = ("_ended", "_most", "_open", "_syncs")

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._syncs: set[int] = set()

    def __contains__(self, query_id: int) -> bool:
        """Whether an id is open."""
        return query_id in self._open

    @property
    def ids(self) -> frozenset[int]:
        """Those that are open."""
        return frozenset(self._open)

    def open(self, query_id: int, references: Sequence[bytes] = ()) -> ResultCode | None:
        """Opens an id that is free for a question, which may name references.

        Returns:
            None, or why it stays free: TOO_FAST when there is no room for one more, INVALID for what is no
            reference.
        """
        if len(self._open) >= self._most:
            return ResultCode.TOO_FAST
        try:
            for data in references:
                reference.from_bytes(data)
        except InvalidReference:
            return ResultCode.INVALID
        self._open.add(query_id)
        return None

    def open_sync(self, query_id: int) -> ResultCode | None:
        """Opens an id that is free for a sync; None, or why it stays free, as `open`."""
        refusal = self.open(query_id)
        if refusal is None:
            self._syncs.add(query_id)
        return refusal

    def is_sync(self, query_id: int) -> bool:
        """Whether a sync is open under an id."""
        return query_id in self._syncs

    def unsubscribe(self, query_id: int) -> bool:
        """Notes that the client wants no more of an open id; False if it has said so before."""
        if query_id in self._ended:
            return False
        self._ended.add(query_id)
        return True

    def close(self, query_id: int) -> None:
        """Frees an id: QUERY CLOSED or SYNC ERROR is on its way, or SYNC CLOSE has come."""
        self._open.discard(query_id)
        self._ended.discard(query_id)
        self._syncs.discard(query_id)

    def clear(self) -> None:
        """Forgets all: the session is over."""
        self._open.clear()
        self._ended.clear()
        self._syncs.clear()
