"""The node: everything of one open home, started and stopped in order.

Whoever holds the home's lock has one of these: the process that serves, or a
command that found the home free. Both have the same parts; the serving one
also listens, delivers and follows.

    private.db → keys → store, blobs → server ← memory links ← client

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import HomeDamaged
from mosaic.node import home_steps, other_devices
from mosaic.node.acting_half import ActingHalf
from mosaic.node.announcing import announced, to_tell
from mosaic.node.bans import Bans
from mosaic.node.cache import Cache
from mosaic.node.followed_list import FollowedList
from mosaic.node.home import SETTINGS, Home, HomeLock
from mosaic.node.home_keys import home_password, server_prover, server_secret
from mosaic.node.kept_items import kept_items
from mosaic.node.keys_heard import KeysHeard
from mosaic.node.kind_counts import KindCounts
from mosaic.node.listeners import ListenAt, Listeners
from mosaic.node.mirrors import Mirrors
from mosaic.node.moving import Moving
from mosaic.node.observed import kept_up
from mosaic.node.operating import Operating
from mosaic.node.outbox_checks import OutboxChecks
from mosaic.node.own_server import OwnServer
from mosaic.node.people import People
from mosaic.node.private_db import PrivateDb
from mosaic.node.publishing import Publishing
from mosaic.node.put_aside import PutAside
from mosaic.node.records import OwnRecords
from mosaic.node.rules import Rules
from mosaic.node.scheduled_backups import ScheduledBackups
from mosaic.node.server_checks import ServerChecks
from mosaic.node.server_info import OwnServerInfo
from mosaic.node.server_log import ServerLog
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.node.upkeep import Upkeep, blob_ledger, blob_upkeep
from mosaic.node.vault import Vault
from mosaic.server.live import Live
from mosaic.server.server import Server
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import EmbeddedStore
from mosaic.store.record_source import RecordSource


class Node(ActingHalf):
    """An open home. Made by `open`, ended by `stop`."""

    def __init__(
        self, home: Home, lock: HomeLock, settings: NodeSettings, db: PrivateDb, surroundings: Surroundings
    ) -> None:
        super().__init__()
        self.home = home
        self.live = Live(settings)
        self.db = db
        self.operating: Operating | None = None
        self.kind_counts = KindCounts()
        self.backups = ScheduledBackups(self)
        self.moving = Moving(self)
        self.followed_list = FollowedList(self)
        self.put_aside = PutAside(self)
        self.keys_heard = KeysHeard(self)
        self.log = ServerLog(self)
        self.server_checks = ServerChecks(self)
        self.outbox_checks = OutboxChecks(self)
        self.settings_file = home.folder / SETTINGS
        """Where the settings stand that a backup takes along; another file, if one was named."""
        self.surroundings = surroundings
        self.clock = surroundings.clock
        entropy = surroundings.entropy
        self._lock = lock
        self._stack = contextlib.AsyncExitStack()
        self._working = False
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._transport = settings.transport(home.temporary)
        vault = Vault(home_password(home, db, entropy), entropy)
        self.server_secret = server_secret(db, vault, entropy)
        self.people = People(db, vault, self.clock, entropy)
        self.bans = Bans(db, self.clock.now_ns)
        self.rules = Rules(db, self.people.serves, self.clock.now_ns, entropy)
        self.rules.first.append(self.log.rule)
        self.kept = self.rules.kept
        self.cache = Cache(self)

    @property
    def settings(self) -> NodeSettings:
        """The settings that hold now; who must act on new ones watches `live`."""
        return self.live.current

    def reconfigure(self, settings: NodeSettings) -> None:
        """Other settings hold from now on, as far as a running node can take them.

        Raises:
            InvalidUrl: a name by which the server is to be reached is none; nothing has changed then.
            SettingsInvalid: a rule of the operator's can't be loaded; nothing has changed then.
        """
        follow = self.rules.prepared(settings)
        self.server.reconfigure(settings.server)
        follow()
        self.listeners.announce_as(settings.public)
        self.live.replace(settings)
        self.announce()
        self.tell_changed()

    # --- opening ---------------------------------------------------------------------------------

    @classmethod
    async def open(
        cls,
        home: Home,
        lock: HomeLock,
        settings: NodeSettings | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        surroundings: Surroundings | None = None,
    ) -> Node:
        """Opens a home.

        Args:
            home: The home; its layout's version was checked.
            lock: Its lock; the node releases it when it stops.
            settings: Choices.
            progress: Told (bytes done, bytes in all) while the index is made again.
            surroundings: Time, randomness, links and the DHT; None = this machine's.

        Raises:
            LocalError: something of the home can't be opened; the lock is released.
        """
        settings = settings or NodeSettings()
        try:
            home_steps.begin(home)
            db = PrivateDb(home.private_db)
        except BaseException:
            lock.release()
            raise
        try:
            node = cls(home, lock, settings, db, surroundings or Surroundings())
            await node._start(progress)
        except BaseException as error:
            db.close()
            lock.release()
            if isinstance(error, sqlite3.DatabaseError):
                raise HomeDamaged(
                    f"a database of the home is damaged: {error}",
                    hint="Restore the newest backup that `mosaic backup test` finds good; keep this home.",
                ) from error
            raise
        return node

    async def _start(self, progress: Callable[[int, int], None] | None) -> None:
        async with contextlib.AsyncExitStack() as stack:
            store = await asyncio.to_thread(home_steps.open_records, self.home, progress)
            stack.callback(store.close)
            self.store: EmbeddedStore = store
            self.records = OwnRecords(RecordSource(store), self._everybody, self._schedule_wanted)
            self.everything = OwnRecords(RecordSource(store), lambda: None, self._schedule_wanted)
            self._client(stack)
            self.blobs = BlobStore(self.home.blobs, max_bytes=self.settings.server.blob_limit)
            self.ledger = blob_ledger(self.blobs, self.clock.now_ns())
            stack.callback(self.ledger.close)
            self.server = Server(
                store,
                self.blobs,
                self.settings.server,
                now_ns=self.clock.now_ns,
                served=self.rules.served.is_ours,
                people=self._ours,
                schedules=self.schedules,
                prover=server_prover(self.server_secret, self.surroundings.entropy),
                lookups=self.dht if self.dht.is_on else None,
                ledger=self.ledger,
                screener=self.rules.program,
                bans=self.bans.list,
            )
            self.bans.watch(self.server.bans_changed)
            self.server.ban_made = self.bans.made
            self.rules.rule(self.server, store, self.settings)
            self.server.blob_book.quota_of = self.rules.served.blob_bytes
            stack.push_async_callback(self.rules.program.stop)
            self.server.contacts.tell(self.db.all_followed())
            await self.server.start()
            stack.push_async_callback(self._stop_server)
            for erased in self.rules.erased.listed():
                await self.server.moderation.finish_erasure(erased.key.bytes, erased.until_ns)
            self.server.listen_changes(self.tell_stored)
            self.server.listen_changes(self.kind_counts.note)
            self.server.listen_changes(self.followed_list.stored)
            self.server.listen_changes(self.put_aside.stored)
            self.server.before_deletions(self.put_aside.deleting)
            self.server.listen_changes(self.keys_heard.note)
            self.listeners = Listeners(
                self.server,
                self._transport,
                self.server_secret,
                self.settings.public,
                make=self.surroundings.listener,
            )
            self._own_server = OwnServer(
                self.server,
                self.server_secret.public,
                self._transport,
                self.settings.client,
                self.clock.now_ns,
            )
            self._publishing = Publishing(
                self.records,
                self.directory,
                self.queue,
                self.deliveries,
                self.unaddressed,
                self.own,
                self.work_owed,
                self.clock.now_ns,
            )
            self.work_owed.publish_again = self._publish_again
            await self._publishing.publish_missing(self.people)
            self.comparing.told = self.outbox_checks.differed
            self.kept_items = kept_items(self)
            self._stack = stack.pop_all()

    def _ours(self) -> list[bytes]:
        """The master keys (32 bytes each) of who lives here or is listed."""
        return [*(person.key.bytes for person in self.people), *self.rules.served.keys()]

    # --- working ---------------------------------------------------------------------------------

    def work(self) -> None:
        """Begins to deliver what is queued and to read whom people follow, until `stop`."""
        self.deliveries.retry_now(self.clock.now_ns())
        self.dht.start()
        self._working = True
        self.announce()
        self.look_again()
        retention = self.server.moderation.retain(self.rules.retention)
        for job in (
            self.queue.run(),
            self.pool.maintain(),
            self.schedules.run(),
            self.keys_heard.run(),
            self.followed_list.run(),
            self.put_aside.run(),
            *self.reading_jobs(),
            Upkeep(self.store, self.settings.upkeep_s, retention).run(),
            blob_upkeep(self).run(),
            Mirrors(self).run(),
            self.backups.run(),
            self.bans.run(),
            self.kept_items.run(),
            *self.moving.jobs(),
            OwnServerInfo(self).run(),
            self.reputations.run(),
            self.server_checks.run(),
            self.outbox_checks.run(),
        ):
            self._tasks.append(asyncio.create_task(kept_up(job)))

    def announce(self) -> None:
        """Publishes where the own server is, and which servers the people of this home use."""
        if self._working and self.dht.is_on:
            where = announced(self.listeners, self.settings)
            roles = self.settings.roles
            self.dht.tell(where, to_tell(where, self.server_secret, self.people, roles))

    def look_again(self) -> None:
        """Looks for, reads and delivers to those who are followed or written to by now, if it works."""
        if not self._working:
            return
        followed = self.followed()
        self.server.contacts.tell(person.bytes for person in followed)
        self.seeker.want([*followed, *self.unaddressed.people(), *self._who_use_others()])
        self.follower.update()
        self.tell_changed()

    def _dht_changed(self) -> None:
        """The DHT was reached or lost, or something was published."""
        self.seeker.hurry()
        self.tell_changed()

    def _judged_anew(self, _server: PublicKey) -> None:
        """A server begins to fail, or does well again."""
        self.follower.judged_anew()
        self.server_checks.judge()
        self.tell_changed()

    def _found(self, key: PublicKey) -> None:
        """Something was found out about the servers of a key, or where a server is.

        Strangers have keys looked up as well, as many as they like: what is of no use here costs little.
        """
        other_devices.take_over(self, key)
        self.deliveries.retry_now(self.clock.now_ns(), key.bytes)
        self.queue.wake()
        if self.seeker.concerns(key):
            self._publishing.deliver_found()
            self.look_again()

    def listen(self, at: ListenAt) -> ServerUrl:
        """Listens for other people's clients; before `work`, which announces it. Raises ListenFailed."""
        return self.listeners.listen(at)

    @property
    def urls(self) -> list[ServerUrl]:
        """Where the server is reached."""
        return self.listeners.urls

    async def _stop_server(self) -> None:
        operating = self.operating
        asked = None if operating is None else operating.drain_s
        # What waits for the operator's program is answered before the server stops, with or without it.
        program = self.rules.program
        patience = asyncio.get_running_loop().call_later(self.settings.policy.program_wait_s, program.give_up)
        try:
            await self.server.stop(self.settings.stop_s if asked is None else asked)
        finally:
            patience.cancel()

    async def stop(self) -> None:
        """Stops everything in order: what is acknowledged is on disk, the store is marked clean.

        Asked again, it has nothing left to do.
        """
        if self._stopped:
            return
        self._stopped = True
        await self.pairings.stop()
        # A task that is cancelled before it has begun leaves its job behind, never awaited.
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.seeker.stop()
        await self.follower.stop()
        self._own_server.close()
        try:
            await self._stack.aclose()
        finally:
            self.db.close()
            self._lock.release()
