"""Sync: which records a peer lacks and which it has beyond ours, found by comparing sets.

A set is made of what a filter matches and the peer may get. It is made, and
messages are taken, in one thread of its own, a slice of each at a time, so
that sync delays nobody else. Peers with the same rights who ask the same share
a set for a while, but only until the store changes: each sees all that was
handed in and nothing that was deleted before he asked. However many ask while
the store changes, one set of a kind is being made and one waits to be, which
all share that ask meanwhile.

    SYNC OPEN ──> set: made, or shared ──> message taken ──> SYNC DATA ──> the peer's SYNC DATA …
                       └── too much, too often, no message ──> SYNC ERROR

What was found is fetched by SYNC GET, which the store answers like GET, and
handed in by SUBMISSION.

Source: edition §4 (sync).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mosaic.core.filter import CompiledFilter, compile_filter
from mosaic.errors import InvalidFilter, MosaicError, StoreCrowded
from mosaic.policy.rate import RateLimit
from mosaic.protocol.sync_events import SyncEnded, SyncGetAsked, SyncMessage, SyncOpened
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.questions import Questions
from mosaic.server.settings import SECOND, ServerSettings
from mosaic.store.store import Store
from mosaic.sync.reconciling import Responder, SyncSet
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_SLICE_NS: Final = 20_000_000
_SLICE_MS: Final = _SLICE_NS // 1_000_000
_COMPARED_IN_A_MS: Final = 100_000
_LIES_NS: Final = 10 * SECOND
"""After how long without a message of its peer's a comparison makes room for that of somebody else."""


_Key = tuple[bytes, frozenset[bytes]]


class _Gathered:
    """A set of what a filter matches and keys may read, or one that is being made.

    `end` is that of the store when its making began, None as long as it waits for another one.
    """

    __slots__ = ("began_ns", "end", "items", "key", "task", "users")

    def __init__(self, key: _Key, most: int, began_ns: int) -> None:
        self.key = key
        self.items = SyncSet(most)
        self.began_ns = began_ns
        self.end: int | None = None
        self.task: asyncio.Task[None] | None = None
        self.users = 0


class _Sync:
    """One comparison with one peer. `task` works on a message of it; None when the next one may come."""

    __slots__ = ("gathered", "heard_ns", "peer", "query_id", "responder", "task", "viewers")

    def __init__(self, peer: Peer, query_id: int, now_ns: int) -> None:
        self.peer = peer
        self.query_id = query_id
        self.viewers = frozenset(peer.viewers)
        self.heard_ns = now_ns
        self.gathered: _Gathered | None = None
        self.responder: Responder | None = None
        self.task: asyncio.Task[None] | None = None


class SyncService:
    """The comparisons of all links.

    Args:
        store: What is compared.
        questions: Answers SYNC GET.
        settings: The server's.
        metrics: Counted in.
        now_ns: The clock.
    """

    def __init__(
        self,
        store: Store,
        questions: Questions,
        settings: Live[ServerSettings],
        metrics: Metrics,
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._questions = questions
        self._settings = settings
        self._metrics = metrics
        self._now_ns = now_ns
        self._rate = RateLimit(*_pace(settings.current))
        settings.watch(lambda new: self._rate.configure(*_pace(new)))
        self._open: dict[Peer, dict[int, _Sync]] = {}
        self._sets: dict[_Gathered, None] = {}
        self._shared: dict[_Key, _Gathered] = {}
        self._pool = ThreadPoolExecutor(1, "mosaic-sync")
        self._stopping = False

    def __len__(self) -> int:
        """How many comparisons are open."""
        return sum(map(len, self._open.values()))

    @property
    def sets(self) -> int:
        """How many sets are kept."""
        return len(self._sets)

    # --- what is asked

    def take(self, peer: Peer, event: SyncOpened | SyncMessage | SyncEnded | SyncGetAsked) -> None:
        """Takes what a peer asks."""
        match event:
            case SyncOpened():
                self._opened(peer, event)
            case SyncMessage(query_id, message):
                self._continued(peer, query_id, message)
            case SyncEnded(query_id):
                self._forget(peer, query_id)
            case SyncGetAsked(query_id, prefixes):
                self._questions.get(peer, query_id, prefixes)

    def _opened(self, peer: Peer, asked: SyncOpened) -> None:
        now_ns = self._now_ns()
        try:
            compiled = compile_filter(asked.filter)
        except InvalidFilter:
            compiled = None
        refusal = ResultCode.INVALID if compiled is None else self._refusal(peer, now_ns)
        if compiled is None or refusal is not None:
            self._refuse(peer, asked.query_id, refusal or ResultCode.INVALID)
            return
        sync = _Sync(peer, asked.query_id, now_ns)
        gathered = self._gather((asked.filter, sync.viewers), compiled, peer, now_ns)
        if gathered is None:
            self._refuse(peer, asked.query_id, ResultCode.TEMPORARY_ERROR)
            return
        self._metrics.syncs += 1
        gathered.users += 1
        sync.gathered = gathered
        self._open.setdefault(peer, {})[asked.query_id] = sync
        sync.task = asyncio.create_task(self._begin(sync, gathered, asked.message), name="server: sync")

    def _refusal(self, peer: Peer, now_ns: int) -> ResultCode | None:
        """Why nothing is compared with a peer now, or None."""
        settings = self._settings.current
        if self._stopping:
            return ResultCode.SHUTTING_DOWN
        if len(self._open.get(peer, ())) >= settings.syncs_per_link:
            return ResultCode.TOO_FAST
        if len(self) >= settings.syncs:
            return ResultCode.TEMPORARY_ERROR
        # By address: a stranger has as many keys as he likes.
        if not peer.at_home and not self._rate.take(peer.address, 1, now_ns):
            return ResultCode.TOO_FAST
        return None

    def _continued(self, peer: Peer, query_id: int, message: bytes) -> None:
        sync = self._open.get(peer, {}).get(query_id)
        if sync is None:
            return
        now_ns = self._now_ns()
        if sync.task is not None:
            self._end(sync, ResultCode.INVALID)  # the answer has not gone out yet
        elif not sync.viewers <= set(peer.viewers):
            self._end(sync, ResultCode.UNAUTHORIZED)
        elif not peer.at_home and not self._rate.take(peer.address, 1, now_ns):
            self._end(sync, ResultCode.TOO_FAST)
        else:
            sync.heard_ns = now_ns
            sync.task = asyncio.create_task(self._go_on(sync, message), name="server: sync")

    # --- the work

    def _gather(self, key: _Key, compiled: CompiledFilter, peer: Peer, now_ns: int) -> _Gathered | None:
        """A set that is fresh, or one that is begun to be made; None where there is no room for one."""
        self._drop_old(now_ns)
        shared = self._shared.get(key)
        if shared is not None and self._is_fresh(shared, now_ns):
            return shared
        settings = self._settings.current
        if not self._make_room(settings.sync_sets, peer, now_ns):
            return None
        gathered = _Gathered(key, settings.sync_items, now_ns)
        behind = None if shared is None else shared.task
        gathered.task = asyncio.create_task(
            self._fill(gathered, compiled, peer, behind), name="server: sync set"
        )
        gathered.task.add_done_callback(_noted)
        self._sets[gathered] = None
        self._shared[key] = gathered
        return gathered

    def _make_room(self, most: int, peer: Peer, now_ns: int) -> bool:
        """Whether there is room for one set more; strangers leave one for the people who live here."""
        most = most if peer.at_home else max(1, most - 1)
        for unused in [gathered for gathered in self._sets if not gathered.users]:
            if len(self._sets) >= most:
                self._drop(unused)
        if len(self._sets) < most:
            return True
        waiting = [sync for syncs in self._open.values() for sync in syncs.values() if sync.task is None]
        for sync in sorted(waiting, key=lambda one: one.heard_ns):
            gathered = sync.gathered
            lies = peer.at_home or now_ns - sync.heard_ns > _LIES_NS
            if not sync.peer.at_home and lies and len(self._sets) >= most:
                self._end(sync, ResultCode.TEMPORARY_ERROR)
                if gathered is not None and not gathered.users:
                    self._drop(gathered)
        return len(self._sets) < most

    async def _fill(
        self, gathered: _Gathered, compiled: CompiledFilter, peer: Peer, behind: asyncio.Task[None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            if behind is not None and not behind.done():
                await asyncio.wait((behind,))
            # Before the scan: what is handed in while it runs makes another set for who asks then.
            gathered.end = self._store.end
            scan = self._store.scan(compiled, viewers=tuple(gathered.key[1]))
            while not await loop.run_in_executor(self._pool, gathered.items.add, scan, _SLICE_NS):
                self._charge(peer, _SLICE_MS)
            await loop.run_in_executor(self._pool, gathered.items.seal)
        except BaseException:
            self._drop(gathered)
            raise

    def _drop(self, gathered: _Gathered) -> None:
        self._sets.pop(gathered, None)
        if self._shared.get(gathered.key) is gathered:
            del self._shared[gathered.key]

    async def _begin(self, sync: _Sync, gathered: _Gathered, message: bytes) -> None:
        try:
            if gathered.task is not None:
                await asyncio.shield(gathered.task)
            sync.responder = Responder(gathered.items)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the peer is told
            self._fail(sync, error)
            return
        await self._go_on(sync, message)

    async def _go_on(self, sync: _Sync, message: bytes) -> None:
        peer, responder = sync.peer, sync.responder
        if responder is None:
            return
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._pool, responder.answer, message)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(sync, error)
            return
        if sync.gathered is not None:
            self._charge(peer, 1 + len(sync.gathered.items) // _COMPARED_IN_A_MS)
        sync.task = None
        sync.heard_ns = self._now_ns()
        if not sync.viewers <= set(peer.viewers):
            self._end(sync, ResultCode.UNAUTHORIZED)
        elif self._is_open(sync):
            peer.send(peer.session.sync_data(sync.query_id, answer))

    def _charge(self, peer: Peer, milliseconds: int) -> None:
        if not peer.at_home:
            self._rate.take(peer.address, milliseconds, self._now_ns())

    # --- ends

    def _fail(self, sync: _Sync, error: Exception) -> None:
        if isinstance(error, StoreCrowded):
            result = ResultCode.TOO_OPEN
        elif isinstance(error, MosaicError):
            result = for_error(error)
        else:
            _LOG.error("a sync failed", exc_info=error)
            result = ResultCode.GENERAL_ERROR
        sync.task = None
        self._end(sync, result)

    def _end(self, sync: _Sync, result: ResultCode) -> None:
        """Ends a comparison for a reason of ours, and says so."""
        if self._is_open(sync):
            self._forget(sync.peer, sync.query_id)
            self._refuse(sync.peer, sync.query_id, result)

    def _refuse(self, peer: Peer, query_id: int, result: ResultCode) -> None:
        self._metrics.syncs_refused += 1
        if not peer.gone:
            peer.send(peer.session.sync_error(query_id, result))

    def _is_open(self, sync: _Sync) -> bool:
        return not sync.peer.gone and self._open.get(sync.peer, {}).get(sync.query_id) is sync

    def _forget(self, peer: Peer, query_id: int) -> None:
        syncs = self._open.get(peer, {})
        sync = syncs.pop(query_id, None)
        if not syncs:
            self._open.pop(peer, None)
        if sync is None:
            return
        if sync.task is not None:
            sync.task.cancel()
        gathered, sync.gathered = sync.gathered, None
        if gathered is not None:
            gathered.users -= 1
            if not gathered.users and gathered.task is not None and not gathered.task.done():
                gathered.task.cancel()  # nobody waits for it
                self._drop(gathered)

    def gone(self, peer: Peer) -> None:
        """A link has ended: nobody wants its answers."""
        for query_id in list(self._open.get(peer, ())):
            self._forget(peer, query_id)

    def look_after(self) -> None:
        """Ends what its peer has left lying, and lets go of sets that are old."""
        now_ns = self._now_ns()
        idle_ns = self._settings.current.sync_idle_ns
        for syncs in list(self._open.values()):
            for sync in list(syncs.values()):
                if sync.task is None and now_ns - sync.heard_ns > idle_ns:
                    self._end(sync, ResultCode.TEMPORARY_ERROR)
        self._drop_old(now_ns)

    def _is_fresh(self, gathered: _Gathered, now_ns: int) -> bool:
        """Whether one who asks now may share a set: it is young, and all that the store says is in it."""
        young = now_ns - gathered.began_ns <= self._settings.current.sync_shared_ns
        return young and gathered.end in (None, self._store.end)

    def _drop_old(self, now_ns: int) -> None:
        for gathered in list(self._sets):
            if not gathered.users and not self._is_fresh(gathered, now_ns):
                self._drop(gathered)

    # --- life

    def refuse_new(self) -> None:
        """From now on SYNC OPEN is answered with SHUTTING_DOWN."""
        self._stopping = True

    async def stop(self) -> None:
        """Gives up what is still under way."""
        for peer in list(self._open):
            self.gone(peer)
        making = [gathered.task for gathered in self._sets if gathered.task is not None]
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._sets.clear()
        self._shared.clear()
        await asyncio.to_thread(self._pool.shutdown)


def _noted(task: asyncio.Task[None]) -> None:
    """Those who wait for a set are told why there is none; perhaps nobody waits any more."""
    if not task.cancelled():
        task.exception()


def _pace(settings: ServerSettings) -> tuple[float, int]:
    return settings.stranger_sync_ms_per_second, settings.stranger_sync_burst_ms
