"""The people of a home and their keys.

A person is a master key, which signs key schedule, profile and bootstrap and
nothing else, and a device key, which signs everything else. Both secrets lie
in `private.db` as `mocryptsec0`, opened with the home's password (`keyring`).

Source: identity.md, keyschedule.md, bootstrap.md; encrypted_secret_key.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mosaic.core import encrypted_secret_key, key_schedule, profile
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.key_schedule import Entry
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, HomeDamaged, HomeExists, InvalidProfile, UnknownPerson, WrongPassword
from mosaic.node.clock import Clock
from mosaic.node.private_db import PersonRow, PrivateDb
from mosaic.social.signer import Signer

# What opens these keys is random, so a costly derivation would protect nothing.
_LOG_N = 10
_EVERYTHING = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION


class Vault:
    """Seals secrets for the private database and opens them again.

    Args:
        password: The home's password.
        entropy: Random bytes of a length.
    """

    __slots__ = ("_entropy", "_password")

    def __init__(self, password: str, entropy: Callable[[int], bytes]) -> None:
        self._password = password
        self._entropy = entropy

    def seal(self, secret: SecretKey) -> str:
        """The secret as `mocryptsec0`."""
        return encrypted_secret_key.encrypt(
            secret, self._password, log_n=_LOG_N, salt=self._entropy(16), rand4=self._entropy(4)
        )

    def open(self, text: str) -> SecretKey:
        """The secret in a `mocryptsec0`. Raises HomeDamaged when the password is not the one."""
        try:
            return encrypted_secret_key.decrypt(text, self._password)
        except (WrongPassword, FormatError):
            raise HomeDamaged(
                "the password of this home does not open its keys",
                hint="Put the home's own `unlock` file back, or unlock the keyring of this account.",
            ) from None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who lives in this home.

    Args:
        name: The name within the home.
        key: The person's key (master).
        device: The secret that signs for the person on this machine.
        bootstrap: The text of the bootstrap to be published.
    """

    name: str
    key: PublicKey
    device: SecretKey
    bootstrap: str

    @property
    def signer(self) -> Signer:
        """Signs in the person's name."""
        return Signer(self.key, self.device)


class People:
    """Who lives in this home.

    Args:
        db: The private database.
        vault: Opens the keys.
        clock: The clock.
        entropy: Random bytes of a length.
    """

    def __init__(self, db: PrivateDb, vault: Vault, clock: Clock, entropy: Callable[[int], bytes]) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self._people = [self._open(row) for row in db.people()]
        self._keys = {person.key.bytes for person in self._people}

    def _open(self, row: PersonRow) -> Person:
        return Person(row.name, PublicKey(row.master_key), self._vault.open(row.device_secret), row.bootstrap)

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

    def master(self, person: Person) -> SecretKey:
        """The person's master secret, opened for one use. Raises UnknownPerson or HomeDamaged."""
        for row in self._db.people():
            if row.master_key == person.key.bytes:
                return self._vault.open(row.master_secret)
        raise UnknownPerson(f"nobody called {person.name!r} lives in this home")

    def use_servers(self, person: Person, bootstrap: UserBootstrap) -> None:
        """Lets a person use these servers from now on."""
        self._db.set_bootstrap(person.key.bytes, bootstrap.text)
        self._people = [
            replace(one, bootstrap=bootstrap.text) if one.key == person.key else one for one in self._people
        ]

    def make(self, name: str, home_server: PublicKey) -> tuple[Person, Sequence[Record]]:
        """Makes a person: master, device key, key schedule, profile and bootstrap text at once.

        Args:
            name: For the profile and this home; typeable ASCII.
            home_server: The server of this home, the person's first outbox, inbox and encryption server.

        Returns:
            The person, and the records to be published: the key schedule first.

        Raises:
            HomeExists: somebody of that name lives here.
            InvalidProfile: the name can't be one.
        """
        if any(person.name == name for person in self._people):
            raise HomeExists(
                f"somebody called {name!r} lives in this home already",
                hint="Choose another name; `mosaic key list` shows who lives here.",
            )
        if not name.strip() or name.startswith("mopub0"):
            raise InvalidProfile(
                "this can't be a name", hint="Use letters from a to z, digits and signs; a key is no name."
            )
        now = self._clock.now()
        master = SecretKey.from_seed(self._entropy(32))
        device = SecretKey.from_seed(self._entropy(32))
        records = _basic_records(name, master, device, now)
        bootstrap = UserBootstrap((ServerUse(_EVERYTHING, home_server),)).text
        row = PersonRow(
            name=name,
            master_key=master.public.bytes,
            master_secret=self._vault.seal(master),
            device_key=device.public.bytes,
            device_secret=self._vault.seal(device),
            bootstrap=bootstrap,
            bootstrap_seq=0,
            made_ns=now,
        )
        self._db.add_person(row)
        person = self._open(row)
        self._people.append(person)
        self._keys.add(person.key.bytes)
        return person, records

    def basic_records(self, person: Person) -> Sequence[Record]:
        """Key schedule and profile of a person as they were first made, byte for byte."""
        for row in self._db.people():
            if row.master_key == person.key.bytes:
                master = self._vault.open(row.master_secret)
                return _basic_records(row.name, master, person.device, Timestamp(row.made_ns))
        return ()


def _basic_records(name: str, master: SecretKey, device: SecretKey, now: Timestamp) -> Sequence[Record]:
    """What everybody has to publish, the key schedule first."""
    entry = Entry.signing(key_schedule.attest(device, master.public))
    return key_schedule.build(master, [entry], now), profile.build(master, Profile(name=name), now)
