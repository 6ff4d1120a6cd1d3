"""A new device while it is paired: makes a key of its own, takes in what the other one hands over.

It keeps nothing until the other device has said that both could read. One on
which the person lives already is paired again: it keeps its key, and gets what
it lacks.

Source: identity.md, keyschedule.md; edition §4 (Encryption); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from mosaic.client.connection import Connection
from mosaic.core import key_schedule
from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.handover import Handover
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import SecretKey
from mosaic.core.pairing import RANDOM_BYTES, PairingCode
from mosaic.core.pairing_sides import NewSide
from mosaic.core.x25519 import KEY_LENGTH, X25519Secret
from mosaic.errors import InvalidKeySchedule, MosaicError, PairingFailed
from mosaic.node import own_history
from mosaic.node.key_book import Use
from mosaic.node.own_schedule import vouches_first
from mosaic.node.pairing import ANSWER_S, Running, differ, opened, sealed
from mosaic.node.pairing_line import Line, calling, say
from mosaic.node.people import Newcomer, Person
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

HELLO_AGAIN_S: Final = 5.0
"""After so long the first words are said once more, seconds."""
_SILENT = "the other device does not answer: is it still showing this code, and is it on?"


class Joining(Running):
    """Joins the devices of a person.

    Args:
        node: The open home.
        code: What the device in use shows.
        label: What this device is called.

    Raises:
        PairingFailed: the code is too old.
        InvalidMessage: the code holds no usable key.
    """

    def __init__(self, node: Node, code: PairingCode, label: str) -> None:
        super().__init__(node)
        self._code = code
        self._label = label
        self._known: Person | None = None
        if node.people.serves(code.person.bytes):
            self._known = node.people.find(code.person.user_text)
        self._device = SecretKey.from_seed(self.random(32)) if self._known is None else self._known.device
        self._speaker = SecretKey.from_seed(self.random(32))
        self._once = X25519Secret(self.random(KEY_LENGTH))
        attestation = Signer(code.person, self._device).attestation()
        self._side = NewSide(
            code,
            self._once,
            self._speaker.public,
            self.random(RANDOM_BYTES),
            attestation,
            label,
            self.now_ns(),
        )
        self._line = Line()
        self._connection: Connection | None = None

    async def _pair(self) -> None:
        try:
            async with calling(self.node, self._code.servers, self._speaker) as (
                self._line,
                self._connection,
            ):
                try:
                    await self._compare()
                    handover, schedule, secrets = await self._take()
                    await self._test(schedule, secrets)
                except (MosaicError, asyncio.CancelledError) as error:
                    await self._stop(str(error) or "it was given up")
                    raise
                person = await self._settle(handover, secrets)
            await self._history(person, handover)
        finally:
            self._once.erase()
            self._speaker.erase()

    # --- speaking ----------------------------------------------------------------------------------------

    async def _send(self, message: bytes) -> None:
        assert self._connection is not None
        signer = Signer(self._speaker.public, self._speaker)
        await say(self.node, self._connection, signer, self._code.person, message)

    async def _stop(self, why: str) -> None:
        """Tells the other device that it is over, if it can be told."""
        message = self._side.give_up(why)
        if message is not None:
            try:
                async with asyncio.timeout(1.0):
                    await self._send(message)
            except (MosaicError, TimeoutError) as error:
                log.info("the other device can't be told that it is over: %s", error)

    async def _step(self) -> None:
        """Takes what comes next. Raises PairingFailed."""
        self._side.check(self.now_ns())
        heard = await self._line.heard.get()
        self._connection = heard.connection
        if heard.record.author == self._code.person:
            reply = self._side.receive(heard.record.payload, self.now_ns())
            if reply is not None:
                await self._send(reply)

    async def _until(self, there: Callable[[], object], seconds: float, missing: str) -> None:
        """Listens until something is there. Raises PairingFailed."""
        try:
            async with asyncio.timeout(seconds):
                while not there():
                    await self._step()
        except TimeoutError:
            raise PairingFailed(missing) from None

    async def _compare(self) -> None:
        """Until a person has found the digits to be the same. Raises PairingFailed."""
        side = self._side
        for last in (False, True):
            await self._send(side.hello)
            try:
                await self._until(lambda: side.number, ANSWER_S if last else HELLO_AGAIN_S, _SILENT)
                break
            except PairingFailed:
                if last or side.failed is not None:
                    raise
        if self._known is None:
            self.node.people.check_name(side.name)
        self.tell("compare", number=side.number, other=side.name, until_ns=self._code.until_ns)
        while not self._agreed.done():
            coming = asyncio.ensure_future(self._step())
            awaited: set[asyncio.Future[Any]] = {coming, self._agreed}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                coming.result()
            else:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        if not self._agreed.result():
            raise differ()
        await self._send(side.agree(self.now_ns()))
        self.tell("agreed")

    # --- taking in ---------------------------------------------------------------------------------------

    async def _take(self) -> tuple[Handover, KeySchedule, list[X25519Secret]]:
        """What is handed over, once the other device's person has agreed as well."""
        side = self._side
        left_s = max(1.0, side.left_ns(self.now_ns()) / 1e9)
        await self._until(lambda: side.handover is not None, left_s, "nobody has agreed on the other device")
        self.tell("handing over")
        handover = Handover.parse(side.handover or b"")
        if handover.person != self._code.person or not handover.papers:
            raise PairingFailed("what was handed over is somebody else's")
        schedule = key_schedule.parse(handover.papers[0])
        if schedule.master != self._code.person or not schedule.may_sign(self._device.public):
            raise InvalidKeySchedule("the key schedule that was handed over does not list this device")
        secrets = [
            X25519Secret(each.secret)
            for each in handover.keys
            if each.use == Use.ENCRYPTION.value and each.secret is not None
        ]
        return handover, schedule, secrets

    async def _test(self, schedule: KeySchedule, secrets: list[X25519Secret]) -> None:
        """Decrypts the test, sends it back encrypted, and waits until that was read. Raises PairingFailed."""
        side = self._side
        self.tell("testing", device=self._device.public.user_text)
        await self._until(lambda: side.test is not None, ANSWER_S, "the test message did not come")
        content = opened(side.test or b"", schedule, secrets, not_by=self._device.public)
        signer = Signer(self._code.person, self._device)
        answer = sealed(self.node, signer, schedule, content)
        await self._send(side.answer(answer.data, self.now_ns()))
        await self._until(
            lambda: side.is_ready, ANSWER_S, "the other device does not say that it could read the test"
        )

    async def _settle(self, handover: Handover, secrets: list[X25519Secret]) -> Person:
        """Lets the person live here, or gives one who does what was lacking."""
        node, now = self.node, self.node.clock.now()
        person = self._known or self._taken_in(handover, secrets)
        book = node.people.book
        book.keep(person.key, self._device.public.bytes, Use.DEVICE, self._label, self._device, now)
        for each in handover.keys:
            if each.key == self._device.public.bytes:
                continue
            with contextlib.suppress(ValueError):
                book.hand_in(person.key, each.key, Use(each.use), each.label, each.secret, now)
        uses = {entry.key: entry.usage for entry in UserBootstrap.parse(handover.bootstrap).entries}
        for server in handover.servers:
            for url in server.urls:
                node.directory.learn(person.key, server.key, url, uses.get(server.key, Usage.OUTBOX))
        for followed in handover.followed:
            node.db.follow(person.key.bytes, followed.key.bytes, now)
            if followed.personas:
                node.db.follow_personas(person.key.bytes, followed.key.bytes, followed.personas)
        node.server.people_changed()
        await node.mirror([record.data for record in vouches_first(handover.papers)])
        node.came(person)
        return person

    def _taken_in(self, handover: Handover, secrets: list[X25519Secret]) -> Person:
        newcomer = Newcomer(
            name=handover.name,
            key=handover.person,
            master=None,
            device=self._device,
            encryption=secrets,
            bootstrap=handover.bootstrap,
            schedule=handover.papers[0],
            made_ns=self.node.clock.now(),
        )
        return self.node.people.take_in(newcomer)

    async def _history(self, person: Person, handover: Handover) -> None:
        """Fetches what the person wrote and was sent, from whichever servers answer."""
        self.tell("history")
        node, reached = self.node, False
        async for received in own_history.fetch(node, person, [each.key for each in handover.servers]):
            reached = True
            self.tell("history", records=received)
        node.look_again()
        if not reached:
            self.tell("history", note=own_history.UNREAD, hint=own_history.UNREAD_HINT)
