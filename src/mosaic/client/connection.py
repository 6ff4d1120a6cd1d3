"""One connection to one server: what is asked of it, and what it answers.

The session (without I/O) says what frames mean; this class brings them and
hands each answer to whoever waits for it.

Source: messages.md; edition §1, §3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from mosaic.client.answers import CaughtUp
from mosaic.client.blob_exchange import BlobExchange
from mosaic.client.dht_lookups import DhtLookups
from mosaic.client.greeting import GREETING, Greeting, Refusal
from mosaic.client.queries import Queries
from mosaic.client.refusals import refused
from mosaic.client.reputation import Observation, What, of_failure
from mosaic.client.settings import ClientSettings
from mosaic.client.silence import Silence
from mosaic.client.submissions import Submissions, Unanswered
from mosaic.client.sync_exchange import SyncExchange
from mosaic.client.told import told
from mosaic.client.traffic import Traffic
from mosaic.core.dht_item import DhtItem
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import Disconnected, MosaicError, ProtocolViolation, StoreFull, Unreachable
from mosaic.protocol import events
from mosaic.protocol.blob_events import BlobHeld, BlobPartArrived
from mosaic.protocol.sync_events import SyncAnswered, SyncRefused
from mosaic.transport.events import (
    DIAL_FAILED,
    DIAL_FOREIGN_CERTIFICATE,
    DIAL_REFUSED_FORM,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
    LINK_UPGRADE,
)
from mosaic.transport.network import Network
from mosaic.wire.result_code import ResultCode

# The network tells when its queue towards the server is half empty again; this is where we begin to wait.
_HIGH_WATER = 131_072
# Numbers of events below this are types of frames.
_FRAMES = 256

_DIAL_ENDED = {DIAL_FAILED, DIAL_REFUSED_FORM, DIAL_FOREIGN_CERTIFICATE, DIAL_WRONG_KEY}


class Connection:
    """A connection to a server whose key is proven.

    Made by `LinkPool`; usable when `opened` has returned.

    Args:
        network: Carries the link.
        link: The link's number in it.
        greeting: How the link becomes usable.
        settings: Choices of the client.
        now_ns: The clock.
        url: Where the server was dialled, if that was at a URL.
        traffic: Counts what passes, if anybody wants to know.
    """

    def __init__(
        self,
        network: Network,
        link: int,
        greeting: Greeting,
        settings: ClientSettings,
        now_ns: Callable[[], int],
        url: ServerUrl | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.url = url
        """Where the server was dialled, None for one in this process."""
        self._network = network
        self._link = link
        session = self._session = greeting.session
        self._settings = settings
        self._now_ns = now_ns
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._users = 0
        self._last_heard_ns = now_ns()
        self._idle_since_ns = now_ns()
        self._greeting = greeting
        self._traffic = traffic or Traffic()
        self._tally = self._traffic.link()
        self._queries = Queries(session, settings, self._send, self._put)
        self._submissions = Submissions(session, settings, self._send)
        self._lookups = DhtLookups(session, settings.answer_s, self._send)
        self.blobs = BlobExchange(session, settings.answer_s, self._send, self._send_file, self._moved)
        """Puts and gets blobs."""
        self.syncs = SyncExchange(session, settings.sync_answer_s, self._send, self._put)
        """Compares what is here with what the server has."""
        self._observe: Callable[[Observation], None] = lambda _: None
        self.silence = Silence(settings.silence_s, lambda: bool(self.blobs or network.pending(link)))
        """Whether the server says anything after it was told something."""
        self.closed: MosaicError | None = None
        """Why the connection is over, or None while it is not."""

    # --- life ------------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Waits until the server has greeted.

        Raises:
            Unreachable: nobody answered in time.
            WrongServerKey: somebody else answered.
            Refused: the server answered with CLOSING.
            ProtocolViolation: it is no server of this protocol.
        """
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await asyncio.shield(self._ready)
        except TimeoutError:
            self.fail(Unreachable("the server did not greet in time"))
            raise Unreachable("the server did not greet in time") from None

    def watch(self, observe: Callable[[Observation], None]) -> None:
        """Tells `observe` from now on when the server answers what it may not."""
        self._observe = observe
        self._queries.wrong = lambda why: observe(Observation(What.WRONG, note=why))

    @property
    def link(self) -> int:
        """The link's number in its network."""
        return self._link

    @property
    def has_streams(self) -> bool:
        """Whether its link is one of several streams that it may have."""
        return self.url is not None and self.url.scheme is Scheme.QUIC

    @property
    def server_key(self) -> PublicKey | None:
        """The key that the server has proven, None until then."""
        return self._greeting.server_key

    @property
    def refusal(self) -> Refusal | None:
        """Why the server, which was reached, did not take the form of the dial; another one may do."""
        return self._greeting.refusal

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self.closed is None

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it and nothing is open on it."""
        return not (
            self._users or self._queries or self._submissions or self._lookups or self.blobs or self.syncs
        )

    @property
    def idle_since_ns(self) -> int:
        """When it was last used."""
        return self._idle_since_ns

    @property
    def last_heard_ns(self) -> int:
        """When the server was last heard of."""
        return self._last_heard_ns

    def __enter__(self) -> Connection:
        self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        self._idle_since_ns = self._now_ns()

    def close(self) -> None:
        """Ends it: what is queued is still sent, what is open fails with Disconnected."""
        if self.closed is None:
            self._network.close(self._link)
            self._over(Disconnected("the connection was closed"))

    def fail(self, error: MosaicError) -> None:
        """Ends it at once because of an error."""
        if self.closed is None:
            if isinstance(error, ProtocolViolation):
                self._observe(Observation(What.WRONG, note=str(error)))
            self._network.abort(self._link)
            self._over(error)

    def _gone(self) -> MosaicError:
        """The network has lost the link; that it says so as an event comes later."""
        if self.closed is None:
            self._over(Disconnected("the connection ended"))
        return self.closed or Disconnected("the connection ended")

    def _over(self, error: MosaicError) -> None:
        self.closed = error
        self.silence.end()
        self._traffic.end(self._tally)
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # nobody has to wait for it
        self._queries.fail(error)
        self._submissions.fail(error)
        self._lookups.fail(error)
        self.blobs.fail(error)
        self.syncs.fail(error)
        self._writable.set()

    # --- what comes from the network ---------------------------------------------------------------

    def take(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Takes a batch of what the network has for this link, in order: (`what`, data) as in `Network`."""
        arrived: list[tuple[int, bytes]] = []
        now = self._last_heard_ns = self._now_ns()
        self.silence.heard()
        for what, data in batch:
            if self.closed is not None:
                return
            event: events.ClientEvent | None
            if what < _FRAMES:
                self._tally.came(what, len(data))
                event = self._session.receive(data, now)
                if isinstance(event, events.RecordArrived):
                    arrived.append((event.query_id, event.record))
                    continue
            else:
                event = self._link_event(what, data, now)
            # Records and what follows them keep their order.
            if arrived:
                self._queries.take_records(arrived, now)
                arrived = []
            if event is not None:
                self._event(event)
        if arrived and self.closed is None:
            self._queries.take_records(arrived, now)

    def _link_event(self, what: int, data: bytes, now: int) -> events.ClientEvent | None:
        match what:
            case _ if what == LINK_OPENED:
                self._greet(lambda: self._greeting.opened(data))
            case _ if what == LINK_UPGRADE:
                self._greet(lambda: self._upgraded(data))
            case _ if what == LINK_DRAINED:
                self._writable.set()
            case _ if what == LINK_SPOOLED:
                path, digest, length = self._network.take_spooled(self._link)
                if not path:
                    self._over(StoreFull("the disk is full: a blob that came could not be kept"))
                    return None
                event = self._session.spooled(data, path, digest, length, now)
                if not isinstance(event, events.BlobArrived):
                    Path(path).unlink(missing_ok=True)
                return event
            case _ if what == LINK_REFUSED_LENGTH:
                return self._session.refused_length(data, now)
            case _ if what == LINK_CLOSED:
                reason = told(data)
                self._over(
                    Disconnected(f"the connection ended: {reason}" if reason else "the connection ended")
                )
            case _ if what in _DIAL_ENDED:
                self._over(self._greeting.failed(what, data))
            case _:
                pass
        return None

    def _upgraded(self, data: bytes) -> bytes:
        """The server has answered the request for a WebSocket; the frames to be sent."""
        frames = self._greeting.upgraded(data)
        self._network.answer_upgrade(self._link, b"", True)  # noqa: FBT003 - the network's own word
        return frames

    def _greet(self, step: Callable[[], bytes]) -> None:
        """Takes a step of the greeting, sends what it says, and lets in who waits when it is done."""
        try:
            frames = step()
        except MosaicError as error:
            self.fail(error)
            return
        if frames:
            self._put(frames)
        if self._greeting.is_done and not self._ready.done():
            self._tally.server = self._greeting.server_key
            self._ready.set_result(None)

    def _event(self, event: events.ClientEvent) -> None:  # noqa: C901 - one case an event
        match event:
            case _ if isinstance(event, GREETING):
                self._greet(lambda: self._greeting.take(event, self._now_ns()))
            case events.LocallyCompleted() | events.QueryEnded():
                self._queries.take(event)
            case events.SubmissionAnswered():
                self._submissions.take(event)
            case events.BlobAnswered() | events.BlobArrived() | BlobHeld() | BlobPartArrived():
                self.blobs.take(event)
            case events.DhtAnswered():
                self._lookups.take(event)
            case SyncAnswered() | SyncRefused():
                self.syncs.take(event)
            case events.RequestUnrecognized():
                if not self.blobs.unrecognized():
                    self._lookups.unrecognized()
                    self.syncs.unrecognized()
            case events.ServerClosing(result):
                self.fail(refused(result, "the server closed the connection"))
            case events.Violation(reason):
                self.fail(ProtocolViolation(f"the server broke the protocol: {reason}"))
            case _:
                pass

    # --- what is sent --------------------------------------------------------------------------------

    async def _send(self, frame: bytes) -> None:
        """Sends a frame, waiting while the server does not read."""
        # All who wait are woken at once, and one long frame is enough to fill the queue again: whoever would
        # put more on top of it would have the link cut.
        while self.closed is None and not self._writable.is_set():
            await self._writable.wait()
        if self.closed is not None:
            raise self.closed
        waiting = self._put(frame)
        if waiting < 0:
            raise self._gone()
        if waiting > _HIGH_WATER:
            self._writable.clear()
            await self._writable.wait()

    def _put(self, frame: bytes) -> int:
        """Sends a frame without waiting; how many bytes wait in the network, below 0 if the link is gone."""
        self._tally.went(frame, len(frame))
        self.silence.said(len(frame))
        return self._network.send(self._link, frame)

    def _send_file(self, head: bytes, path: str, length: int) -> None:
        if self.closed is not None:
            raise self.closed
        self._tally.went(head, len(head) + length)
        if self._network.send_file(self._link, head, path, 0, length) < 0:
            raise self._gone()

    def _moved(self) -> tuple[int, int]:
        return self._last_heard_ns, self._network.pending(self._link)

    async def submit(self, record: bytes) -> ResultCode:
        """Hands in a record; the server's answer, whether success or not.

        A server that says nothing at all meanwhile is taken to be gone: the connection ends.

        Raises:
            PeerError: no answer came.
        """
        asked_ns = self._now_ns()
        try:
            return await self._submissions.submit(record)
        except Unanswered as error:
            if self._last_heard_ns <= asked_ns:
                self._observe(of_failure(error))
                self.fail(error)
            raise

    async def submit_all(self, records: Sequence[bytes]) -> list[ResultCode]:
        """Hands in many records at once; the answers in the same order. Raises PeerError."""
        return await self._submissions.submit_all(records)

    # --- what is asked for records -------------------------------------------------------------------

    async def get(self, references: Sequence[Reference]) -> list[Record]:
        """The records that references name, as far as the server gives them. Raises PeerError."""
        return await self._queries.get(references)

    def sync_get(self, prefixes: Sequence[bytes]) -> AsyncGenerator[Record, None]:
        """The records that the first 32 bytes of their ids name, as far as the server gives them.

        Args:
            prefixes: 32 bytes each, 2,047 at most.

        Raises:
            PeerError: the server would not, or went away.
        """
        return self._queries.sync_get(prefixes)

    def query(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record, None]:
        """What a filter matches, newest first.

        Args:
            wanted: What is asked for.
            limit: How many records at most (0 to 65,535; 0 = all).

        Raises:
            PeerError: the server would not, or went away.
            UsageError: no query can have this limit.
            InvalidFilter: no message can hold this filter.
        """
        return self._queries.query(wanted, limit)

    def subscribe(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record | CaughtUp, None]:
        """What a filter matches: what is stored, newest first, then CaughtUp, then live records.

        Ends only by an error.

        Args:
            wanted: What is asked for.
            limit: How many stored records at most (0 to 65,535; 0 = all).

        Raises:
            PeerError: the server would not, or went away.
            UsageError: no subscription can have this limit.
            InvalidFilter: no message can hold this filter.
        """
        return self._queries.subscribe(wanted, limit)

    async def look_up(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        """What the server finds in the DHT of a key's bootstrap. See `DhtLookups.look_up`."""
        return await self._lookups.look_up(key, salt)

    async def ping(self, answer_s: float | None = None) -> None:
        """Asks for nothing, to see that the server is there.

        Args:
            answer_s: How long it may take, in seconds; None as long as any answer.

        Raises:
            PeerError: it went away.
            TimeoutError: it did not answer in time.
        """
        await self._queries.ping(self._settings.answer_s if answer_s is None else answer_s)

    @property
    def held_since_ns(self) -> int | None:
        """When the oldest record came that is not shown yet because its time has not come; None for none."""
        return self._queries.held_since_ns

    @property
    def dropped(self) -> int:
        """Records that the server sent and that were not valid."""
        return self._queries.dropped
