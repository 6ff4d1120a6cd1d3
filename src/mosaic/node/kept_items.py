"""Keeps the bootstraps of the people served alive in the DHT, whether they are online or not.

An item is gone two hours after it was last written. Whoever is on the list has
his looked up, written again as its owner signed it, and read back, once an
hour; a newer one that turns up takes the place of what was known, so nobody is
led back. One loop works for all, one person at a time and no faster than the
pace, so a long list costs the DHT and this machine an even trickle.

Source: bootstrap.md (servers may refresh for their users), edition §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mosaic.core.bootstrap import USER_SALT
from mosaic.core.keys import PublicKey
from mosaic.dht.publication import Publication, PublicationState
from mosaic.dht.settings import DhtSettings
from mosaic.dht.writer import Outcome
from mosaic.errors import MosaicError

if TYPE_CHECKING:
    from mosaic.node.node import Node

PACE_S: Final = 0.5
"""The pause between two people, in seconds."""
_SECOND: Final = 1_000_000_000
_RETRY_S: Final = 600.0
_ABSENT_S: Final = 4 * 3_600.0
_EARLIER: Final = 1 / 6
"""A refresh comes up to this part of its time earlier: so they spread, whenever people were listed."""
_LIST_NS: Final = 600 * _SECOND
_WAITING: Final = "will be looked up"
_OFF: Final = "the DHT is off: nothing is kept"


class KeptItems:
    """The items that this node keeps for others.

    Args:
        keep: Lets what the owner of a key published last stand in the DHT; None where the DHT is off.
        people: The master keys of those for whom it is done, besides the home's own.
        now_ns: The time, ns as a Mosaic timestamp.
        entropy: Random bytes of a length, for the spread.
        settings: How often items are refreshed, and whether.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        keep: Callable[[PublicKey], Awaitable[Outcome]] | None,
        people: Callable[[], Collection[PublicKey]],
        now_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
        *,
        settings: Callable[[], DhtSettings] = DhtSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._keep = keep
        self._people = people
        self._now_ns = now_ns
        self._entropy = entropy
        self._settings = settings
        self._sleep = sleep
        self._kept: dict[PublicKey, Publication] = {}
        self._wake = asyncio.Event()
        self._list_ns = 0

    def states(self) -> list[Publication]:
        """How each stands, in the order in which they came on the list."""
        self._take_in()
        return list(self._kept.values())

    @property
    def oldest_ns(self) -> int:
        """When the item was last written that waits for longest (ns); 0 if there is none."""
        times = [each.published_ns for each in self._kept.values() if each.published_ns]
        return min(times, default=0)

    def people_changed(self) -> None:
        """Somebody came on the list or went: who is new has his turn at once."""
        self._list_ns = 0
        self._wake.set()

    async def run(self) -> None:
        """Keeps them until cancelled; returns at once where the DHT is off."""
        if self._keep is None:
            return
        while True:
            self._wake.clear()
            self._take_in()
            first = min(self._kept.values(), key=lambda each: each.next_ns, default=None)
            wait_s = None if first is None else (first.next_ns - self._now_ns()) / _SECOND
            if first is None or wait_s is None or wait_s > 0:
                await self._sleep_or_wake(wait_s)
                continue
            state = await self._refreshed(first, self._keep)
            if first.key in self._kept:
                self._kept[first.key] = state
            await self._sleep(PACE_S)

    # --- within -----------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Follows the list: who is new is due at once, who went is forgotten."""
        now_ns = self._now_ns()
        if now_ns < self._list_ns:
            return
        self._list_ns = now_ns + _LIST_NS  # somebody's time on it may end
        people = self._people() if self._settings().keep_served else ()
        detail = _OFF if self._keep is None else _WAITING
        self._kept = {
            key: self._kept.get(key) or Publication(key, USER_SALT, PublicationState.WAITING, detail)
            for key in people
        }

    async def _refreshed(
        self, state: Publication, keep: Callable[[PublicKey], Awaitable[Outcome]]
    ) -> Publication:
        try:
            outcome = await keep(state.key)
        except MosaicError as error:
            outcome = Outcome(PublicationState.FAILED, f"{error}. {error.hint}")
        now_ns = self._now_ns()
        published = outcome.state is PublicationState.PUBLISHED
        return replace(
            state,
            state=outcome.state,
            detail=outcome.detail,
            seq=state.seq if outcome.seq is None else outcome.seq,
            published_ns=now_ns if published else state.published_ns,
            next_ns=now_ns + int(self._pause_s(outcome.state) * _SECOND),
        )

    def _pause_s(self, state: PublicationState) -> float:
        share = int.from_bytes(self._entropy(4), "little") / 2**32
        if state is PublicationState.FAILED:
            return _RETRY_S * (0.5 + share / 2)
        if state is PublicationState.WAITING:
            return _ABSENT_S * (1 - _EARLIER * share)
        return self._settings().refresh_s * (1 - _EARLIER * share)

    async def _sleep_or_wake(self, pause_s: float | None) -> None:
        """Waits for seconds (None: for ever), or until the list changes."""
        wake = asyncio.create_task(self._wake.wait())
        waits: list[asyncio.Task[object]] = [wake]
        if pause_s is not None:
            waits.append(asyncio.create_task(self._slept(pause_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _slept(self, pause_s: float) -> None:
        await self._sleep(pause_s)


def kept_items(node: Node) -> KeptItems:
    """Those of a node: of everybody on its list who does not live in the home."""

    def people() -> list[PublicKey]:
        served = node.rules.served
        keys = [person.key for person in served.listed()]
        return [key for key in keys if served.is_ours(key.bytes) and not node.people.serves(key.bytes)]

    keep = node.dht.keep if node.dht.is_on else None
    now_ns, entropy = node.clock.now_ns, node.surroundings.entropy
    kept = KeptItems(keep, people, now_ns, entropy, settings=lambda: node.settings.lookups)
    node.rules.served.watch(kept.people_changed)
    node.live.watch(lambda _: kept.people_changed())
    return kept
