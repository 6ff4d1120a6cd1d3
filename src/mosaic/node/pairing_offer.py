"""The device in use while a second one is paired: shows the code, adds the new key, hands over.

Source: identity.md, keyschedule.md; edition §4 (Encryption); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING, Any, Final

from mosaic.client.connection import Connection
from mosaic.core import key_schedule
from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.handover import Followed, HandedKey, Handover, named
from mosaic.core.invite_link import NamedServer
from mosaic.core.key_schedule import Standing
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import PROFILE
from mosaic.core.pairing import LIFETIME_NS, RANDOM_BYTES, SECRET_BYTES, PairingCode
from mosaic.core.pairing_sides import OldSide
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Entry, Marker
from mosaic.core.x25519 import KEY_LENGTH, X25519Secret
from mosaic.errors import MasterAway, MosaicError, PairingFailed, Undecryptable
from mosaic.node.key_book import Use
from mosaic.node.master import MasterPlace, Unlocking
from mosaic.node.own_schedule import OwnSchedule
from mosaic.node.pairing import ANSWER_S, TEST_BYTES, Running, differ, opened, sealed
from mosaic.node.pairing_line import Line, listening, own_urls, say
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SHARED: Final = {Use.ENCRYPTION, Use.PERSONA}
_MOST_VOUCHES: Final = 60
_LOOK_S: Final = 1.0
_NO_MASTER: Final = (
    "A new device gets a place in your key schedule, which the master key signs: `mosaic pair --master FILE`"
    " gives it, or pair with a device that has it."
)


class Offer(Running):
    """Shows a code, and hands over to the device that has it.

    Args:
        node: The open home.
        person: Whose new device.
        unlocking: What opens the master key.
        working: Whether the node delivers by itself.
    """

    def __init__(self, node: Node, person: Person, unlocking: Unlocking, *, working: bool) -> None:
        super().__init__(node)
        self._person = person
        self._unlocking = unlocking
        self._schedules = OwnSchedule(node, working=working)
        self._line = Line()
        self._connection: Connection | None = None
        self.shown = ""
        """The code that was shown; empty until then."""

    async def check(self) -> None:
        """Whether the master key can be had; whoever lacks it learns so before a code is shown.

        Raises:
            MasterAway: it is not on this machine, and no file was given.
            PasswordNeeded: it is under a password, and none was given.
            WrongPassword: the password does not open it.
            InvalidSecretKey: the file holds another key, or none.
        """
        people = self.node.people
        if people.book.master_place(self._person.key) is MasterPlace.AWAY and self._unlocking.sealed is None:
            raise MasterAway(hint=_NO_MASTER)
        with await people.unlock(self._person, self._unlocking):
            pass

    async def _pair(self) -> None:
        once = X25519Secret(self.random(KEY_LENGTH))
        try:
            async with listening(self.node, self._person) as self._line:
                until, servers = self.now_ns() + LIFETIME_NS, tuple(self._line.servers)
                secret = self.random(SECRET_BYTES)
                code = PairingCode(self._person.key, once.public, secret, until, servers)
                side = OldSide(code, once, self.random(RANDOM_BYTES), self._person.name)
                self.shown = code.text
                self.tell("waiting", code=code.text, until_ns=until)
                try:
                    await self._compare(side)
                    await self._hand_over(side)
                except (MosaicError, asyncio.CancelledError) as error:
                    await self._stop(side, str(error) or "it was given up")
                    raise
        finally:
            self._unlocking = Unlocking()
            once.erase()

    # --- speaking ----------------------------------------------------------------------------------------

    async def _send(self, side: OldSide, message: bytes) -> None:
        assert side.speaker is not None
        assert self._connection is not None
        await say(self.node, self._connection, self._person.signer, side.speaker, message)

    async def _stop(self, side: OldSide, why: str) -> None:
        """Tells the other device that it is over, if it can be told."""
        message = side.give_up(why)
        if message is not None:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._send(side, message)
            except (MosaicError, TimeoutError) as error:
                log.info("the new device can't be told that it is over: %s", error)

    async def _step(self, side: OldSide) -> None:
        """Takes what comes next, or waits a moment for the person. Raises PairingFailed."""
        side.check(self.now_ns())
        coming = asyncio.ensure_future(self._line.heard.get())
        awaited: set[asyncio.Future[Any]] = {coming} if self._agreed.done() else {coming, self._agreed}
        await asyncio.wait(awaited, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            return
        heard = coming.result()
        author = heard.record.author
        if heard.record.signer != author:
            return
        reply = side.receive(author, heard.record.payload, self.now_ns())
        if author == side.speaker:
            self._connection = heard.connection
        if reply is not None:
            await self._send(side, reply)

    async def _compare(self, side: OldSide) -> None:
        """Until the digits are found the same on both devices. Raises PairingFailed."""
        while not (side.agreed and self._agreed.done()):
            await self._step(side)
            if side.number and not self.now.number:
                self.tell("compare", number=side.number, other=side.label, code="")
            if self._agreed.done():
                if not self._agreed.result():
                    raise differ()
                if self.now.state == "compare":
                    self.tell("agreed")

    # --- handing over ------------------------------------------------------------------------------------

    async def _hand_over(self, side: OldSide) -> None:
        self.tell("handing over")
        entry = Entry.signing(side.attestation)
        known = self.node.records.schedule(self._person.key)
        # One that is paired again had its place before, and keeps it whatever happens now.
        is_new = known is None or known.standing(PublicKey(entry.subkey)) is Standing.UNLISTED
        schedule = await self._listed(entry, side.label)
        try:
            for message in side.hand_over(self._handover(schedule).encode(), self.now_ns()):
                await self._send(side, message)
            self.tell("testing", device=PublicKey(entry.subkey).user_text)
            await self._test(side, schedule)
        except (MosaicError, asyncio.CancelledError):
            if is_new:
                await self._unlisted(entry)
            raise
        await self._send(side, side.ready())

    async def _test(self, side: OldSide, record: Record) -> None:
        """Sends something to be decrypted, and decrypts what comes back. Raises PairingFailed."""
        schedule, test = key_schedule.parse(record), self.random(TEST_BYTES)
        await self._send(side, side.test(sealed(self.node, self._person.signer, schedule, test).data))
        try:
            async with asyncio.timeout(ANSWER_S):
                while side.answer is None:
                    await self._step(side)
        except TimeoutError:
            raise PairingFailed("the new device does not answer the test message") from None
        secrets = self.node.people.encryption_secrets(self._person)
        answer = opened(side.answer, schedule, secrets, not_by=self._person.device.public)
        if not hmac.compare_digest(answer, test):
            raise Undecryptable("the new device sent something else back than was encrypted to it")

    async def _listed(self, entry: Entry, label: str) -> Record:
        """The key schedule with the new device in it, published."""
        person, people = self._person, self.node.people
        with await people.unlock(person, self._unlocking) as master:
            async with people.turn(person.key):
                editing = await self._schedules.read(person, offline=False)
                editing.add(entry)
                mine = {secret.public for secret in people.encryption_secrets(person)}
                if not mine.intersection(editing.active(Marker.ACTIVE_ENCRYPTION_KEY)):
                    self._schedules.new_box(person, editing)
                people.book.keep(person.key, entry.subkey, Use.DEVICE, label, None, self.node.clock.now())
                return (await self._schedules.publish(person, master, editing)).schedule

    async def _unlisted(self, entry: Entry) -> None:
        """Revokes the key of a device that was not paired after all."""
        try:
            people, person = self.node.people, self._person
            with await people.unlock(person, self._unlocking) as master:
                async with people.turn(person.key):
                    editing = await self._schedules.read(person, offline=True)
                    editing.mark(entry.subkey, Marker.REVOKED_ALL, self.node.clock.now())
                    await self._schedules.publish(person, master, editing)
        except MosaicError as error:
            log.warning("the key of a device that was not paired stays in the key schedule: %s", error)

    def _handover(self, schedule: Record) -> Handover:
        node, person = self.node, self._person
        wanted = Filter.of(authors=[person.key], signers=[person.key], kinds=[PROFILE, VOUCH])
        papers = list(node.records.newest_first(wanted))
        vouches = [record for record in papers if record.kind == VOUCH][:_MOST_VOUCHES]
        profile = [record for record in papers if record.kind == PROFILE][:1]
        personas = node.db.personas(person.key.bytes)
        return Handover(
            name=person.name,
            person=person.key,
            bootstrap=person.bootstrap,
            papers=(schedule, *vouches, *profile),
            keys=tuple(self._keys()),
            followed=tuple(
                Followed(PublicKey(key), tuple(sorted(personas.get(key, ()))))
                for key in node.db.follows(person.key.bytes)
            ),
            servers=self._servers(),
        )

    def _keys(self) -> list[HandedKey]:
        book, person = self.node.people.book, self._person
        found = [HandedKey(person.device.public.bytes, Use.DEVICE.value, "", None)]
        for own in book.keys(person.key):
            secret = book.revealed(own) if own.use in _SHARED else None
            found.append(HandedKey(own.key, own.use.value, own.label, secret))
        return found

    def _servers(self) -> tuple[NamedServer, ...]:
        """Where the servers of the person listen, this one first."""
        own = NamedServer(self.node.server_secret.public, tuple(own_urls(self.node)))
        entries = UserBootstrap.parse(self._person.bootstrap).entries
        others = (self.node.directory.address(entry.key) for entry in entries if entry.key != own.key)
        return named([own, *(NamedServer(each.key, each.urls) for each in others)])
