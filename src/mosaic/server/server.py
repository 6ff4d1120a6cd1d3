"""A server: what it is made of, how it starts and stops.

    network ──> sessions ──┬─> intake ──> store ──> publisher ──> subscriptions ──> network
                           ├─> reader ──> network
                           ├─> blobs  ──> network
                           ├─> lookups ─> network
                           └─> syncs  ──> network

Source: messages.md; edition §1 to §3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.policy.admission import AdmissionHook
from mosaic.policy.bans import Ban, BanList
from mosaic.policy.rules import not_banned
from mosaic.policy.submission import Way
from mosaic.policy.verdict import Hook
from mosaic.policy.whole import Policy, policy_of
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.server.admission import Admission
from mosaic.server.authority import Authority, ScheduleSource, Signer
from mosaic.server.blob_book import BlobBook, uploads_of
from mosaic.server.blob_service import BlobService
from mosaic.server.contacts import Contacts
from mosaic.server.entrances import Entrances
from mosaic.server.identity import Authorities, Prover
from mosaic.server.intake import Intake
from mosaic.server.judge import Judge
from mosaic.server.live import Live
from mosaic.server.lookups import Lookups, LookupService
from mosaic.server.metrics import Metrics
from mosaic.server.moderation import Moderation
from mosaic.server.peer import Peer
from mosaic.server.proxies import Proxies
from mosaic.server.publisher import Listener, Publisher
from mosaic.server.questions import Questions
from mosaic.server.reader import Reader, Reading
from mosaic.server.rights import Rights
from mosaic.server.screening import Screener
from mosaic.server.sessions import Sessions
from mosaic.server.settings import ServerSettings
from mosaic.server.subscriptions import Subscriptions
from mosaic.server.sync_service import SyncService
from mosaic.server.ticks import Ticks
from mosaic.server.upgrades import Upgrades
from mosaic.server.writer import Writer
from mosaic.store.blob_ledger import BlobLedger
from mosaic.store.blobs import BlobStore
from mosaic.store.store import Store
from mosaic.transport.network import Entrance, Event
from mosaic.wire.result_code import ResultCode

_NOBODY = bytes(32)
"""A key that nobody has: who serves it serves everyone."""


class Server:
    """Serves a store over any number of networks.

    Args:
        store: Where records are; the server closes it when it stops.
        blobs: Where blobs are.
        settings: Limits.
        now_ns: The clock, ns.
        served: Whether a master key (32 bytes) lives here.
        people: Whose devices are known among any number of schedules that tag them (32 bytes each).
        session_settings: The protocol's.
        policy: The rules for records and blobs; None = those of a home (`mosaic.policy.home`).
        admission: Rules about connections beside the limits of the settings.
        schedules: Where key schedules of people who live elsewhere come from, if from anywhere.
        prover: Proves the server's key to browsers; None refuses them.
        lookups: Looks into the DHT for clients; None finds nothing.
        ledger: Counts the blobs of each person; None counts none.
        screener: Asked about what strangers bring before the policy is, if there is one.
        bans: Whom it has nothing to do with; those that it makes itself are added.

    Raises:
        InvalidUrl: one of the authorities in the settings is none.
        UsageError: one of the proxies in the settings is neither an address nor a network.
    """

    def __init__(  # noqa: PLR0913 - what a server is made of
        self,
        store: Store,
        blobs: BlobStore,
        settings: ServerSettings,
        *,
        now_ns: Callable[[], int],
        served: Callable[[bytes], bool],
        people: Callable[[], Iterable[bytes]] = tuple,
        session_settings: ServerSessionSettings | None = None,
        policy: Policy | None = None,
        admission: Sequence[AdmissionHook] = (),
        schedules: ScheduleSource | None = None,
        prover: Prover | None = None,
        lookups: Lookups | None = None,
        ledger: BlobLedger | None = None,
        screener: Screener | None = None,
        bans: BanList | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._settings = live = Live(settings)
        self.bans = BanList() if bans is None else bans
        """Whom the server has nothing to do with; after a change `bans_changed` is to be called."""
        self.ban_made: Callable[[Ban], None] = lambda _ban: None
        """Told each ban that the server makes itself, while others wait: it has to be quick."""
        self._store = store
        self._now_ns = now_ns
        self._running = False
        self._authority = Authority(
            store,
            served,
            now_ns,
            fresh_ns=settings.schedule_checked_ns,
            source=schedules,
            people=people,
        )
        self._served = served
        self.contacts = Contacts(store, served, self._may_sign, self._contact_changed)
        self._admission = Admission(
            live,
            self.bans,
            admission,
            self.metrics,
            now_ns=now_ns,
            known=self._is_known,
            everyone=self._serves_everyone,
            close=self._close,
            changed=self._banned,
            made=self._made_ban,
        )
        self._entrances = Entrances(self._admission, live, self._take)
        self._reader = Reader(
            live,
            self.metrics,
            failed=self._failed,
            stalled=self._stalled,
            spent=self._admission.asked,
            now_ns=now_ns,
        )
        self._subscriptions = Subscriptions(store, self._reader, live, self.metrics, now_ns=now_ns)
        self._publisher = Publisher(self._subscriptions)
        policy = policy or policy_of((), served)
        self._publisher.listen(self.contacts.note)
        self._judge = Judge(
            store,
            self._authority,
            self._rules(policy),
            live,
            served=served,
            has_consumers=self._subscriptions.has_consumers,
            now_ns=now_ns,
        )
        self._writer = Writer(
            store,
            self._authority,
            self.metrics,
            publish=self._publisher.publish,
            schedule_changed=self._schedule_changed,
            now_ns=now_ns,
        )
        self.moderation = Moderation(
            store,
            self._writer,
            publish=self._publisher.publish,
            removed=self._removed,
            now_ns=now_ns,
        )
        self._intake = Intake(
            self._judge, self._writer, live, self.metrics, has_room=self._entrances.resume, screener=screener
        )
        self.blob_book = book = BlobBook(uploads_of(blobs.folder), ledger, policy.blobs, live, now_ns)
        self._blobs = BlobService(blobs, book, live, self.metrics)
        self.moderation.blobs = self._blobs.forget
        self._authorities = Authorities(settings.authorities)
        self._lookups = LookupService(lookups, live, self.metrics, now_ns)
        session_settings = session_settings or ServerSessionSettings(service_url=settings.service_url)
        self._questions = Questions(
            store, self._reader, self._subscriptions, live, self.metrics, self._admission.may_ask
        )
        self._syncs = SyncService(store, self._questions, live, self.metrics, now_ns)
        self._sessions = Sessions(
            self._intake,
            self._questions,
            self._blobs,
            self._lookups,
            self._syncs,
            Upgrades(prover, self._authorities, session_settings, self.metrics),
            session_settings=session_settings,
            metrics=self.metrics,
            rights=Rights(self._authority, self._questions, served, self.contacts),
            admission=self._admission,
            now_ns=now_ns,
        )
        self._ticks = Ticks(self.tick, self._sessions.look_at_strangers)

    # --- life

    def attach(self, network: Entrance) -> None:
        """Serves the links of a network from now on, or from `start` on."""
        self._entrances.attach(network)

    async def start(self) -> None:
        """Begins to serve."""
        self._running = True
        self._intake.start()
        self._reader.start()
        self._publisher.start()
        self._ticks.start()
        self.contacts.start()
        self._entrances.start()

    async def stop(self, drain_s: float | None = None) -> None:
        """Answers what has arrived, says CLOSING SHUTTING_DOWN, stops, and closes the store.

        Args:
            drain_s: How long peers may take to read their last answers; the settings' if None.
        """
        if not self._running:
            return
        self._running = False
        self._entrances.settle()
        grace_s = self.settings.drain_s if drain_s is None else drain_s
        self._sessions.refuse_new()
        await self._intake.drained()
        await self._publisher.drained()
        await self._blobs.settled()
        self._sessions.close_all(ResultCode.SHUTTING_DOWN)
        await self._entrances.stop(grace_s)
        await self.contacts.stop()
        await self._ticks.stop()
        await self._intake.stop()
        await self._publisher.stop()
        await self._reader.stop()
        await self._blobs.stop()
        await self._lookups.stop()
        await self._syncs.stop()
        await asyncio.to_thread(self._store.close)

    def tick(self) -> None:
        """Looks after what time alone changes: HELLOs that do not come, readers that do not read.

        The running server does it once a second.
        """
        self._sessions.tick()
        self._sessions.lighten(self._entrances.networks, self.settings)
        self._reader.look_after()
        self._subscriptions.look_after()
        self._blobs.look_after()
        self._syncs.look_after()

    # --- for the node

    @property
    def settings(self) -> ServerSettings:
        """The limits that hold now."""
        return self._settings.current

    def reconfigure(self, settings: ServerSettings) -> None:
        """Other limits hold from now on; links and questions that are open stay.

        Raises:
            InvalidUrl: one of the authorities in the settings is none; nothing has changed then.
            UsageError: the same, for one of the proxies.
        """
        Proxies(settings.proxies)  # is refused before anything has changed
        self._authorities.set_configured(settings.authorities)
        self._settings.replace(settings)
        self._sessions.limits_changed()
        self._entrances.limits_changed()

    def follow_policy(self, policy: Policy) -> None:
        """Other rules hold for records and blobs that come from now on."""
        self._judge.ask(self._rules(policy))
        self._blobs.ask(policy.blobs)

    async def submit(
        self,
        records: Sequence[bytes],
        way: Way,
        viewers: tuple[bytes, ...] = (),
        received_by_ns: int | None = None,
    ) -> list[ResultCode]:
        """The one way in for what does not come over a link.

        Args:
            records: Whole records, not yet checked.
            way: OWNER for acts of the people who live here, else how the records were found.
            viewers: The keys (32 bytes each) of the person who acts, if anybody does.
            received_by_ns: By when an outbox of the author says that it received them (ns): where a signer
                was revoked since a time, that counts instead of the own receipt.

        Returns:
            What became of each. What is ACCEPTED is on disk (but ephemeral records are never stored).
        """
        return await self._intake.submit(records, way, viewers, received_by_ns)

    async def sweep_blobs(self) -> int:
        """Gives up blobs that have waited too long for their next part; how many."""
        return await self._blobs.sweep()

    def before_deletions(self, told: Callable[[Record], None]) -> None:
        """Calls `told` with each Deletion that counts, before it removes anything from the store."""
        self._judge.deleting = told

    def listen_changes(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(position, record)` for each new record, in the order of the log.

        Returns:
            A function that ends it.
        """
        return self._publisher.listen(listener)

    def reached_as(self, authorities: Iterable[str]) -> None:
        """Says by which names (HOST or HOST:PORT) its listeners are reached, in place of those said before.

        Browsers are refused under all others, so that nobody can pass on what they prove.

        Raises:
            InvalidUrl: one is no such name.
        """
        self._authorities.set_listening(authorities)

    def people_changed(self) -> None:
        """Somebody has moved in or out: the rights of all connections are judged anew."""
        self._sessions.rights_changed()

    def bans_changed(self) -> None:
        """Other bans hold: whoever is banned by now is told so, and goes."""
        self._sessions.bans_changed()
        self._entrances.block_soon()

    @property
    def door(self) -> Mapping[str, int]:
        """What happened to connections before they were links, on all networks together, by name."""
        return self._entrances.counts()

    @property
    def links(self) -> int:
        """How many links are open."""
        return len(self._sessions)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    # --- inside

    def _rules(self, policy: Policy) -> tuple[Hook, ...]:
        """The policy behind what holds for everybody."""
        bans, now_ns = self.bans, self._now_ns
        return not_banned(lambda key: bans.of_key(key, now_ns()), bans.keys), *policy.records

    def _serves_everyone(self) -> bool:
        return self._served(_NOBODY)

    def _is_known(self, key: bytes) -> bool:
        """Whether a key is that of somebody served or of a contact, where that tells him from others."""
        return not self._serves_everyone() and (self._served(key) or key in self.contacts)

    def _banned(self) -> None:
        self._entrances.block_soon()

    def _made_ban(self, ban: Ban) -> None:
        self.ban_made(ban)

    def _close(self, peer: Peer, result: ResultCode) -> None:
        self._sessions.close(peer, result)

    def _take(self, network: Entrance, events: Sequence[Event]) -> None:
        self._sessions.take(network, events)
        if self._intake.is_full:
            # The links' own queues fill up now, then their senders wait.
            self._entrances.pause()

    def _may_sign(self, pair: bytes) -> bool:
        """Whether a key may sign for an author (64 bytes: author, key), as far as is known here."""
        return pair[:32] == pair[32:] or self._authority.signer(pair) in {Signer.VERIFIED, Signer.DATED}

    def _contact_changed(self, key: bytes) -> None:
        self._sessions.rights_changed(key)

    def _removed(self, records: Sequence[bytes]) -> None:
        for author in {data[64:96] for data in records if data[56:64] == KEY_SCHEDULE.bytes}:
            self._authority.changed(author)
            self._schedule_changed(author)
        self.contacts.went(records)

    def _schedule_changed(self, author: bytes) -> None:
        self._sessions.rights_changed(author)
        self.contacts.judge_anew(author)

    def _failed(self, reading: Reading, result: ResultCode) -> None:
        self._questions.failed(reading, result)

    def _stalled(self, peer: Peer) -> None:
        self._questions.stalled(peer)
