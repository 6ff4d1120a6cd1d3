"""The outgoing queue: what has to reach other servers, kept until it has.

Every delivery (one record to one server) is *queued*, *delivered* or
*refused*. Queued ones are tried again, later and later, also after a restart:
the queue lies in a storage that the node gives in. A server that answers
TOO_FAST may want work: whoever made the queue is asked for it once. Each server has its own
pace, so that one that is away holds up nobody else.

Source: edition §4 (who gets what); messages.md (result codes).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.refusals import refused
from mosaic.errors import MosaicError, PeerError, ProtocolViolation, Refused
from mosaic.wire.result_code import ResultCode

log = logging.getLogger(__name__)

# What a later try may change. All other failures are the server's last word.
_TEMPORARY = frozenset(
    {
        ResultCode.TOO_FAST,
        ResultCode.IP_TEMP_BANNED,
        ResultCode.PUBKEY_TEMP_BANNED,
        ResultCode.SHUTTING_DOWN,
        ResultCode.TEMPORARY_ERROR,
        ResultCode.GENERAL_ERROR,
    }
)

_BATCH = 256
_SECOND = 1_000_000_000


class State(StrEnum):
    """How a delivery stands."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record on its way to one server.

    Args:
        number: Its number in the storage.
        record: The record's bytes.
        sender: The person (master key, 32 bytes) whose device key is proven, or empty for nobody.
        server: Where it goes.
        state: How it stands.
        result: The server's last answer (a result code), if there was one.
        attempts: How often it was tried.
        next_try_ns: When it is tried again, a Mosaic timestamp.
        queued_ns: When it was queued.
        note: What went wrong last, for people.
    """

    number: int
    record: bytes
    sender: bytes
    server: ServerAddress
    state: State
    result: int | None
    attempts: int
    next_try_ns: int
    queued_ns: int
    note: str


class QueueStorage(Protocol):
    """Keeps deliveries on disk. Each call is durable when it returns."""

    def add(self, record: bytes, sender: bytes, servers: Sequence[ServerAddress], now_ns: int) -> int:
        """Queues a record for servers, each once; how many of them are new."""

    def due(self, now_ns: int, limit: int, busy: Collection[bytes] = ()) -> list[Delivery]:
        """Queued deliveries whose time has come, the oldest first, but none to a server (key) in `busy`.

        `limit`: how many deliveries at most.
        """

    def next_due_ns(self, busy: Collection[bytes] = ()) -> int | None:
        """When the next queued delivery to a server not in `busy` is due, or None when there is none."""

    def settle(self, number: int, state: State, result: int | None, note: str) -> None:
        """Ends a delivery, delivered or refused.

        `number` is its number in the queue, `result` the result code (0 to 255) that came, if one did.
        """

    def postpone(self, numbers: Sequence[int], next_try_ns: int, result: int | None, note: str) -> None:
        """Counts a failed try of deliveries (by their numbers) and says when the next one is.

        `result` is the result code (0 to 255) that came, if one did.
        """

    def hold(self, server_key: bytes, until_ns: int) -> None:
        """Lets all that is queued for a server wait until then at least."""

    def of_record(self, record_id: bytes) -> list[Delivery]:
        """All deliveries of a record (48-byte id)."""

    def waiting(self) -> int:
        """How many deliveries are queued."""


class Submitter(Protocol):
    """A connection, as far as the queue needs one."""

    async def submit(self, record: bytes) -> ResultCode:
        """Hands in a record; the server's answer. Raises PeerError."""


Owed = Callable[[Delivery, Submitter], Awaitable[bool]]
"""Asked when a server answers TOO_FAST: whether another version was queued in place of the delivery.

Raises Refused, or an error of the record, when no later try can help, and another PeerError when the server
went away.
"""


async def _nothing(_delivery: Delivery, _connection: Submitter) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server said to a record.

    Args:
        delivery: The record and the server.
        result: The answer.
        asked_ns: When it was handed in, a Mosaic timestamp.
    """

    delivery: Delivery
    result: ResultCode
    asked_ns: int


def _nobody_hears(_answered: Answered) -> None:
    pass


Connect = Callable[[ServerAddress, bytes], contextlib.AbstractAsyncContextManager[Submitter]]
"""Connects to a server, proving the device key of a person (32-byte master key; empty: nobody's)."""


class OutgoingQueue:
    """Carries what is queued to where it belongs, as long as `run` runs.

    Args:
        storage: Where deliveries are kept.
        connect: How to reach a server.
        now_ns: The clock.
        backoff: How tries are spaced.
        owed: What is done when a server answers TOO_FAST, beside waiting.
        answered: Told of every answer.
        changed: Told whenever deliveries to a server were tried.
        give_up_after_ns: Age at which a delivery that was never answered counts as refused.
    """

    def __init__(  # noqa: PLR0913 - each of those who are told may be left out
        self,
        storage: QueueStorage,
        connect: Connect,
        *,
        now_ns: Callable[[], int],
        backoff: Backoff,
        owed: Owed = _nothing,
        answered: Callable[[Answered], None] = _nobody_hears,
        changed: Callable[[], None] = lambda: None,
        give_up_after_ns: int = 30 * 86_400 * _SECOND,
    ) -> None:
        self._storage = storage
        self._connect = connect
        self._now_ns = now_ns
        self._backoff = backoff
        self._owed = owed
        self._tell = answered
        self._tried = changed
        self._give_up_after_ns = give_up_after_ns
        self._changed = asyncio.Event()
        self._settled = asyncio.Condition()
        self._busy: dict[bytes, asyncio.Task[None]] = {}
        self._failures: dict[bytes, int] = {}

    def add(self, record: bytes, sender: bytes, servers: Sequence[ServerAddress]) -> int:
        """Queues a record for servers, durably; how many of them are new."""
        added = self._storage.add(record, sender, servers, self._now_ns())
        self._changed.set()
        return added

    def wake(self) -> None:
        """Looks at the storage again: something in it has become due."""
        self._changed.set()

    def of_record(self, record_id: bytes) -> list[Delivery]:
        """All deliveries of a record (48-byte id)."""
        return self._storage.of_record(record_id)

    @property
    def waiting(self) -> int:
        """How many deliveries are queued."""
        return self._storage.waiting()

    async def settled(self, record_id: bytes, timeout_s: float) -> list[Delivery]:
        """The deliveries of a record, waiting a little for those that are under way."""

        def done() -> bool:
            return all(
                delivery.state is not State.QUEUED or delivery.attempts > 0
                for delivery in self._storage.of_record(record_id)
            )

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._settled:
                await self._settled.wait_for(done)
        return self._storage.of_record(record_id)

    async def run(self) -> None:
        """Delivers until it is cancelled."""
        try:
            while True:
                self._changed.clear()
                self._begin_due()
                await self._wait()
        finally:
            tasks = list(self._busy.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin_due(self) -> None:
        """Starts a task for each server that has something due and none under way."""
        groups: dict[bytes, list[Delivery]] = {}
        for delivery in self._storage.due(self._now_ns(), _BATCH, self._busy):
            group = groups.setdefault(delivery.server.key.bytes, [])
            # Others who send to the same server have their turn next.
            if not group or group[0].sender == delivery.sender:
                group.append(delivery)
        for server_key, deliveries in groups.items():
            task = asyncio.create_task(self._deliver(deliveries))
            self._busy[server_key] = task
            task.add_done_callback(functools.partial(self._ended, server_key))

    def _ended(self, server_key: bytes, _task: asyncio.Task[None]) -> None:
        self._busy.pop(server_key, None)
        self._changed.set()

    async def _wait(self) -> None:
        """Until something changes or the next delivery is due."""
        due = self._storage.next_due_ns(self._busy)
        seconds = None if due is None else max(0.0, (due - self._now_ns()) / _SECOND)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Carries what is due to one server over one connection."""
        first = deliveries[0]
        waiting = {delivery.number: delivery for delivery in deliveries}
        try:
            async with self._connect(first.server, first.sender) as connection:
                for delivery in deliveries:
                    asked_ns = self._now_ns()
                    result = await connection.submit(delivery.record)
                    self._tell(Answered(delivery, result, asked_ns))
                    answer = await self._after(delivery, result, connection)
                    del waiting[delivery.number]
                    answer()
            self._failures.pop(first.server.key.bytes, None)
        except PeerError as error:
            self._failed(list(waiting.values()), error)
        except MosaicError as error:
            log.warning("a delivery to %s failed: %s", first.server.key.server_text, error)
            self._failed(list(waiting.values()), ProtocolViolation(str(error)))
        except Exception:
            # A disk that is full, or a fault of ours: the server counts as busy meanwhile, or all would be
            # tried again at once, over and over.
            log.exception("what is queued for %s waits", first.server.key.server_text)
            failures = self._failures[first.server.key.bytes] = (
                self._failures.get(first.server.key.bytes, -1) + 1
            )
            await asyncio.sleep(self._backoff.seconds(failures))
        finally:
            self._tried()
            async with self._settled:
                self._settled.notify_all()

    async def _after(
        self, delivery: Delivery, result: ResultCode, connection: Submitter
    ) -> Callable[[], None]:
        """What a server's answer means for a delivery: what is to be noted. Raises PeerError."""
        if result is ResultCode.TOO_FAST:
            try:
                if await self._owed(delivery, connection):
                    return lambda: None
            except MosaicError as error:
                if isinstance(error, PeerError) and not isinstance(error, Refused):
                    raise
                # This record alone is concerned: what is queued behind it goes on.
                note = str(error)
                return lambda: self._storage.settle(delivery.number, State.REFUSED, result, note)
        return lambda: self._answered(delivery, result)

    def _answered(self, delivery: Delivery, result: ResultCode) -> None:
        if result.is_success:
            self._storage.settle(delivery.number, State.DELIVERED, result, "")
        elif result in _TEMPORARY:
            self._try_later([delivery], result, str(refused(result)))
        else:
            self._storage.settle(delivery.number, State.REFUSED, result, str(refused(result)))

    def _failed(self, deliveries: Sequence[Delivery], error: PeerError) -> None:
        """Nobody answered, or nobody was let in: all that waits for this server waits longer."""
        if not deliveries:
            return
        key = deliveries[0].server.key.bytes
        failures = self._failures[key] = self._failures.get(key, -1) + 1
        result = ResultCode(error.result) if isinstance(error, Refused) else None
        self._try_later(deliveries, result, str(error))
        self._storage.hold(key, self._now_ns() + int(self._backoff.seconds(failures) * _SECOND))

    def _try_later(self, deliveries: Sequence[Delivery], result: ResultCode | None, note: str) -> None:
        now = self._now_ns()
        old = [one for one in deliveries if now - one.queued_ns > self._give_up_after_ns]
        for delivery in old:
            self._storage.settle(delivery.number, State.REFUSED, result, f"given up; last: {note}")
        rest = [delivery for delivery in deliveries if delivery not in old]
        if rest:
            tries = max(delivery.attempts for delivery in rest)
            wait_ns = int(self._backoff.seconds(tries) * _SECOND)
            self._storage.postpone([delivery.number for delivery in rest], now + wait_ns, result, note)
