"""What commands do, by name: the same code in a command's own process and behind the node's socket.

Every act takes a JSON object and gives any number of JSON objects, the ones
that `--json` prints. An act names its person with `as` (the first one of the
home if it does not) and another server with `server` and `key`.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core import kinds
from mosaic.core.record import Record
from mosaic.node import key_list, my_servers, shapes, states
from mosaic.node.admin_acts import AdminActs
from mosaic.node.admin_people import AdminPeople
from mosaic.node.arguments import Arguments
from mosaic.node.backup import BackupActs
from mosaic.node.ban_acts import BanActs
from mosaic.node.bootstrap_acts import BootstrapActs
from mosaic.node.check import CheckActs
from mosaic.node.control import Act, Items, Json, JsonObject
from mosaic.node.dht_acts import DhtActs
from mosaic.node.exchange_acts import ExchangeActs
from mosaic.node.finder import Finder
from mosaic.node.finding_acts import FindingActs
from mosaic.node.joining import JoiningActs
from mosaic.node.keep_acts import KeepActs
from mosaic.node.key_acts import KeyActs
from mosaic.node.live_acts import LiveActs
from mosaic.node.master_acts import MasterActs
from mosaic.node.moderation_acts import ModerationActs
from mosaic.node.moving_acts import MovingActs
from mosaic.node.pairing_acts import PairingActs
from mosaic.node.people import Person
from mosaic.node.publishing_acts import PublishingActs
from mosaic.node.reading_acts import ReadingActs
from mosaic.node.recovery import RecoveryActs
from mosaic.node.server_acts import ServerActs
from mosaic.node.shapes import deliveries_object, delivery_object, time_fields
from mosaic.node.sync_acts import SyncActs
from mosaic.node.synced import SyncMemory

if TYPE_CHECKING:
    from mosaic.node.node import Node


class Acts:
    """All acts of one node.

    Args:
        node: The open home.
        working: Whether the node delivers and follows (it serves), or only acts and ends.
    """

    def __init__(self, node: Node, *, working: bool) -> None:
        self._node = node
        self._log = node.log
        self._working = working
        finder = Finder(node)
        self._publishing = PublishingActs(node, finder, working=working)
        self._reading = ReadingActs(node, finder, working=working)
        self._servers = ServerActs(node, finder)
        self._bootstraps = BootstrapActs(node, finder)
        self._moving = MovingActs(node, finder, working=working)
        self._keys = KeyActs(node, finder, working=working)
        self._master = MasterActs(node, finder)
        self._live = LiveActs(node, finder)
        self._finding = FindingActs(node)
        self._pairing = PairingActs(node, finder, working=working)
        self._keeping = KeepActs(node, finder, working=working)
        self._recovery = RecoveryActs(node, finder, working=working)
        self._finder = finder

    def table(self) -> dict[str, Act]:
        """Every act by its name."""
        return {
            "init": self.init,
            "people": self.people,
            "status": self.status,
            "queue": self.queue,
            "deliveries": self.deliveries,
            **self._publishing.table(),
            **self._reading.table(),
            **self._servers.table(),
            **self._bootstraps.table(),
            **self._moving.table(),
            **self._live.table(),
            **self._finding.table(),
            **self._keys.table(),
            **self._master.table(),
            **self._pairing.table(),
            **self._recovery.table(),
            **self._keeping.table(),
            **JoiningActs(self._node, working=self._working).table(),
            **ExchangeActs(self._node).table(),
            **SyncActs(self._node).table(),
            **BackupActs(self._node).table(),
            **CheckActs(self._node).table(),
            **AdminActs(self._node, self._log).table(),
            **AdminPeople(self._node, self._log).table(),
            **ModerationActs(self._node, self._log).table(),
            **BanActs(self._node, self._log).table(),
            "dht_publish": DhtActs(self._node, working=self._working).publish,
        }

    async def init(self, given: JsonObject) -> Items:
        """Makes a person: `name`."""
        person = await self._node.make_person(Arguments(given).text("name"))
        yield self._person_object(person)

    async def people(self, _given: JsonObject) -> Items:
        """Who lives in this home."""
        for person in self._node.people:
            yield self._person_object(person)

    def _person_object(self, person: Person) -> JsonObject:
        return {
            "name": person.name,
            "key": person.key.user_text,
            "device": person.device.public.user_text,
            "server": self._node.server_secret.public.server_text,
            "home": str(self._node.home.folder),
            "bootstrap": person.bootstrap,
        }

    async def status(self, given: JsonObject) -> Items:
        """How the node does; with `watch` again whenever that has changed, without end.

        With `traffic` what passed to and from each server, and the DHT, instead, once.
        """
        if Arguments(given).flag("traffic"):
            passed, dht = self._node.pool.passed, self._node.dht.passed
            yield {"traffic": [*shapes.traffic_objects(passed)], "dht": shapes.dht_traffic_object(dht)}
            return
        told = self._status()
        yield told
        if not Arguments(given).flag("watch"):
            return
        with self._node.changes() as changed:
            while True:
                await changed.wait()
                changed.clear()
                if (now := self._status()) != told:
                    told = now
                    yield told

    def _status(self) -> JsonObject:
        node = self._node
        return {
            "home": str(node.home.folder),
            "server": node.server_secret.public.server_text,
            "serving": self._working,
            "urls": [str(url) for url in node.urls],
            "people": [person.name for person in node.people],
            "share": [person.key.user_text for person in node.people],
            "servers": [shapes.server_object(server) for server in states.servers(node)],
            "dht": shapes.dht_object(states.dht(node)),
            "waiting": node.queue.waiting,
            "deliveries": [shapes.waiting_object(each) for each in node.deliveries.by_server()],
            "unaddressed": node.unaddressed.waiting(),
            "syncs": [shapes.sync_object(each) for each in SyncMemory(node.db).states()],
            "store": {name: str(value) for name, value in node.store.stats().items()},
            "alarms": [shapes.trouble_object(each) for each in my_servers.troubles(node)],
            "keys_gone": [person.name for person in node.people if key_list.is_gone(node, person)],
            "clock_warning": node.clock.warning(),
            "warnings": [] if node.operating is None else list[Json](node.operating.cares()),
        }

    async def queue(self, given: JsonObject) -> Items:
        """What waits to be delivered to other servers; with `refused` what they refused in the last month."""
        if Arguments(given).flag("refused"):
            for delivery in self._node.deliveries.refused(1_000):
                yield _waiting_record(delivery.record, delivery_object(delivery))
            return
        for delivery in self._node.deliveries.queued(1_000):
            yield _waiting_record(delivery.record, delivery_object(delivery))
        for letter in self._node.unaddressed.all(1_000):
            note = states.of_person(self._node, letter.person) if self._working else "no server is known"
            yield _waiting_record(letter.record, shapes.letter_object(letter, note))

    async def deliveries(self, given: JsonObject) -> Items:
        """How the record that `reference` names (the newest of an address) stands towards all its servers."""
        record = await self._finder.find(Arguments(given))
        yield {
            "address": record.address.text,
            "id": record.id.text,
            **deliveries_object(self._node.queue.of_record(record.id.bytes)),
            "unreached": [person.user_text for person in self._node.unreached(record)],
        }


def _waiting_record(data: bytes, standing: JsonObject) -> JsonObject:
    """A record (its bytes) that goes to another server, and how that stands."""
    record = Record(data)
    what: JsonObject = {
        "id": record.id.text,
        "address": record.address.text,
        "kind_name": kinds.name(record.kind),
    }
    return {**what, **standing, **time_fields(record.timestamp)}
