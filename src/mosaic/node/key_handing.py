"""Keys between the devices of a person after their pairing: whoever changes them hands over what is new.

    each device     tells, signed by its own key, to which X25519 key it wants keys handed over
    whoever edits   hands over to the devices that may sign, as the master key is open for the edit
    the others      take what the key schedule lists

Only to keys that this home knows to be devices: a persona looks the same in the
key schedule, and a thief may have its secret. Who was not thought of is told so
(`mosaic key list`) and pairs again; until then messages wait.

Source: keyschedule.md; edition §4 (Encryption); `mosaic.core.key_handover`.
"""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mosaic.client import sealing
from mosaic.client.sealing import Recipient
from mosaic.core import encryption, key_handover, x25519
from mosaic.core.community_kinds import KEY_HANDOVER
from mosaic.core.encryption import MAX_STANZAS
from mosaic.core.filter import Filter
from mosaic.core.handover import HandedKey
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.schedule_entry import ATTESTATION, Entry
from mosaic.core.x25519 import KEY_LENGTH
from mosaic.errors import FormatError, MosaicError, Undecryptable
from mosaic.node.key_book import OwnKey, Use, labels
from mosaic.node.master import Master
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_LOOKED_AT: Final = 64
"""How many of a person's newest are looked at: each device has one of each form."""
_REMEMBERED: Final = 256


class KeyHanding:
    """Hands over, and takes what was handed over. Belongs to the thread of the event loop.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()

    # --- telling where to ------------------------------------------------------------------------------

    async def tell(self, person: Person) -> bool:
        """Publishes to which key this device wants keys handed over, if others need it; whether it did.

        Raises:
            Refused: the own server does not take it.
        """
        device, schedule = person.device, self._node.everything.schedule(person.key)
        if schedule is None or not schedule.may_sign(device.public) or len(schedule.signing_keys()) < 2:
            return False
        wanted = key_handover.secret_of(device).public
        mine = Filter.of(authors=[person.key], signers=[device.public], kinds=[KEY_HANDOVER])
        if any(record.payload == wanted for record in self._node.everything.newest_first(mine, 1)):
            return False
        record = person.signer.record(
            kind=KEY_HANDOVER,
            nonce=key_handover.nonce_of(device.public, device.public),
            timestamp=self._node.clock.now(),
            payload=wanted,
        )
        await self._node.publish(person, record)
        return True

    # --- handing over ----------------------------------------------------------------------------------

    def handed(self, person: Person, master: Master, schedule: KeySchedule) -> Record | None:
        """What goes out with a key schedule: this home's keys, for the other devices in it.

        None where no other device is known that has told where to.

        Args:
            person: Whose.
            master: The person's master key.
            schedule: The schedule that is about to hold.
        """
        to = list(self._recipients(person, schedule))[:MAX_STANZAS]
        if not to:
            return None
        now = self._node.clock.now()
        at = key_handover.nonce_of(person.key, person.device.public)
        head = encryption.record_head(
            nonce=at, kind=KEY_HANDOVER, author=person.key, signer=person.key, timestamp=now
        )
        content = key_handover.encode(self._keys(person))
        return master.handover(sealing.seal(content, to, head), now, at)

    def _recipients(self, person: Person, schedule: KeySchedule) -> Iterator[Recipient]:
        """The other devices, the newest first."""
        book = self._node.people.book
        others = [own for own in book.keys(person.key) if _is_elsewhere(own)]
        for own in reversed(others):
            device = PublicKey(own.key)
            if device == person.device.public or not schedule.may_sign(device):
                continue
            told = Filter.of(authors=[person.key], signers=[device], kinds=[KEY_HANDOVER])
            for record in self._node.everything.newest_first(told, 1):
                if len(record.payload) == KEY_LENGTH and x25519.is_usable(record.payload):
                    yield Recipient(person.key, record.payload)

    def _keys(self, person: Person) -> Iterator[HandedKey]:
        """What to encrypt to comes with its secret; of devices it is told that they are some."""
        book = self._node.people.book
        yield HandedKey(person.device.public.bytes, Use.DEVICE.value, "", None)
        for own in reversed(book.keys(person.key)):
            secret = book.revealed(own) if own.use is Use.ENCRYPTION else None
            if own.is_certain:
                yield HandedKey(own.key, own.use.value, own.label, secret)

    # --- taking ----------------------------------------------------------------------------------------

    def take(self, person: Person) -> int:
        """Takes what other devices have handed over; how many keys are new here."""
        node = self._node
        schedule = node.everything.schedule(person.key)
        if schedule is None:
            return 0
        found = Filter.of(authors=[person.key], signers=[person.key], kinds=[KEY_HANDOVER])
        new = 0
        for record in node.everything.newest_first(found, _LOOKED_AT):
            # Once for each schedule: what came before the schedule that lists it is taken with that.
            place = (record.id.bytes, schedule.id.bytes)
            if place in self._seen:
                continue
            self._seen[place] = None
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            try:
                new += self._take(person, schedule, record)
            except Undecryptable:
                continue  # made by this device itself, or before it was one
            except FormatError as error:
                log.warning("what another device of %s handed over can't be read: %s", person.name, error)
        if new:
            log.info("another device of %s has handed over %d keys", person.name, new)
            node.tell_changed()
        return new

    def _take(self, person: Person, schedule: KeySchedule, record: Record) -> int:
        book, now = self._node.people.book, self._node.clock.now()
        secrets = [key_handover.secret_of(device) for device in self._devices(person)]
        handed = key_handover.parse(encryption.opened_record(record, person.key, secrets))
        listed = {entry.subkey: entry for entry in schedule.entries}
        known = labels(book.keys(person.key))
        new = 0
        for each in handed:
            entry, own = listed.get(each.key), known.get(each.key)
            if entry is None or each.key == person.device.public.bytes or not _is_news(each, own):
                continue
            with contextlib.suppress(ValueError):
                use = Use(each.use)
                if _fits(use, entry):
                    secret = each.secret if use is Use.ENCRYPTION else None
                    book.hand_in(person.key, each.key, use, each.label, secret, now)
                    new += 1
        return new

    def _devices(self, person: Person) -> Iterator[SecretKey]:
        """The secrets that sign, or signed, on this machine."""
        yield person.device
        for own in self._node.people.book.keys(person.key):
            if own.use is Use.DEVICE and own.sealed is not None:
                secret = self._node.people.book.signing_secret(person.key, own.key)
                if secret is not None:
                    yield secret

    # --- both ------------------------------------------------------------------------------------------

    async def look(self, person: Person) -> None:
        """Takes what there is, and tells where to hand over more; what fails is tried again later."""
        try:
            self.take(person)
            await self.tell(person)
        except MosaicError as error:
            log.warning("keys of %s can't be handed over between devices now: %s", person.name, error)


def _is_elsewhere(own: OwnKey) -> bool:
    """Whether a key is surely that of another device."""
    return own.use is Use.DEVICE and own.is_certain and own.sealed is None


def _is_news(handed: HandedKey, own: OwnKey | None) -> bool:
    return own is None or not own.is_certain or (handed.secret is not None and own.sealed is None)


def _fits(use: Use, entry: Entry) -> bool:
    """Whether a key is listed as what it is said to be for."""
    return (entry.kind == ATTESTATION) is (use is not Use.ENCRYPTION)
