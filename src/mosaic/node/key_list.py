"""A person's keys as acts and pages tell them: which there are, how each stands, and what is advised.

Source: keyschedule.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core import human
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.core.schedule_entry import ATTESTATION, Algorithm, Entry, Marker
from mosaic.core.schedule_merge import lacks
from mosaic.node import recovery_due
from mosaic.node.control import Json, JsonObject
from mosaic.node.key_book import OwnKey, Use
from mosaic.node.master import MasterPlace
from mosaic.node.own_schedule import Editing, OwnSchedule
from mosaic.node.person import Person
from mosaic.node.shapes import time_fields

if TYPE_CHECKING:
    from mosaic.node.node import Node

_STATES = {
    Marker.ACTIVE_SIGNING_KEY: "active",
    Marker.ACTIVE_ENCRYPTION_KEY: "active",
    Marker.ACTIVE_NOSTR_KEY: "active",
    Marker.OUT_OF_USE: "out of use",
    Marker.REVOKED_PAST: "revoked since",
    Marker.REVOKED_ALL: "revoked",
}
_SIGNS_HERE = frozenset({Use.DEVICE, Use.PERSONA})
_NO_ENCRYPTION = "Nobody can encrypt anything to you yet: `mosaic key add encryption` makes a key for it."
_MASTER_HERE = (
    "The master key lies on this machine, and whoever takes this machine takes it, too:"
    " `mosaic key master export FILE`, then `mosaic key master forget FILE`."
)
_UNMERGED = "Another device has changed the keys at the same time: `mosaic key merge` joins both."
_NOT_MINE = "This machine's own key is not in use any more: `mosaic key roll` makes a new one."
_UNREADABLE = (
    "Your encryption key was rolled on another device: new messages are encrypted to keys that only other"
    " devices of yours have. They are kept here and open once this one is paired again: `mosaic pair` on a"
    " device that reads them, `mosaic pair join` here."
)


def key_text(key: bytes, use: Use) -> str:
    """How a key (32 bytes) is written: mopub0… of what signs, 64 digits of nostr, else z-base-32."""
    if use is Use.NOSTR:
        return key.hex()
    return human.z_base_32(key) if use is Use.ENCRYPTION else PublicKey(key).user_text


def use_of(entry: Entry, kept: OwnKey | None) -> Use:
    """What a key of a schedule is for; `kept` is what this home keeps of it."""
    if entry.kind != ATTESTATION:
        return Use.ENCRYPTION
    if entry.algorithm is Algorithm.SECP256K1:
        return Use.NOSTR
    return Use.DEVICE if kept is None else kept.use


def is_gone(node: Node, person: Person) -> bool:
    """Whether the key that signs on this machine was revoked or retired, by what this home knows."""
    schedule = node.records.schedule(person.key)
    return schedule is not None and not schedule.may_sign(person.device.public)


class KeyList:
    """Tells of a person's keys; asks nobody.

    Args:
        node: The open home.
        schedules: What this home knows of schedules.
    """

    def __init__(self, node: Node, schedules: OwnSchedule) -> None:
        self._node = node
        self._schedules = schedules

    def of_person(self, person: Person) -> JsonObject:
        """A person with all keys and what is advised about them."""
        node = self._node
        editing = self.known(person)
        kept = {own.key: own for own in node.people.book.keys(person.key)}
        return {
            "name": person.name,
            "key": person.key.user_text,
            "device": person.device.public.user_text,
            "server": node.server_secret.public.server_text,
            "home": str(node.home.folder),
            "bootstrap": person.bootstrap,
            "master": node.people.book.master_place(person.key).value,
            "keys": [self._key(person, entry, kept.get(entry.subkey)) for entry in editing.entries],
            "advice": list[Json](self._advice(person, editing)),
        }

    def known(self, person: Person) -> Editing:
        """The schedule by what this home knows."""
        newest: KeySchedule | None = self._node.records.schedule(person.key)
        return Editing(list(self._schedules.at_hand(person)), newest)

    def _advice(self, person: Person, editing: Editing) -> list[str]:
        book, advice = self._node.people.book, []
        boxes = editing.active(Marker.ACTIVE_ENCRYPTION_KEY)
        if not boxes:
            advice.append(_NO_ENCRYPTION)
        elif not {secret.public for secret in book.encryption_secrets(person.key)}.intersection(boxes):
            advice.append(_UNREADABLE)
        if person.device.public.bytes not in editing.active(Marker.ACTIVE_SIGNING_KEY):
            advice.append(_NOT_MINE)
        if editing.newest is not None and lacks(editing.newest, editing.entries):
            advice.append(_UNMERGED)
        if book.master_place(person.key) is MasterPlace.HOME:
            advice.append(_MASTER_HERE)
        if recovery_due.is_due(self._node, person):
            advice.append(recovery_due.DUE)
        return advice

    def _key(self, person: Person, entry: Entry, kept: OwnKey | None) -> JsonObject:
        use, current = use_of(entry, kept), entry.subkey == person.device.public.bytes
        since = {} if not entry.timestamp else time_fields(entry.timestamp, "since")
        return {
            "key": key_text(entry.subkey, use),
            "use": use.value,
            "label": "" if kept is None else kept.label,
            "state": _STATES[entry.marker],
            **since,
            **(self._used(person, entry.subkey) if use in _SIGNS_HERE else {}),
            "current": current,
            "here": current or (kept is not None and kept.sealed is not None),
        }

    def _used(self, person: Person, key: bytes) -> JsonObject:
        """When the newest record was made that a key signed and this home has, if there is one."""
        signed = Filter.of(authors=[person.key], signers=[PublicKey(key)])
        newest = next(self._node.everything.newest_first(signed, 1), None)
        return {} if newest is None else time_fields(newest.timestamp, "used")
