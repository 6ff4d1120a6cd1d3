"""The password of a home's keys: random, in the system's keyring or in HOME/unlock.

Keys lie in `private.db` as `mocryptsec0` only. What opens them is 32 random
bytes as text, which nobody can guess and nobody has to remember: kept in the
system's keyring where there is a real one, else in HOME/unlock (mode 0600),
which backups leave out. `MOSAIC_KEYRING=no` always chooses the file.

Source: encrypted_secret_key.md; this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import os
from enum import Enum
from typing import TYPE_CHECKING

import keyring as system_keyring
import keyring.errors

from mosaic.errors import HomeDamaged

if TYPE_CHECKING:
    from mosaic.node.home import Home

_SERVICE = "mosaic"


class Guard(Enum):
    """Where the password of a home's keys is."""

    KEYRING = "keyring"
    FILE = "file"


def keep_password(home: Home, home_id: str, password: str) -> Guard:
    """Keeps a new password and says where.

    Args:
        home: The home whose keys it opens.
        home_id: The home's own name, which stays when the folder moves.
        password: The password.

    Raises:
        HomeDamaged: HOME/unlock can't be written.
    """
    if _keyring_is_real() and _try_keyring(home_id, password):
        return Guard.KEYRING
    try:
        file = os.open(home.unlock_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as out:
            out.write(password + "\n")
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise HomeDamaged(f"{home.unlock_file} can't be written: {error.strerror}") from error
    return Guard.FILE


def read_password(home: Home, home_id: str) -> str:
    """The password that `keep_password` kept.

    Raises:
        HomeDamaged: it is nowhere.
    """
    try:
        return home.unlock_file.read_text("ascii").strip()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise HomeDamaged(f"{home.unlock_file} can't be read: {error}") from error
    found: str | None = None
    with contextlib.suppress(keyring.errors.KeyringError, RuntimeError):
        found = system_keyring.get_password(_SERVICE, home_id)
    if found is None:
        raise HomeDamaged(
            "the password of this home's keys is neither in HOME/unlock nor in the system's keyring",
            hint="Unlock the keyring of this account, or put the file `unlock` back into the home.",
        )
    return found


def _keyring_is_real() -> bool:
    """Whether the system has a keyring that keeps what it is given."""
    if os.environ.get("MOSAIC_KEYRING", "").lower() in {"no", "off", "0"}:
        return False
    backend = system_keyring.get_keyring()
    # Where there is none, the library answers with a placeholder of low priority; plain files are no
    # better than ours.
    known = type(backend).__module__
    return backend.priority >= 1 and not known.startswith(
        ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
    )


def _try_keyring(home_id: str, password: str) -> bool:
    """Puts a password into the system's keyring and reads it back."""
    try:
        system_keyring.set_password(_SERVICE, home_id, password)
        return system_keyring.get_password(_SERVICE, home_id) == password
    except (keyring.errors.KeyringError, RuntimeError, OSError):
        return False
