"""This home in the DHT: finds where others are, and tells where it is itself.

Holds one node of Mainline, the resolver and the publisher over it, and says
in words how they do. Without a DHT everything here answers from what is known.

Source: bootstrap.md (distribution); edition §4 (DHT RESPONSE).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass

from mosaic.core.bootstrap import SERVER_SALT, USER_SALT, DhtItem, ServerBootstrap, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.dht.mode import DhtMode
from mosaic.dht.network import DhtNode, DhtPassed, NetworkState
from mosaic.dht.publication import Publication, PublicationState
from mosaic.dht.publisher import Publisher
from mosaic.dht.resolver import LookUp, Resolver
from mosaic.dht.sequence_store import SequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.dht.writer import BootstrapSigner, Outcome, Writer
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.announced import Announcement
from mosaic.node.states import DHT_OFF, DhtState
from mosaic.node.surroundings import Surroundings

_STATES = {
    NetworkState.STARTING: "Entering the DHT.",
    NetworkState.UNREACHABLE: "No node of the DHT answers. What was found before is still used.",
    NetworkState.WORKING: "The DHT answers.",
}
_NOT_ANSWERED = frozenset({LookUp.UNREACHABLE, LookUp.BUSY})


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be published of one key.

    Args:
        signer: Signs it.
        bootstrap: What it says.
    """

    signer: BootstrapSigner
    bootstrap: UserBootstrap | ServerBootstrap


class InDht:
    """The DHT as this home uses it.

    Args:
        mode: Which DHT, or none.
        settings: Times and bounds.
        store: What outlives a restart.
        surroundings: The clock, randomness, and who makes our node of the DHT.
        changed: Called when something that people see has changed.

    Raises:
        ListenFailed: the machine has no descriptor or thread left for it.
    """

    def __init__(
        self,
        mode: DhtMode,
        settings: DhtSettings,
        store: SequenceStore,
        surroundings: Surroundings,
        changed: Callable[[], None],
    ) -> None:
        self.mode = mode
        self._store = store
        self._clock = clock = surroundings.clock
        entropy = surroundings.entropy
        self._changed = changed
        self._network = surroundings.dht(mode, settings, self._network_changed) if mode.on else None
        self._resolver = Resolver(self._network, store, clock.now_ns, settings)
        self._publisher = Publisher(
            self._network, store, clock.now_ns, entropy, settings=settings, changed=changed
        )
        self._writer = Writer(self._network, store, clock.now_ns, entropy) if self._network else None
        self._told: dict[tuple[PublicKey, bytes], UserBootstrap | ServerBootstrap] = {}
        self._task: asyncio.Task[None] | None = None
        self.announcement = Announcement(())
        """The addresses of the own server that others are told."""

    @property
    def is_on(self) -> bool:
        """Whether there is a DHT."""
        return self._network is not None

    @property
    def passed(self) -> DhtPassed | None:
        """What has passed between this home and the DHT, None where it is off or nothing is counted."""
        return None if self._network is None else self._network.passed

    def start(self) -> None:
        """Enters the DHT and publishes what is set, until `stop`."""
        if self._network is not None and self._task is None:
            self.enter()
            self._task = asyncio.create_task(self._publisher.run(), name="publisher")

    def enter(self) -> None:
        """Enters the DHT, for look-ups and for `publish`; nothing is published by itself."""
        if self._network is not None:
            self._network.start()

    async def stop(self) -> None:
        """Leaves the DHT. What was published stays there until it expires."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._resolver.stop()
        if self._network is not None:
            await self._network.stop()

    def _network_changed(self) -> None:
        if self._network is not None and self._network.state is NetworkState.WORKING:
            self._publisher.hurry()
        self._changed()

    # --- finding ---------------------------------------------------------------------------------

    async def answers(
        self, key: PublicKey, salt: bytes, *, fresh: bool = False
    ) -> AsyncGenerator[DhtItem, None]:
        """What is known of a key under a salt, then each newer item as it is found; all are in the store.

        Args:
            key: Whose.
            salt: `USER_SALT` or `SERVER_SALT`.
            fresh: Look again now, as far as that is allowed yet.

        Raises:
            Unreachable: the DHT did not answer.
            DhtBusy: too much is under way.
        """
        if salt == USER_SALT:
            async for user in self._resolver.user(key, fresh=fresh):
                yield user.item
        else:
            async for server in self._resolver.server(key, fresh=fresh):
                yield server.item
        self._judge(key, salt)

    def _judge(self, key: PublicKey, salt: bytes) -> None:
        if self.is_on and self._resolver.last_look_up(key, salt).ended in _NOT_ANSWERED:
            raise Unreachable("the DHT did not answer", hint="Check the connection to the Internet.")

    async def item(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        """The signed item of a key, for somebody else; None if nothing is published or known.

        Raises:
            Unreachable: the DHT is off or did not answer, and nothing is known.
            DhtBusy: too much is under way.
        """
        wrong: MosaicError | None = None
        try:
            async for _ in self.answers(key, salt):
                pass
        except MosaicError as error:
            wrong = error
        known = self._store.known(key, salt)
        if known is not None:
            return known.item
        if not self.is_on:
            raise Unreachable("the DHT is off here")
        if wrong is not None:
            raise wrong
        return None

    def learn(self, item: DhtItem) -> bool:
        """Takes what a server found; whether it is news: signed, and newer than what is known."""
        return self._resolver.learn(item)

    # --- telling ---------------------------------------------------------------------------------

    def tell(self, announcement: Announcement, told: Iterable[Told]) -> None:
        """Publishes exactly this from now on.

        Args:
            announcement: What is announced of the own server.
            told: The bootstraps.

        Raises:
            InvalidBootstrap: one may not be published as it is.
        """
        self.announcement = announcement
        wanted: dict[tuple[PublicKey, bytes], UserBootstrap | ServerBootstrap] = {}
        for one in told:
            place = (one.signer.public, one.bootstrap.salt)
            wanted[place] = one.bootstrap
            self._publisher.set(one.signer, one.bootstrap)
        for key, salt in set(self._told) - set(wanted):
            self._publisher.remove(key, salt)
        self._told = wanted
        self._changed()

    async def replace(self, signer: BootstrapSigner, bootstrap: UserBootstrap) -> None:
        """Publishes another bootstrap of a person, now, and reads it back.

        Whoever calls this tells afterwards (`tell`) what stays published.

        Args:
            signer: Signs it.
            bootstrap: What it says.

        Raises:
            Unreachable: the DHT is off, or did not take it.
            InvalidBootstrap: it may not be published.
        """
        if not self.is_on:
            raise Unreachable("the DHT is off", hint="Name one: mosaic serve --dht mainline")
        self._publisher.set(signer, bootstrap, again=True)
        told = await self._publisher.publish(signer.public, bootstrap.salt)
        if told.state is not PublicationState.PUBLISHED:
            raise Unreachable(
                f"your servers could not be published: {told.detail}",
                hint="Your followers see no change yet. It is tried again as long as the node runs;"
                " `mosaic servers resume` tries it now.",
            )

    async def keep(self, key: PublicKey) -> Outcome:
        """Lets what a person published last stand in the DHT: looked up, written again as it is, read back.

        Raises:
            Unreachable: the DHT is off.
            DhtBusy: too much is under way.
        """
        if self._writer is None:
            raise Unreachable("the DHT is off", hint="Name one: mosaic serve --dht mainline")
        return await self._writer.publish(key, USER_SALT, None)

    async def publish(self, key: PublicKey | None, *, again: bool) -> AsyncGenerator[Publication, None]:
        """Publishes now what is told, one after another; or what the owner of another key published last.

        Args:
            key: Whose; None = everybody's who is told.
            again: Publish a text even if another device has replaced it.

        Raises:
            Unreachable: the DHT is off.
        """
        if not self.is_on:
            raise Unreachable("the DHT is off", hint="Name one: mosaic serve --dht mainline")
        places = [place for place in self._told if key in {None, place[0]}]
        if key is not None and not places:
            places = [(key, salt) for salt in (USER_SALT, SERVER_SALT)]
            for place in places:
                self._publisher.keep(*place)
        for place in places:
            told = await self._publisher.publish(*place, again=again)
            if place not in self._told:
                self._publisher.remove(*place)
            yield told

    # --- in words --------------------------------------------------------------------------------

    @property
    def published_ns(self) -> int:
        """When the oldest of what this home publishes was last published (ns); 0 if something never was."""
        return min((one.published_ns for one in self._publisher.states()), default=0)

    def state(self) -> DhtState:
        """How the DHT and what this home publishes there do."""
        if self._network is None:
            return DHT_OFF
        published_ns = self.published_ns
        return DhtState(
            mode=self.mode.name,
            state=self._network.state.value,
            detail=" ".join(self._words(self._network)),
            published_iso=Timestamp(published_ns).iso(0) if published_ns else "",
        )

    def _words(self, network: DhtNode) -> list[str]:
        words = [_STATES[network.state]]
        if self.announcement.missing:
            words.append(self.announcement.missing)
        if network.state is NetworkState.UNREACHABLE:
            return words
        states = self._publisher.states()
        wrong = [one for one in states if one.state in {PublicationState.FAILED, PublicationState.REPLACED}]
        for one in wrong:
            whose = one.key.server_text if one.salt == SERVER_SALT else one.key.user_text
            words.append(f"{whose}: {one.detail}, again at {self._clock.time_of_day(one.next_ns)}.")
        if states and all(one.state is PublicationState.PUBLISHED for one in states):
            words.append("Your servers and their addresses are published: friends find you by your key.")
        elif any(one.state is PublicationState.WAITING for one in states):
            words.append("Your servers and their addresses are being published.")
        return words
