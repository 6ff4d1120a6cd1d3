"""Taking keys away from whoever has them, in a key schedule that is being edited.

Source: keyschedule.md; edition §3 (Revocation), §4 (Vouch).
"""

from __future__ import annotations

from collections.abc import Mapping

from mosaic.core.keys import PublicKey
from mosaic.core.schedule_entry import ATTESTATION, Algorithm, Entry, Marker
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node.key_book import OwnKey, Use
from mosaic.node.key_list import key_text, use_of
from mosaic.node.own_schedule import Editing, OwnSchedule
from mosaic.node.person import Person


class Revocation:
    """One revocation, and what it finds out on its way.

    Args:
        schedules: Knows what keys have signed.
        person: Whose keys.
        now: The time.

    Attributes:
        key: The key that was named, as text.
        invalid: How many records at hand are valid no more.
        personas: Those that were taken away as well, by label or key.
    """

    def __init__(self, schedules: OwnSchedule, person: Person, now: Timestamp) -> None:
        self._schedules = schedules
        self._person = person
        self._now = now
        self.key = ""
        self.invalid = 0
        self.personas: list[str] = []

    async def take(self, editing: Editing, entry: Entry, when: Timestamp | None) -> None:
        """Takes the key away that was named.

        Args:
            editing: The schedule; it is marked there, and what stays is vouched for.
            entry: The key's entry.
            when: Since when it is not the person's any more; None = all that it ever signed goes.

        Raises:
            UsageError: it signs nothing.
        """
        if entry.kind != ATTESTATION:
            raise UsageError(
                "an encryption key signs nothing", hint="`mosaic key roll encryption` replaces it."
            )
        self.key = key_text(entry.subkey, use_of(entry, None))
        await self._mark(editing, entry, when)

    async def take_personas(self, editing: Editing, kept: Mapping[bytes, OwnKey], when: Timestamp) -> None:
        """Takes away the personas as well whose secrets the device may have.

        Args:
            editing: The schedule.
            kept: What this home keeps of each key (32 bytes).
            when: Since when.
        """
        for entry in list(editing.entries):
            own = kept.get(entry.subkey)
            if own is not None and own.use is Use.PERSONA and entry.marker is Marker.ACTIVE_SIGNING_KEY:
                await self._mark(editing, entry, when)
                self.personas.append(own.label or key_text(entry.subkey, Use.PERSONA))

    async def _mark(self, editing: Editing, entry: Entry, when: Timestamp | None) -> None:
        signer = PublicKey(entry.subkey) if entry.algorithm is Algorithm.CURVE_25519 else None
        if when is None:
            editing.mark(entry.subkey, Marker.REVOKED_ALL, self._now)
        else:
            editing.mark(entry.subkey, Marker.REVOKED_PAST, when)
            if signer is not None:
                editing.vouched += await self._schedules.received(self._person, signer, when)
        if signer is not None:
            stay = set(editing.vouched)
            signed = self._schedules.signed(self._person.key, signer)
            self.invalid += sum(each not in stay for each in signed)
