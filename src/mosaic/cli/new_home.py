"""A home that a command makes for somebody who comes to live in it, and takes away again if nobody does.

A wrong password, a code that is too old, a server that is not reached: whoever
tries again, or restores a backup instead, finds the folder as it was.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from mosaic.node.home import Home, try_lock


@contextlib.contextmanager
def new_home(home: Home) -> Iterator[bool]:
    """Makes a home where there is none; if the block fails and nobody lives there then, it goes again.

    Args:
        home: The home.

    Returns:
        Whether it was made.

    Raises:
        HomeExists: the folder holds other things.
        HomeDamaged: it can't be made.
    """
    if home.is_there:
        yield False
        return
    was_there = home.folder.exists()
    home.make()
    try:
        yield True
    except BaseException:
        # What went wrong is told, not what else did.
        with contextlib.suppress(OSError):
            _take_away(home, folder=not was_there)
        raise


def _take_away(home: Home, *, folder: bool) -> None:
    lock = try_lock(home)
    if lock is None:
        return
    with lock:
        if not _is_lived_in(home):
            home.unmake(folder=folder)


def _is_lived_in(home: Home) -> bool:
    """Whether anybody lives in a home; yes, where that can't be told."""
    if not home.private_db.exists():
        return False
    try:
        where = home.private_db.absolute().as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            (people,) = db.execute("SELECT count(*) FROM person").fetchone()
    except sqlite3.Error:
        return True
    return bool(people)
