"""The people of a home and their keys.

A person is a master key, which signs key schedule, profile and bootstrap and
little else (`master`), and a device key, which signs everything else. All
secrets lie in `private.db` as `mocryptsec0`, opened with the home's password
(`keyring`); the master key may lie elsewhere, or under a password of its owner.

Source: identity.md, keyschedule.md, bootstrap.md; encrypted_secret_key.md.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mosaic.core import key_schedule
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.encrypted_secret_key import DEFAULT_LOG_N
from mosaic.core.key_schedule import Entry
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import HomeExists, InvalidProfile, UnknownKey, UnknownPerson
from mosaic.errors.hiding import TAKE_IT_OUT, holds_secret_key
from mosaic.node.clock import Clock
from mosaic.node.key_book import KeyBook, Use
from mosaic.node.master import Master, MasterPlace
from mosaic.node.master_keys import MasterKeys
from mosaic.node.person import Newcomer, Person
from mosaic.node.private_db import PersonRow, PrivateDb
from mosaic.node.vault import Vault
from mosaic.social.signer import Signer

__all__ = ["Newcomer", "People", "Person"]

_EVERYTHING = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION


class People(MasterKeys):
    """Who lives in this home.

    Args:
        db: The private database.
        vault: Opens the keys.
        clock: The clock.
        entropy: Random bytes of a length.
        log_n: How costly it is to try a person's password: 2^log_n rounds.
    """

    def __init__(
        self,
        db: PrivateDb,
        vault: Vault,
        clock: Clock,
        entropy: Callable[[int], bytes],
        *,
        log_n: int = DEFAULT_LOG_N,
    ) -> None:
        super().__init__(KeyBook(db, vault), vault, log_n)
        self._db = db
        self._clock = clock
        self._entropy = entropy
        self._turns: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._people = [self._open(row) for row in db.people()]
        self._keys = {person.key.bytes for person in self._people}

    def _open(self, row: PersonRow) -> Person:
        key = PublicKey(row.master_key)
        return Person(row.name, key, self._device(key, self._vault.open(row.device_secret)), row.bootstrap)

    def _device(self, person: PublicKey, device: SecretKey) -> SecretKey:
        """The device key in use: a newer one, if this home ended right after it was published."""
        record = self.book.schedule(person)
        if record is None:
            return device
        schedule = key_schedule.parse(record)
        if schedule.may_sign(device.public):
            return device
        devices = [own for own in self.book.keys(person) if own.use is Use.DEVICE and own.sealed]
        for own in reversed(devices):
            found = self._vault.open(own.sealed or "")
            if schedule.may_sign(found.public):
                self.book.set_device(person, found)
                return found
        return device

    def __iter__(self) -> Iterator[Person]:
        return iter(tuple(self._people))

    def __len__(self) -> int:
        return len(self._people)

    @property
    def first(self) -> Person | None:
        """Who acts when nobody is named: the person who was made first."""
        return self._people[0] if self._people else None

    def find(self, name: str | None) -> Person:
        """The person of a name or `mopub0…`; without one, the first.

        Raises:
            UnknownPerson: there is none.
        """
        if name is None:
            if self.first is None:
                raise UnknownPerson(
                    "nobody lives in this home yet", hint="Make a person with `mosaic init --name NAME`."
                )
            return self.first
        for person in self._people:
            if name in {person.name, person.key.user_text}:
                return person
        raise UnknownPerson(f"nobody called {name!r} lives in this home")

    def serves(self, key: bytes) -> bool:
        """Whether a master key (32 bytes) is that of somebody in this home."""
        return key in self._keys

    def turn(self, person: PublicKey) -> asyncio.Lock:
        """Held by who edits a person's key schedule: one edit after another in this home."""
        return self._turns[person.bytes]

    # --- keys ------------------------------------------------------------------------------------------

    def signer(self, person: Person, persona: str | None) -> Signer:
        """Signs in a person's name, as one of the personas if one is named (label or key).

        Raises:
            UnknownKey: the person has no such persona, or its secret is not here.
        """
        if persona is None:
            return person.signer
        for own in reversed(self.book.keys(person.key)):  # a new one may have the label of a former
            if own.use is Use.PERSONA and persona in {own.label, PublicKey(own.key).user_text}:
                secret = self.book.signing_secret(person.key, own.key)
                if secret is not None:
                    return Signer(person.key, secret)
        raise UnknownKey(f"{person.name} has no persona {persona!r} on this machine")

    def signer_of(self, person: Person, key: PublicKey) -> Signer | None:
        """Signs with one of a person's device or persona keys, if its secret is here."""
        if key == person.device.public:
            return person.signer
        secret = self.book.signing_secret(person.key, key.bytes)
        return None if secret is None else Signer(person.key, secret)

    def encryption_secrets(self, person: Person) -> list[X25519Secret]:
        """What opens messages to a person, older secrets too. Raises HomeDamaged."""
        return self.book.encryption_secrets(person.key)

    def use_device(self, person: Person, device: SecretKey) -> Person:
        """Lets another device key sign on this machine from now on; the person with it."""
        self.book.set_device(person.key, device)
        return self._replace(person, device=device)

    # --- servers -----------------------------------------------------------------------------------------

    def use_servers(self, person: Person, bootstrap: UserBootstrap) -> None:
        """Lets a person use these servers from now on."""
        self._db.set_bootstrap(person.key.bytes, bootstrap.text)
        self._replace(person, bootstrap=bootstrap.text)

    def _replace(
        self, person: Person, *, device: SecretKey | None = None, bootstrap: str | None = None
    ) -> Person:
        now = self.find(person.key.user_text)
        new = replace(now, device=device or now.device, bootstrap=bootstrap or now.bootstrap)
        self._people = [new if one.key == person.key else one for one in self._people]
        return new

    # --- coming ------------------------------------------------------------------------------------------

    def make(self, name: str, home_server: PublicKey) -> tuple[Person, Sequence[Record]]:
        """Makes a person: master, device and encryption key, key schedule, profile and bootstrap at once.

        Args:
            name: For the profile and this home; typeable ASCII.
            home_server: The server of this home, the person's first outbox, inbox and encryption server.

        Returns:
            The person, and the records to be published: the key schedule first.

        Raises:
            HomeExists: somebody of that name lives here.
            InvalidProfile: the name can't be one.
        """
        self.check_name(name)
        now = self._clock.now()
        secret = SecretKey.from_seed(self._entropy(32))
        device = SecretKey.from_seed(self._entropy(32))
        encryption = X25519Secret(self._entropy(32))
        with Master(SecretKey.from_seed(secret.reveal())) as master:
            entries = [_attested(device, master.public), Entry.encryption(encryption.public)]
            records = master.schedule(entries, now), master.profile(Profile(name=name), now)
        newcomer = Newcomer(
            name=name,
            key=secret.public,
            master=secret,
            device=device,
            encryption=[encryption],
            bootstrap=UserBootstrap((ServerUse(_EVERYTHING, home_server),)).text,
            schedule=records[0],
            made_ns=now,
        )
        return self.take_in(newcomer), records

    def check_name(self, name: str) -> None:
        """Whether somebody new may have this name here.

        Raises:
            HomeExists: somebody has it.
            InvalidProfile: it can't be one.
        """
        if holds_secret_key(name):
            raise InvalidProfile("a secret key is no name", hint=TAKE_IT_OUT)
        if any(person.name == name for person in self._people):
            raise HomeExists(
                f"somebody called {name!r} lives in this home already",
                hint="Choose another name; `mosaic key list` shows who lives here.",
            )
        if not name.strip() or name.startswith("mopub0"):
            raise InvalidProfile(
                "this can't be a name", hint="Use letters from a to z, digits and signs; a key is no name."
            )

    def take_in(self, new: Newcomer) -> Person:
        """Lets somebody live here.

        Raises:
            HomeExists: the person, or somebody of that name, lives here already.
            InvalidProfile: the name can't be one.
        """
        self.check_name(new.name)
        if self.serves(new.key.bytes):
            raise HomeExists("this person lives in this home already", hint="`mosaic key list` shows who.")
        row = PersonRow(
            name=new.name,
            master_key=new.key.bytes,
            master_secret="" if new.master is None else self._vault.seal(new.master),
            device_key=new.device.public.bytes,
            device_secret=self._vault.seal(new.device),
            bootstrap=new.bootstrap,
            bootstrap_seq=0,
            made_ns=new.made_ns,
        )
        with self._db.transaction():
            self._db.add_person(row)
            if new.master is None:
                self._db.set_master_away(new.key.bytes)
            for secret in new.encryption:
                sealable = SecretKey.from_seed(secret.reveal())
                self.book.keep(new.key, secret.public, Use.ENCRYPTION, "", sealable, new.made_ns)
            self.book.keep_schedule(new.key, new.schedule)
        person = self._open(row)
        self._people.append(person)
        self._keys.add(person.key.bytes)
        return person

    def basic_records(self, person: Person) -> Sequence[Record]:
        """Key schedule and profile of a person as this home last knew or first made them, byte for byte.

        Without the master key the first profile can't be made again, and of a
        home older than its memory of schedules neither can the schedule.
        """
        kept = self.book.schedule(person.key)
        found = [] if kept is None else [kept]
        row = next((row for row in self._db.people() if row.master_key == person.key.bytes), None)
        if row is None or self.book.master_place(person.key) is not MasterPlace.HOME:
            return found
        made = Timestamp(row.made_ns)
        with self.master(person) as master:
            if kept is None:
                found = [master.schedule([_attested(person.device, master.public)], made)]
            return [*found, master.profile(Profile(name=row.name), made)]


def _attested(device: SecretKey, master: PublicKey) -> Entry:
    """A device's entry in the key schedule."""
    return Entry.signing(Signer(master, device).attestation())
