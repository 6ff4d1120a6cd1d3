"""One publication: read, write, read back, and again while others write too.

Source: bootstrap.md (Sequence Numbers), edition §4 (a writer reads first and writes max + 1); BEP 44.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.network import DhtNetwork, WriteOutcome
from mosaic.dht.newer import is_newer, is_readable
from mosaic.dht.plan import GiveWay, Keep, Write, plan
from mosaic.dht.publication import PublicationState
from mosaic.dht.sequence_store import Known, SequenceStore, Wish

ATTEMPTS: Final = 5
"""How often a text is written in a row while others write too."""
MOST_OVERWRITES: Final = 2
"""The first takes the place of what stood there; one more, of what another device wrote meanwhile."""
_BETWEEN_ATTEMPTS_S = 0.5


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall stand in the DHT.

    Args:
        signer: Signs it.
        value: The text.
        again: Publish it even if another device has replaced this very text.
    """

    signer: BootstrapSigner
    value: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended.

    Args:
        state: How the publication stands now.
        detail: Plain words.
        seq: The sequence number that stands there (i64), None if that is not known.
    """

    state: PublicationState
    detail: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes bootstraps.

    Args:
        network: The DHT.
        store: What outlives a restart.
        now_ns: The time, ns as a Mosaic timestamp.
        entropy: Random bytes of a length.
        sleep: Waits for seconds.
    """

    network: DhtNetwork
    store: SequenceStore
    now_ns: Callable[[], int]
    entropy: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def publish(self, key: PublicKey, salt: bytes, wanted: Wanted | None) -> Outcome:
        """Lets a text stand in the DHT.

        Args:
            key: Whose bootstrap.
            salt: `USER_SALT` or `SERVER_SALT`.
            wanted: What shall stand there; None = whatever its owner published last.

        Raises:
            DhtBusy: too much is under way.
            InvalidBootstrap: no sequence number is left.
        """
        overwrites = 0
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            heard: list[DhtItem] = []
            reach = await self.network.look_up(key, salt, heard.append)
            if not reach.answered:
                return _failed("the DHT did not answer; it is tried again and again")
            todo = self._decide(key, salt, wanted, heard, may_overwrite=overwrites < MOST_OVERWRITES)
            if todo is None:
                return Outcome(PublicationState.WAITING, "nothing is published under this key")
            if isinstance(todo, GiveWay):
                return await self._give_way(todo, wanted)
            if isinstance(todo, Write):
                assert wanted is not None
                overwrites += todo.over
                item = self._sign(wanted, salt, todo.seq)
            else:
                item = todo.item
            result = await self.network.write(item, todo.cas)
            if result.outcome in {WriteOutcome.UNREACHABLE, WriteOutcome.REFUSED}:
                return _failed(f"the DHT did not take it ({result.words}); it is tried again and again")
            if result.outcome is WriteOutcome.STORED and await self._stands(item):
                return self._published(item, wanted, result.words)
        return _failed("other devices publish under this key at the same time; it is tried again")

    def _decide(
        self,
        key: PublicKey,
        salt: bytes,
        wanted: Wanted | None,
        heard: Sequence[DhtItem],
        *,
        may_overwrite: bool,
    ) -> Keep | Write | GiveWay | None:
        known = self.store.known(key, salt)
        newest = None if known is None else known.item
        if wanted is None:
            for item in heard:
                newest = item if newest is None or item.seq > newest.seq else newest
            return None if newest is None else Keep(newest, max((item.seq for item in heard), default=0))
        wish = None if wanted.again else self.store.wish(key, salt)
        return plan(wanted.value, heard, newest, wish, may_overwrite=may_overwrite)

    def _sign(self, wanted: Wanted, salt: bytes, seq: int) -> DhtItem:
        """A new item, kept before it goes out: no other text is ever signed under its number."""
        item = wanted.signer.sign(salt, seq, wanted.value)
        self.store.save(Known(item, self.now_ns()))
        return item

    async def _stands(self, item: DhtItem) -> bool:
        """Reads back: whether this item, and no other, is the newest now."""
        heard: list[DhtItem] = []
        await self.network.look_up(item.key, item.salt, heard.append)
        top = max((one.seq for one in heard), default=-1)
        return top == item.seq and all(one.value == item.value for one in heard if one.seq == top)

    async def _give_way(self, todo: GiveWay, wanted: Wanted | None) -> Outcome:
        item = todo.item
        if is_newer(item, self.store.known(item.key, item.salt)):
            self.store.save(Known(item, self.now_ns()))
        if wanted is not None:
            # This wish has had its turn: the next refresh does not fight for it again.
            self.store.save_wish(item.key, item.salt, Wish(wanted.value, item.seq))
        # The other item is this key's own and the newest, so it shall not expire either.
        await self.network.write(item, todo.cas)
        return Outcome(
            PublicationState.REPLACED,
            "another device of yours has published another bootstrap under this key, and that one holds;"
            " publish again from here if this one should",
            item.seq,
        )

    def _published(self, item: DhtItem, wanted: Wanted | None, nodes: str) -> Outcome:
        if is_readable(item):
            self.store.save(Known(item, self.now_ns()))
        if wanted is not None:
            self.store.save_wish(item.key, item.salt, Wish(item.value, item.seq))
        return Outcome(PublicationState.PUBLISHED, f"published; {nodes} nodes of the DHT keep it", item.seq)

    async def _pause(self, attempt: int) -> None:
        share = int.from_bytes(self.entropy(4), "little") / 2**32
        await self.sleep(_BETWEEN_ATTEMPTS_S * attempt * share)


def _failed(detail: str) -> Outcome:
    return Outcome(PublicationState.FAILED, detail)
