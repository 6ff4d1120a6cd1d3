"""Coming to live in another home with the master key: after a laptop was stolen or lost.

The person's outboxes tell which keys there are; this machine gets a device key
and a key to encrypt to of its own, and both go into the schedule. The master
key stays in its file unless it is asked to be kept here.

Source: identity.md, keyschedule.md, bootstrap.md; this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Entry
from mosaic.core.url import ServerUrl
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidBootstrap, Unreachable
from mosaic.node import master as masters
from mosaic.node import own_history
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.home_finder import HomeFinder
from mosaic.node.master import Master
from mosaic.node.own_schedule import OwnSchedule, vouches_first
from mosaic.node.people import Newcomer, Person
from mosaic.node.shapes import deliveries_object
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node

_EVERYTHING = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION


class JoiningActs:
    """How somebody who has the master key comes to live here.

    Args:
        node: The open home.
        working: Whether the node delivers by itself.
    """

    def __init__(self, node: Node, *, working: bool) -> None:
        self._node = node
        self._schedules = OwnSchedule(node, working=working)

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"join": self.join}

    async def join(self, given: JsonObject) -> Items:
        """Takes in the person whose master key is in `master` (`password`), called `name` here.

        What the person wrote, was sent and whom he follows comes along from servers that are reached.

        `server_key` and `url` name an outbox, if the DHT does not tell; `keep_master` keeps the
        master key in this home; `offline` goes on without having read any outbox.

        Raises:
            Unreachable: no outbox could be read, so other devices' keys might be lost.
            HomeExists: the person, or one of that name, lives here.
            WrongPassword: the password does not open the master key.
            InvalidSecretKey: the file holds none, or another one than of the person whom it names.
        """
        arguments = Arguments(given)
        name, unlocking = arguments.text("name"), arguments.unlocking()
        self._node.people.check_name(name)
        text = unlocking.sealed or arguments.text("master")
        with await masters.opened(unlocking, masters.sealed_in(text)) as master:
            masters.check_named(text, master.public)
            outboxes = await self._outboxes(master.public, arguments)
            offline = arguments.flag("offline")
            if not outboxes and not offline:
                raise Unreachable(
                    "it is not known where this person's outboxes are",
                    hint="Name one with --server mosrv0… --url URL; --offline begins without any.",
                )
            person, records = await self._take_in(name, master, outboxes, arguments)
            async with self._schedules.delivering():
                for record in records:
                    await self._node.publish(person, record)
                last = records[-1].id.bytes
                deliveries = await self._node.queue.settled(last, self._node.settings.settle_s)
                self._node.came(person)
                brought = await self._bring(person, master, outboxes)
        yield {
            "name": person.name,
            "key": person.key.user_text,
            "device": person.device.public.user_text,
            "server": self._node.server_secret.public.server_text,
            "home": str(self._node.home.folder),
            "bootstrap": person.bootstrap,
            **deliveries_object(deliveries),
            **brought,
        }

    async def _bring(self, person: Person, master: Master, outboxes: list[PublicKey]) -> JsonObject:
        """Fetches what the person wrote and was sent, and whom he follows, as far as a server is reached."""
        records, reached = 0, False
        async for received in own_history.fetch(self._node, person, outboxes):
            records, reached = received, True
        followed = await self._node.followed_list.recover(person, master)
        self._node.look_again()
        told: JsonObject = {"records": records, "followed": followed}
        if reached:
            return {**told, "note": "", "hint": ""}
        return {**told, "note": own_history.UNREAD, "hint": own_history.UNREAD_HINT}

    async def _take_in(
        self, name: str, master: Master, outboxes: list[PublicKey], arguments: Arguments
    ) -> tuple[Person, list[Record]]:
        """The person, with new keys of this machine, and what is to be published: the schedule."""
        node, entropy = self._node, self._node.surroundings.entropy
        key, offline = master.public, arguments.flag("offline")
        editing, found = await self._schedules.read_from(key, None, outboxes, offline=offline)
        device, box = SecretKey.from_seed(entropy(32)), X25519Secret(entropy(32))
        editing.add(Entry.signing(Signer(key, device).attestation()))
        editing.add(Entry.encryption(box.public))
        schedule = self._schedules.made(master, editing)
        newcomer = Newcomer(
            name=name,
            key=key,
            master=master.secret() if arguments.flag("keep_master") else None,
            device=device,
            encryption=[box],
            bootstrap=self._bootstrap(key, outboxes).text,
            schedule=schedule,
            made_ns=node.clock.now(),
        )
        person = node.people.take_in(newcomer)
        node.server.people_changed()
        await node.mirror([record.data for record in vouches_first(found)])
        return person, [schedule]

    def _bootstrap(self, key: PublicKey, outboxes: list[PublicKey]) -> UserBootstrap:
        """The servers that the person uses, and this home's beside them if there is room."""
        mine = ServerUse(_EVERYTHING, self._node.server_secret.public)
        published = self._node.bootstraps.user(key)
        known = published.entries if published is not None else ()
        entries = known or tuple(ServerUse(_EVERYTHING, server) for server in outboxes)
        try:
            joined = UserBootstrap((*entries, mine))
            joined.publishable()
        except InvalidBootstrap:
            return UserBootstrap(entries)
        return joined

    async def _outboxes(self, key: PublicKey, arguments: Arguments) -> list[PublicKey]:
        """Where the person publishes: the outbox that was named, and those in the DHT."""
        node, named = self._node, arguments.optional_text("server_key")
        if named is not None:
            url = arguments.optional_text("url")
            server = PublicKey.parse_server(named)
            node.directory.learn(key, server, None if url is None else ServerUrl.parse(url), Usage.OUTBOX)
        finder = HomeFinder(node.directory, node.lookups)
        return list(await finder.servers_of(key, Usage.OUTBOX, fresh=named is None))
