"""Who a program speaks as: a key that signs, and whose name it signs in.

    Identity.new()                                 a new one, for this run
    Identity.open("bot.key", password)             kept in a file, made when missing
    Identity.home("~/.mosaic", person="anna")      the device key of somebody who lives in a home

The secret never shows: not in `repr`, not in errors, not by pickling. In files
it is `mocryptsec0`, opened with a password.

Source: identity.md, encrypted_secret_key.md, human_encodings.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from mosaic.core import encrypted_secret_key, human
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import HomeInUse, InvalidSecretKey, LocalError, UsageError
from mosaic.node.clock import Clock
from mosaic.node.entropy import entropy
from mosaic.node.home import Home, default_folder, try_lock
from mosaic.node.home_keys import home_password
from mosaic.node.new_file import write_new
from mosaic.node.people import People
from mosaic.node.private_db import PrivateDb
from mosaic.node.vault import Vault
from mosaic.social.signer import Signer


class Identity:
    """A person, and the secret that signs for it here. Made by the class methods.

    Args:
        key: The person (master key).
        secret: The key that signs: the master itself, or a device's.
    """

    __slots__ = ("_key", "_secret")

    def __init__(self, key: PublicKey, secret: SecretKey) -> None:
        self._key = key
        self._secret = secret

    @classmethod
    def new(cls) -> Identity:
        """A new person. Nobody knows the key but this program, and it is gone with it unless it is saved."""
        return cls.from_seed(entropy(32))

    @classmethod
    def from_seed(cls, seed: bytes) -> Identity:
        """The person whose master key has this seed (32 bytes). Raises InvalidSecretKey."""
        secret = SecretKey.from_seed(seed)
        return cls(secret.public, secret)

    @classmethod
    def from_text(cls, text: str, password: str | None = None) -> Identity:
        """The person whose master key is in `mocryptsec0…` (with its password) or `mosec0…`.

        Raises:
            InvalidSecretKey: it is neither, or a password is missing.
            WrongPassword: the password does not open it.
        """
        text = text.strip()
        if not text.startswith(human.ENCRYPTED_SECRET_KEY):
            secret = SecretKey.parse(text)
        elif password is None:
            raise InvalidSecretKey("the secret key is encrypted", hint="Give its password.")
        else:
            secret = encrypted_secret_key.decrypt(text, password)
        return cls(secret.public, secret)

    @classmethod
    def load(cls, path: str | os.PathLike[str], password: str | None = None) -> Identity:
        """The person whose master key is in a file, as `save` writes it.

        Raises:
            LocalError: the file can't be read.
            InvalidSecretKey: it holds no secret key, or a password is missing.
            WrongPassword: the password does not open it.
        """
        file = Path(path).expanduser()
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(
                f"{file} can't be read as a key", hint="Name a file that holds mocryptsec0… or mosec0…"
            ) from error
        return cls.from_text(text, password)

    @classmethod
    def open(cls, path: str | os.PathLike[str], password: str) -> Identity:
        """The person in a file; a new one, saved there, if there is no such file.

        Raises:
            LocalError: the file can't be read or written.
            InvalidSecretKey: it holds no secret key.
            WrongPassword: the password does not open it.
        """
        if Path(path).expanduser().exists():
            return cls.load(path, password)
        made = cls.new()
        made.save(path, password)
        return made

    @classmethod
    def home(cls, folder: str | os.PathLike[str] | None = None, *, person: str | None = None) -> Identity:
        """Somebody who lives in a home, with the key of this device.

        Args:
            folder: The home's folder; the usual one if not given.
            person: The name or `mopub0…`; the first one if not given.

        Raises:
            HomeInUse: a node runs on it; `Client.home` asks that one, and no secret leaves it.
            HomeMissing: there is no home.
            UnknownPerson: nobody of that name lives there.
            HomeDamaged: its keys don't open.
        """
        home = Home(default_folder() if folder is None else Path(folder).expanduser())
        home.check()
        lock = try_lock(home)
        if lock is None:
            raise HomeInUse(
                f"a node runs on {home.folder}", hint="Use Client.home(…), which asks the running node."
            )
        try:
            db = PrivateDb(home.private_db)
            try:
                people = People(db, Vault(home_password(home, db, entropy), entropy), Clock(), entropy)
                found = people.find(person)
                return cls(found.key, found.device)
            finally:
                db.close()
        finally:
            lock.release()

    def save(self, path: str | os.PathLike[str], password: str) -> None:
        """Writes the secret to a new file, encrypted with the password; only its owner may read the file.

        Raises:
            UsageError: the password is empty.
            LocalError: the file is there already, or can't be written.
        """
        if not password:
            raise UsageError("a password is needed to keep a secret key", hint="Choose one and keep it.")
        text = encrypted_secret_key.encrypt(self._secret, password, salt=entropy(16), rand4=entropy(4))
        write_new(Path(path).expanduser(), f"{text}\n")

    @property
    def key(self) -> str:
        """`mopub0…`: who this is. What others follow."""
        return self._key.user_text

    @property
    def is_master(self) -> bool:
        """Whether the master key itself signs, which profiles need."""
        return self._secret.public == self._key

    @property
    def signer(self) -> Signer:
        """Signs in the person's name; for this library itself."""
        return Signer(self._key, self._secret)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and (self._key, self._secret) == (other._key, other._secret)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Identity({self.key})"

    def __reduce__(self) -> NoReturn:
        raise InvalidSecretKey("an identity can't be pickled", hint="Save it to a file with its password.")
