"""The master key at work: opened for one act, the one place that signs with it, then erased.

It signs key schedules, profiles, Vouches, bootstraps, answers to invitations and,
with a schedule, what is handed over to the devices in it; and nothing else. Where
it lies is the person's choice: in the home under the home's password, in the home
under a password of the person's own, or away, in a file that
`mosaic key master export` wrote.

Source: identity.md, keyschedule.md, profile.md, bootstrap.md; edition §4 (Vouch);
encrypted_secret_key.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType

from mosaic.core import builder, encrypted_secret_key, key_schedule, private_list, profile, vouch
from mosaic.core.community_kinds import INVITATION, KEY_HANDOVER
from mosaic.core.dht_item import DhtItem
from mosaic.core.key_schedule import Entry
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidSecretKey, PasswordNeeded
from mosaic.node.free_memory import free_memory

_SEALED = re.compile(r"\bmocryptsec0(?:\s*[a-z0-9]){93}(?![a-z0-9])")
# On paper it is broken into lines, and so is what somebody types from there.
_SPACES = re.compile(r"\s+")
_NAMED = re.compile(r"mopub0(?:\s*[a-z0-9]){52}(?![a-z0-9])")


class MasterPlace(Enum):
    """Where a person's master key lies."""

    HOME = "home"
    """In the home, opened with the home's own password: the machine alone opens it."""
    PASSWORD = "password"  # noqa: S105 - a word for where it lies
    """In the home, under a password that only the person knows."""
    AWAY = "away"
    """Not on this machine."""


@dataclass(frozen=True, slots=True, repr=False)
class Unlocking:
    """What somebody gave to open a master key for one act.

    Args:
        sealed: The content of the file in which it is; None if it lies in the home.
        password: The person's password, if given.
    """

    sealed: str | None = None
    password: str | None = None


class Master:
    """An opened master key: signs what only it may sign. Use it in `with`, which erases it.

    Args:
        secret: The key.
    """

    __slots__ = ("_secret", "public")

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret
        self.public: PublicKey = secret.public
        """Whose it is."""

    def __enter__(self) -> Master:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.erase()

    def __repr__(self) -> str:
        return "Master(hidden)"

    def schedule(self, entries: Iterable[Entry], timestamp: int) -> Record:
        """A key schedule.

        Args:
            entries: All keys, the newest last.
            timestamp: When it is made, ns; later than the former one.

        Raises:
            InvalidKeySchedule: an attestation is not for this master, or not by its subkey.
            RecordTooLong: too many entries.
        """
        return key_schedule.build(self._secret, entries, timestamp)

    def profile(self, said: Profile, timestamp: int) -> Record:
        """A profile.

        Args:
            said: What it says.
            timestamp: When it is made, ns; later than the former one.

        Raises:
            InvalidProfile: it can't be written.
            RecordTooLong: over 1 MiB.
        """
        return profile.build(self._secret, said, timestamp)

    def vouch(self, ids: Iterable[Id], timestamp: int, nonce: bytes) -> Record:
        """A Vouch for records of keys that are revoked.

        Args:
            ids: The records.
            timestamp: When it is made, ns.
            nonce: 8 bytes that begin with a 1 bit.

        Raises:
            RecordTooLong: more than one holds.
        """
        return vouch.build(self._secret, ids, timestamp, nonce=nonce)

    def invitation(self, code: str, timestamp: int, nonce: bytes) -> Record:
        """The answer to a server's invitation.

        Args:
            code: What its operator gave.
            timestamp: When it is made, ns.
            nonce: 8 bytes that begin with a 1 bit.

        Raises:
            RecordTooLong: nobody gives such a code.
        """
        return builder.build(
            self._secret, kind=INVITATION, nonce=nonce, timestamp=timestamp, payload=code.strip().encode()
        )

    def recovery(self) -> X25519Secret:
        """What opens the person's encrypted lists when every device is lost (`core.private_list`)."""
        return private_list.recovery_secret(self._secret.reveal())

    def handover(self, payload: bytes, timestamp: int, nonce: bytes) -> Record:
        """What is handed over to other devices when a key schedule changes.

        Args:
            payload: The keys, encrypted to those devices.
            timestamp: When it is made, ns.
            nonce: 8 bytes that begin with a 1 bit.

        Raises:
            RecordTooLong: the payload is over 1 MiB.
        """
        return builder.build(
            self._secret, kind=KEY_HANDOVER, nonce=nonce, timestamp=timestamp, payload=payload
        )

    def sign(self, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """A bootstrap, as an item of the DHT.

        Args:
            salt: `USER_SALT`.
            seq: Its sequence number, 1 and rising.
            value: The text.

        Raises:
            InvalidBootstrap: the text or the number can't be.
            InvalidSecretKey: the act for which the key was opened is over.
        """
        return DhtItem.sign(self._secret, salt, seq, value)

    def secret(self) -> SecretKey:
        """A copy of the key itself, to be sealed. Raises InvalidSecretKey once it is erased."""
        return SecretKey.from_seed(self._secret.reveal())

    def erase(self) -> None:
        """Overwrites the key; nothing can be signed any more."""
        self._secret.erase()


async def opened(given: Unlocking, sealed: str, person: PublicKey | None = None) -> Master:
    """The master key in a sealed text, opened with the password that was given.

    A costly derivation, done beside the event loop.

    Args:
        given: Has the password.
        sealed: `mocryptsec0`.
        person: Whose key it must be, if that is known.

    Raises:
        PasswordNeeded: none was given.
        WrongPassword: it does not open it.
        InvalidSecretKey: the text is none, holds another person's key, or takes more memory than there is.
    """
    if given.password is None:
        raise PasswordNeeded
    needed, left = encrypted_secret_key.memory_needed(sealed), free_memory()
    if left is not None and needed > left:
        raise InvalidSecretKey(
            f"to open this key takes {needed >> 20:,} MiB of memory, and {left >> 20:,} MiB are left",
            hint="Close other programs, or use a larger machine. A key that Mosaic wrote takes 256 MiB.",
        )
    secret = await asyncio.to_thread(encrypted_secret_key.decrypt, sealed, given.password)
    if person is not None and secret.public != person:
        raise InvalidSecretKey(
            "this file holds another person's master key",
            hint=f"Give the one that was exported for {person.user_text}.",
        )
    return Master(secret)


def file_text(name: str, key: PublicKey, sealed: str) -> str:
    """The content of a file that holds a sealed master key."""
    return f"# The master key of {name}, {key.user_text}, under a password.\n{sealed}\n"


def sealed_in(text: str) -> str:
    """The sealed key in a file's content. Raises InvalidSecretKey."""
    found = _SEALED.findall(text)
    if len(found) != 1:
        raise InvalidSecretKey(
            "this file holds no encrypted master key",
            hint="Give the file that `mosaic key master export` wrote; the key begins with mocryptsec0.",
        )
    return _SPACES.sub("", found[0])


def check_named(text: str, key: PublicKey) -> None:
    """Whether a file's content names the key that it was opened to.

    A sealed key has no checksum over all of it: one that was typed wrongly, or
    changed, may open to a key that nobody has.

    Args:
        text: The content; one that names nobody is not judged.
        key: The public key of what it was opened to.

    Raises:
        InvalidSecretKey: it names somebody else.
    """
    named = {_SPACES.sub("", each) for each in _NAMED.findall(text)}
    if named and key.user_text not in named:
        raise InvalidSecretKey(
            "what opens with this password is not the key of the person whom the file names",
            hint="A character is wrong in what follows mocryptsec0, or in that name: compare both.",
        )
