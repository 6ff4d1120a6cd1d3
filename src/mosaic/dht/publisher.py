"""Keeps bootstraps in the DHT: published when set, and refreshed before they expire.

A refresh writes the same signed item again, so it needs no secret and no new
sequence number; a server may do it for people who have gone offline.

Source: bootstrap.md (Bootstrap Distribution: refreshed every hour, gone after two), edition §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.network import DhtNetwork
from mosaic.dht.pace import SECOND
from mosaic.dht.publication import Publication, PublicationState
from mosaic.dht.sequence_store import SequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.dht.writer import BootstrapSigner, Outcome, SecretSigner, Wanted, Writer
from mosaic.errors import MosaicError, Unreachable, UsageError

_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 600.0
_EARLIER = 1 / 6
"""A refresh comes up to this part of its time earlier, so that not all nodes come at once."""
_OFF = "the DHT is off: nobody finds this by its key alone"


class _Order:
    """One bootstrap that is kept published."""

    __slots__ = ("failures", "state", "task", "turn", "wake", "wanted")

    def __init__(self, state: Publication) -> None:
        self.state = state
        self.wanted: Wanted | None = None
        self.failures = 0
        self.turn = asyncio.Lock()
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Publisher:
    """Keeps bootstraps published.

    Args:
        network: The DHT; None where it is off: then nothing is published, and `states` say so.
        store: What outlives a restart; the same as the resolver's.
        now_ns: The time, ns as a Mosaic timestamp.
        entropy: Random bytes of a length, for jitter.
        settings: Times.
        sleep: Waits for seconds.
        changed: Is called when `states` have changed.
    """

    def __init__(
        self,
        network: DhtNetwork | None,
        store: SequenceStore,
        now_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
        *,
        settings: DhtSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = None if network is None else Writer(network, store, now_ns, entropy, sleep)
        self._now_ns = now_ns
        self._entropy = entropy
        self._settings = settings or DhtSettings()
        self._sleep = sleep
        self._changed = changed
        self._orders: dict[tuple[PublicKey, bytes], _Order] = {}
        self._group: asyncio.TaskGroup | None = None

    def set(
        self,
        signer: SecretKey | BootstrapSigner,
        bootstrap: UserBootstrap | ServerBootstrap,
        *,
        again: bool = False,
    ) -> None:
        """Publishes a bootstrap, now and from now on, in the place of the former one of this key.

        Args:
            signer: Signs it.
            bootstrap: What is published.
            again: Publish it even if another device has replaced this very text.

        Raises:
            InvalidBootstrap: it may not be published as it is.
        """
        if isinstance(signer, SecretKey):
            signer = SecretSigner(signer)
        wanted = Wanted(signer, bootstrap.publishable(), again)
        order = self._order(signer.public, bootstrap.salt)
        if again or order.wanted is None or order.wanted.value != wanted.value:
            order.wanted = wanted
            order.failures = 0
            order.wake.set()
        else:
            # Who signs may be another one now: a key that was opened for one act is closed after it.
            order.wanted = replace(order.wanted, signer=signer)

    def keep(self, key: PublicKey, salt: bytes) -> None:
        """Keeps alive what the owner of a key published last, without his secret."""
        self._order(key, salt)

    def remove(self, key: PublicKey, salt: bytes) -> None:
        """Stops publishing; what stands in the DHT expires by itself."""
        order = self._orders.pop((key, salt), None)
        if order is not None and order.task is not None:
            order.task.cancel()
        self._changed()

    def states(self) -> Sequence[Publication]:
        """How all stand, in the order in which they were set."""
        return [order.state for order in self._orders.values()]

    def hurry(self) -> None:
        """The DHT can be reached again: what failed is tried at once."""
        for order in self._orders.values():
            if order.failures:
                order.wake.set()

    async def run(self) -> None:
        """Publishes and refreshes until cancelled; returns at once where the DHT is off."""
        if self._writer is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for order in self._orders.values():
                    self._begin(order)
                await asyncio.Event().wait()
        finally:
            self._group = None

    async def publish(self, key: PublicKey, salt: bytes, *, again: bool = False) -> Publication:
        """Publishes what was set, once and now.

        Args:
            key: Whose bootstrap.
            salt: `USER_SALT` or `SERVER_SALT`.
            again: Even if another device has replaced this very text.

        Raises:
            UsageError: nothing was set for this key and salt.
            Unreachable: the DHT is off.
        """
        order = self._orders.get((key, salt))
        if order is None:
            raise UsageError("nothing is set to be published under this key", hint="Call `set` first.")
        if self._writer is None:
            raise Unreachable("the DHT is off", hint="Name one with --dht mainline or --dht HOST:PORT.")
        if again and order.wanted is not None:
            order.wanted = replace(order.wanted, again=True)
        await self._publish(order, self._writer)
        return order.state

    # --- within -----------------------------------------------------------------------------------

    def _order(self, key: PublicKey, salt: bytes) -> _Order:
        order = self._orders.get((key, salt))
        if order is None:
            detail = _OFF if self._writer is None else "will be published"
            order = _Order(Publication(key, salt, PublicationState.WAITING, detail))
            self._orders[key, salt] = order
            self._begin(order)
            self._changed()
        return order

    def _begin(self, order: _Order) -> None:
        if self._group is not None and self._writer is not None:
            order.task = self._group.create_task(self._tend(order, self._writer), name="publication")

    async def _tend(self, order: _Order, writer: Writer) -> None:
        while True:
            order.wake.clear()
            await self._publish(order, writer)
            pause_s = self._pause_s(order.failures)
            order.state = replace(order.state, next_ns=self._now_ns() + int(pause_s * SECOND))
            self._changed()
            await self._sleep_or_wake(pause_s, order.wake)

    def _pause_s(self, failures: int) -> float:
        share = int.from_bytes(self._entropy(4), "little") / 2**32
        if not failures:
            return self._settings.refresh_s * (1 - _EARLIER * share)
        return min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 16)) * (0.5 + share / 2)

    async def _sleep_or_wake(self, pause_s: float, wake: asyncio.Event) -> None:
        async def sleep() -> None:
            await self._sleep(pause_s)

        waits = [asyncio.create_task(sleep()), asyncio.create_task(wake.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _publish(self, order: _Order, writer: Writer) -> None:
        async with order.turn:
            await self._publish_now(order, writer)

    async def _publish_now(self, order: _Order, writer: Writer) -> None:
        wanted = order.wanted
        try:
            outcome = await writer.publish(order.state.key, order.state.salt, wanted)
        except MosaicError as error:
            outcome = Outcome(PublicationState.FAILED, f"{error}. {error.hint}")
        failed = outcome.state is PublicationState.FAILED
        if order.wanted is wanted:
            order.failures = order.failures + 1 if failed else 0
            if wanted is not None and not failed:
                order.wanted = replace(wanted, again=False)
        order.state = replace(
            order.state,
            state=outcome.state,
            detail=outcome.detail,
            seq=order.state.seq if outcome.seq is None else outcome.seq,
            published_ns=self._now_ns()
            if outcome.state is PublicationState.PUBLISHED
            else order.state.published_ns,
        )
        self._changed()
