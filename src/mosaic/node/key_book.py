"""The keys of the people of this home: which there are, what they are called, their secrets as `mocryptsec0`.

What others may know of keys is in the key schedule; here is what they may not,
or need not: secrets, labels, where the master key lies, and the newest
schedule that was made or seen here, behind which this home never goes back.

Source: keyschedule.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.x25519 import X25519Secret
from mosaic.node.master import MasterPlace
from mosaic.node.private_db import PrivateDb
from mosaic.node.vault import Vault

ONLY_NAMED: Final = 0
"""In place of a time: the key was listed by another device, and its owner calls it something here."""


class Use(Enum):
    """What a key is for."""

    DEVICE = "device"
    PERSONA = "persona"
    ENCRYPTION = "encryption"
    NOSTR = "nostr"


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key of somebody who lives here, beside master key and the device key in use.

    Args:
        key: 32 bytes.
        use: What for.
        label: What its owner calls it; may be empty.
        sealed: Its secret as `mocryptsec0`, None where only the public key is known here.
        made_ns: When it came into this home, ns; `ONLY_NAMED` if its owner has but given it a label here.
    """

    key: bytes
    use: Use
    label: str
    sealed: str | None = field(repr=False)
    made_ns: int

    @property
    def is_certain(self) -> bool:
        """Whether this home knows what it is for: in a key schedule a persona looks like a device."""
        return self.made_ns != ONLY_NAMED


class KeyBook:
    """What is kept about the keys of people.

    Args:
        db: The private database.
        vault: Seals and opens.
    """

    def __init__(self, db: PrivateDb, vault: Vault) -> None:
        self._db = db.connection
        self._vault = vault

    # --- keys ------------------------------------------------------------------------------------------

    def keys(self, person: PublicKey) -> list[OwnKey]:
        """All that are kept of a person, the oldest first."""
        rows = self._db.execute(
            "SELECT key, use, label, secret, person_key.made_ns FROM person_key"
            " JOIN person ON person = number WHERE master_key = ? ORDER BY person_key.made_ns, key",
            (person.bytes,),
        )
        return [OwnKey(bytes(key), Use(use), label, sealed, made) for key, use, label, sealed, made in rows]

    def keep(
        self, person: PublicKey, key: bytes, use: Use, label: str, secret: SecretKey | None, made_ns: int
    ) -> None:
        """Keeps a key; what was kept of it before and is not given now stays.

        Args:
            person: Whose (master key).
            key: The public key, 32 bytes.
            use: What for.
            label: What its owner calls it.
            secret: Its secret (of an X25519 or nostr key: its 32 bytes as such), if it is known.
            made_ns: When it came here, ns.
        """
        sealed = None if secret is None else self._vault.seal(secret)
        self._db.execute(
            "INSERT INTO person_key (person, key, use, label, secret, made_ns)"
            " SELECT number, ?, ?, ?, ?, ? FROM person WHERE master_key = ?"
            " ON CONFLICT DO UPDATE SET use = excluded.use,"
            " label = CASE excluded.label WHEN '' THEN label ELSE excluded.label END,"
            " secret = ifnull(excluded.secret, secret),"
            " made_ns = CASE person_key.made_ns WHEN ? THEN excluded.made_ns ELSE person_key.made_ns END",
            (key, use.value, label, sealed, made_ns, person.bytes, ONLY_NAMED),
        )

    def set_label(self, person: PublicKey, key: bytes, label: str) -> None:
        """Calls a kept key (32 bytes) otherwise from now on; it may have no label."""
        self._db.execute(
            "UPDATE person_key SET label = ? WHERE key = ?"
            " AND person = (SELECT number FROM person WHERE master_key = ?)",
            (label, key, person.bytes),
        )

    def drop(self, person: PublicKey, key: bytes) -> None:
        """Forgets a key (32 bytes) and its secret."""
        self._db.execute(
            "DELETE FROM person_key WHERE key = ?"
            " AND person = (SELECT number FROM person WHERE master_key = ?)",
            (key, person.bytes),
        )

    def signing_secret(self, person: PublicKey, key: bytes) -> SecretKey | None:
        """The secret of a device or persona (32 bytes), if it is here. Raises HomeDamaged."""
        for own in self.keys(person):
            if own.key == key and own.use in {Use.DEVICE, Use.PERSONA} and own.sealed is not None:
                return self._vault.open(own.sealed)
        return None

    def encryption_secrets(self, person: PublicKey) -> list[X25519Secret]:
        """The secrets that open what is encrypted to a person, older ones too. Raises HomeDamaged."""
        return [
            X25519Secret(self._vault.open(own.sealed).reveal())
            for own in self.keys(person)
            if own.use is Use.ENCRYPTION and own.sealed is not None
        ]

    def revealed(self, own: OwnKey) -> bytes | None:
        """The secret of a kept key (32 bytes), None where it is not here. Raises HomeDamaged."""
        return None if own.sealed is None else self._vault.open(own.sealed).reveal()

    def hand_in(
        self, person: PublicKey, key: bytes, use: Use, label: str, secret: bytes | None, made_ns: int
    ) -> None:
        """Keeps a key that another device of the person handed over, if its secret is the one of the key.

        Args:
            person: Whose (master key).
            key: The public key, 32 bytes.
            use: What for.
            label: What its owner calls it.
            secret: Its secret (32 bytes), if it was handed over.
            made_ns: When it came here, ns.
        """
        sealable = None if secret is None else SecretKey.from_seed(secret)
        if secret is not None and sealable is not None:
            public = X25519Secret(secret).public if use is Use.ENCRYPTION else sealable.public.bytes
            if public != key:
                return
        self.keep(person, key, use, label, sealable, made_ns)

    def set_device(self, person: PublicKey, device: SecretKey) -> None:
        """From now on this key signs for the person on this machine."""
        self._db.execute(
            "UPDATE person SET device_key = ?, device_secret = ? WHERE master_key = ?",
            (device.public.bytes, self._vault.seal(device), person.bytes),
        )

    # --- the master key ----------------------------------------------------------------------------------

    def master_place(self, person: PublicKey) -> MasterPlace:
        """Where a person's master key lies."""
        row = self._db.execute(
            "SELECT master_place FROM person WHERE master_key = ?", (person.bytes,)
        ).fetchone()
        return MasterPlace.AWAY if row is None else MasterPlace(row[0])

    def sealed_master(self, person: PublicKey) -> str:
        """The master key as it lies here (`mocryptsec0`), an empty text when it is away."""
        row = self._db.execute(
            "SELECT master_secret FROM person WHERE master_key = ?", (person.bytes,)
        ).fetchone()
        return "" if row is None else str(row[0])

    def set_master(self, person: PublicKey, sealed: str, place: MasterPlace) -> None:
        """Keeps the master key so from now on; what was there before is overwritten on disk, too.

        Args:
            person: Whose.
            sealed: `mocryptsec0`, or an empty text when it shall be away.
            place: What opens it.
        """
        self._db.execute(
            "UPDATE person SET master_secret = ?, master_place = ? WHERE master_key = ?",
            (sealed, place.value, person.bytes),
        )
        # The former text also stands in the log of what was written, until that is begun anew.
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- schedules --------------------------------------------------------------------------------------

    def schedule(self, person: PublicKey) -> Record | None:
        """The newest key schedule of a person that was made or seen here."""
        row = self._db.execute(
            "SELECT record FROM person_schedule JOIN person ON person = number WHERE master_key = ?",
            (person.bytes,),
        ).fetchone()
        return None if row is None else Record(bytes(row[0]))

    def keep_schedule(self, person: PublicKey, record: Record) -> None:
        """Remembers a valid key schedule, unless a newer one is remembered."""
        known = self.schedule(person)
        if known is None or known.id < record.id:
            self._db.execute(
                "INSERT OR REPLACE INTO person_schedule SELECT number, ? FROM person WHERE master_key = ?",
                (record.data, person.bytes),
            )


def labels(keys: Sequence[OwnKey]) -> dict[bytes, OwnKey]:
    """Kept keys by their 32 bytes."""
    return {own.key: own for own in keys}
