"""The master keys of a home's people: where each lies, and how it is opened for one act.

Source: identity.md (the master key stays away), encrypted_secret_key.md; this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mosaic.core.dht_item import DhtItem
from mosaic.errors import MasterAway, PasswordNeeded, UsageError
from mosaic.node import master as masters
from mosaic.node.key_book import KeyBook
from mosaic.node.master import Master, MasterPlace, Unlocking
from mosaic.node.person import Person
from mosaic.node.vault import Vault

_PASSWORD_LENGTH = 8


class MasterKeys:
    """Opens and keeps master keys.

    Args:
        book: Where they lie.
        vault: Opens those that the home's password opens.
        log_n: How costly it is to try a person's password: 2^log_n rounds.
    """

    def __init__(self, book: KeyBook, vault: Vault, log_n: int) -> None:
        self.book = book
        """The keys of all."""
        self._vault = vault
        self._log_n = log_n
        self._lent: dict[bytes, Master] = {}

    def master(self, person: Person) -> Master:
        """The person's master key, opened for one act.

        Raises:
            MasterAway: it is not on this machine.
            PasswordNeeded: it is under the person's own password; `unlock` takes that.
            HomeDamaged: the home's password does not open it.
        """
        place = self.book.master_place(person.key)
        if place is MasterPlace.AWAY:
            raise MasterAway
        if place is MasterPlace.PASSWORD:
            raise PasswordNeeded
        return Master(self._vault.open(self.book.sealed_master(person.key)))

    @contextlib.contextmanager
    def lend(self, master: Master) -> Iterator[None]:
        """Lets bootstraps be signed with an opened master key meanwhile; nothing else gets at it."""
        self._lent[master.public.bytes] = master
        try:
            yield
        finally:
            del self._lent[master.public.bytes]

    def bootstrap_item(self, person: Person, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """A person's bootstrap, signed with the key that is lent or lies in the home.

        Args:
            person: Whose.
            salt: `USER_SALT`.
            seq: Its sequence number, 1 and rising.
            value: The text.

        Raises:
            MasterAway: the key is not here.
            PasswordNeeded: it is under the person's own password.
            HomeDamaged: it can't be opened.
            InvalidBootstrap: the text or the number can't be.
        """
        lent = self._lent.get(person.key.bytes)
        if lent is not None:
            return lent.sign(salt, seq, value)
        try:
            with self.master(person) as master:
                return master.sign(salt, seq, value)
        except (MasterAway, PasswordNeeded) as error:
            raise type(error)(
                "the servers you use can't be published without your master key",
                hint="`mosaic dht publish` does it, with --master FILE or --password-file FILE.",
            ) from None

    async def unlock(self, person: Person, given: Unlocking) -> Master:
        """The person's master key, wherever it lies.

        Args:
            person: Whose.
            given: Its file and password, as far as somebody gave them.

        Raises:
            MasterAway: it is not on this machine, and no file was given.
            PasswordNeeded: it is under a password, and none was given.
            WrongPassword: the password does not open it.
            InvalidSecretKey: the file holds another key, or none.
        """
        if given.sealed is not None:
            return await masters.opened(given, masters.sealed_in(given.sealed), person.key)
        if self.book.master_place(person.key) is MasterPlace.PASSWORD:
            return await masters.opened(given, self.book.sealed_master(person.key), person.key)
        return self.master(person)

    def sealed_master(self, master: Master, password: str) -> str:
        """A master key under a person's password, as `mocryptsec0`. Takes about a second.

        Raises:
            UsageError: the password is shorter than 8 characters.
            InvalidSecretKey: there is not enough memory.
            WrongPassword: it can't be written as UTF-8.
        """
        if len(password) < _PASSWORD_LENGTH:
            raise UsageError(
                f"the password has fewer than {_PASSWORD_LENGTH} characters",
                hint="Take a longer one: four words or more that nobody would guess together.",
            )
        return self._vault.seal_with(master.secret(), password, self._log_n)

    def keep_master(self, person: Person, master: Master | None, sealed: str = "") -> None:
        """Keeps the master key in another way from now on.

        Args:
            person: Whose.
            master: The key, to be opened with the home's password; None for the other ways.
            sealed: The key under the person's own password; empty = it is not kept here any more.
        """
        if master is not None:
            self.book.set_master(person.key, self._vault.seal(master.secret()), MasterPlace.HOME)
        else:
            place = MasterPlace.PASSWORD if sealed else MasterPlace.AWAY
            self.book.set_master(person.key, sealed, place)
