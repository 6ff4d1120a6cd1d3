"""Keeps bootstraps in the DHT: published when set, read back, and refreshed before they expire.

A refresh writes the same signed item again, so it needs no secret and no new
sequence number; a server may do it for people who have gone offline.

Source: bootstrap.md (distribution, sequence numbers), edition §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.network import DhtNetwork, WriteOutcome
from mosaic.dht.newer import is_newer, is_readable
from mosaic.dht.pace import SECOND
from mosaic.dht.plan import GiveWay, Keep, Write, plan
from mosaic.dht.publication import Publication, PublicationState
from mosaic.dht.sequence_store import Known, SequenceStore, Wish
from mosaic.dht.settings import DhtSettings
from mosaic.errors import MosaicError, Unreachable, UsageError

ATTEMPTS: Final = 5
"""How often a text is written in a row while others write too."""
MOST_OVERWRITES: Final = 2
"""The first takes the place of what stood there; one more, of what another device wrote meanwhile."""
_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 600.0
_BETWEEN_ATTEMPTS_S = 0.5
_EARLIER = 1 / 6
"""A refresh comes up to this part of its time earlier, so that not all nodes come at once."""


class BootstrapSigner(Protocol):
    """Signs bootstraps; it may ask its owner for a password, or refuse with a MosaicError."""

    @property
    def public(self) -> PublicKey:
        """Whose bootstraps."""
        ...

    def sign(self, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """A signed item; `seq` is its sequence number (i64)."""
        ...


@dataclass(frozen=True, slots=True)
class SecretSigner:
    """Signs with a secret key at hand.

    Args:
        secret: The key.
    """

    secret: SecretKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Whose bootstraps."""
        return self.secret.public

    def sign(self, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """A signed item; `seq` is its sequence number (i64). Raises InvalidBootstrap."""
        return DhtItem.sign(self.secret, salt, seq, value)


class _Order:
    """One bootstrap that is kept published; without signer and value, whatever its owner published last."""

    __slots__ = ("again", "failures", "signer", "state", "task", "value", "wake")

    def __init__(self, state: Publication) -> None:
        self.state = state
        self.signer: BootstrapSigner | None = None
        self.value: bytes | None = None
        self.again = False
        self.failures = 0
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
        self._network = network
        self._store = store
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
        value = bootstrap.publishable()
        signer = SecretSigner(signer) if isinstance(signer, SecretKey) else signer
        order = self._order(signer.public, bootstrap.salt)
        order.again = again
        order.signer = signer
        if order.value != value or again:
            order.value = value
            order.failures = 0
            order.wake.set()

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
        if self._network is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for order in self._orders.values():
                    self._begin(order)
                await asyncio.Event().wait()
        finally:
            self._group = None

    async def publish(self, key: PublicKey, salt: bytes) -> Publication:
        """Publishes what was set, once and now.

        Raises:
            UsageError: nothing was set for this key and salt.
            Unreachable: the DHT is off.
        """
        order = self._orders.get((key, salt))
        if order is None:
            raise UsageError("nothing is set to be published under this key", hint="Call `set` first.")
        if self._network is None:
            raise Unreachable("the DHT is off", hint="Name one with --dht mainline or --dht HOST:PORT.")
        await self._publish(order, self._network)
        return order.state

    # --- within -----------------------------------------------------------------------------------

    def _order(self, key: PublicKey, salt: bytes) -> _Order:
        order = self._orders.get((key, salt))
        if order is None:
            off = self._network is None
            detail = "the DHT is off: nobody finds this by its key alone" if off else "will be published"
            order = _Order(Publication(key, salt, PublicationState.WAITING, detail))
            self._orders[key, salt] = order
            self._begin(order)
            self._changed()
        return order

    def _begin(self, order: _Order) -> None:
        if self._group is not None and self._network is not None:
            order.task = self._group.create_task(self._tend(order, self._network), name="publication")

    async def _tend(self, order: _Order, network: DhtNetwork) -> None:
        while True:
            order.wake.clear()
            await self._publish(order, network)
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

    async def _publish(self, order: _Order, network: DhtNetwork) -> None:
        try:
            order.state = await self._series(order, network)
        except MosaicError as error:
            order.state = self._failed(order, f"{error}. {error.hint}")
        order.failures = order.failures + 1 if order.state.state is PublicationState.FAILED else 0
        self._changed()

    async def _series(self, order: _Order, network: DhtNetwork) -> Publication:
        """Reads, writes and reads back, again while others write too."""
        key, salt = order.state.key, order.state.salt
        overwrites = 0
        for attempt in range(ATTEMPTS):
            if attempt:
                share = int.from_bytes(self._entropy(4), "little") / 2**32
                await self._sleep(_BETWEEN_ATTEMPTS_S * attempt * share)
            heard: list[DhtItem] = []
            reach = await network.look_up(key, salt, heard.append)
            if not reach.answered:
                return self._failed(order, "the DHT did not answer; it is tried again and again")
            decided = self._decide(order, heard, may_overwrite=overwrites < MOST_OVERWRITES)
            if decided is None:
                return replace(order.state, detail="nothing is published under this key")
            if isinstance(decided, GiveWay):
                return await self._give_way(order, network, decided)
            item = decided.item if isinstance(decided, Keep) else self._sign(order, decided)
            overwrites += isinstance(decided, Write) and decided.over
            result = await network.write(item, decided.cas)
            if result.outcome in {WriteOutcome.UNREACHABLE, WriteOutcome.REFUSED}:
                return self._failed(order, f"the DHT did not take it: {result.words}")
            if result.outcome is WriteOutcome.STORED and await self._stands(item, network):
                return self._published(order, item, result.words)
        return self._failed(order, "other devices publish under this key at the same time")

    def _decide(
        self, order: _Order, heard: Sequence[DhtItem], *, may_overwrite: bool
    ) -> Keep | Write | GiveWay | None:
        key, salt = order.state.key, order.state.salt
        known = self._store.known(key, salt)
        newest = None if known is None else known.item
        if order.value is None:
            for item in heard:
                newest = item if newest is None or item.seq > newest.seq else newest
            return None if newest is None else Keep(newest, max((item.seq for item in heard), default=0))
        wish = None if order.again else self._store.wish(key, salt)
        return plan(order.value, heard, newest, wish, may_overwrite=may_overwrite)

    def _sign(self, order: _Order, decided: Write) -> DhtItem:
        """A new item, kept before it goes out: no other text is ever signed under its number."""
        assert order.signer is not None
        assert order.value is not None
        item = order.signer.sign(order.state.salt, decided.seq, order.value)
        self._store.save(Known(item, self._now_ns()))
        return item

    async def _stands(self, item: DhtItem, network: DhtNetwork) -> bool:
        """Reads back: whether this item, and no other, is the newest now."""
        heard: list[DhtItem] = []
        await network.look_up(item.key, item.salt, heard.append)
        top = max((one.seq for one in heard), default=-1)
        return top == item.seq and all(one.value == item.value for one in heard if one.seq == top)

    async def _give_way(self, order: _Order, network: DhtNetwork, decided: GiveWay) -> Publication:
        item = decided.item
        if is_newer(item, self._store.known(item.key, item.salt)) and is_readable(item):
            self._store.save(Known(item, self._now_ns()))
        assert order.value is not None
        self._store.save_wish(item.key, item.salt, Wish(order.value, item.seq))
        order.again = False
        # It is this key's own and the newest, so it shall not expire either.
        await network.write(item, decided.cas)
        return replace(
            order.state,
            state=PublicationState.REPLACED,
            detail="another device of yours has published other servers under this key, and those hold;"
            " publish again from here if these should",
            seq=item.seq,
        )

    def _published(self, order: _Order, item: DhtItem, nodes: str) -> Publication:
        now_ns = self._now_ns()
        if is_readable(item):
            self._store.save(Known(item, now_ns))
        if order.value is not None:
            self._store.save_wish(item.key, item.salt, Wish(item.value, item.seq))
            order.again = False
        return replace(
            order.state,
            state=PublicationState.PUBLISHED,
            detail=f"published; {nodes} nodes of the DHT keep it",
            seq=item.seq,
            published_ns=now_ns,
        )

    def _failed(self, order: _Order, detail: str) -> Publication:
        return replace(order.state, state=PublicationState.FAILED, detail=detail)
