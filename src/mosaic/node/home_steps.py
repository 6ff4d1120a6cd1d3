"""From each layout of a home to the next, when a newer program opens it for the first time.

    1 → 2    Deletions that were kept and not understood count from now on: what they name goes

Before anything changes, what was there is put aside in `HOME/before-N`: the log
by hard links, which cost nothing, and a copy of the private database. It goes
with the first start after a week. `VERSION` is written last, so a step that was
broken off is taken again.

Source: this project's own design, docs/architecture.md "One home"; edition §4 (Deletion).
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule, parse
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.errors import HomeDamaged, InvalidKeySchedule
from mosaic.node.home import FORMAT, Home
from mosaic.server.deletion import counts
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.store import all_of

log = logging.getLogger(__name__)

KEPT_S: Final = 7 * 24 * 3600.0
"""How long what was put aside stays, seconds."""


def begin(home: Home) -> None:
    """Makes a home ready to be opened: puts aside what an older layout had, empties what was on its way.

    Only for the holder of the lock.

    Raises:
        HomeMissing, HomeNewer, HomeDamaged: it can't be opened.
    """
    version = home.version()
    if version < FORMAT:
        try:
            _put_aside(home, version)
        except (OSError, sqlite3.Error) as error:
            raise HomeDamaged(
                f"the home in {home.folder} can't be brought to layout {FORMAT}: {error}",
                hint="Make room, or free what holds its files; nothing has changed yet.",
            ) from error
    _forget_old(home, time.time())
    home.empty_temporary()


def open_records(home: Home, progress: Callable[[int, int], None] | None = None) -> EmbeddedStore:
    """Opens the record store, and takes the steps that lead to today's layout.

    Args:
        home: The home, after `begin`.
        progress: Told (bytes done, bytes in all) while the index is made again.

    Raises:
        StoreError: it can't be opened.
        HomeDamaged: VERSION can't be written.
    """
    store = open_store(home.folder, progress=progress)
    try:
        version = home.version()
        if version < FORMAT:
            settled = settle(store)
            home.set_version(FORMAT)
            log.info("the home has layout %d now; %d Deletions count", FORMAT, settled)
    except BaseException:
        store.close()
        raise
    return store


def settle(store: EmbeddedStore) -> int:
    """Lets every Deletion count that its author's schedule allows; how many. Raises StoreError."""
    schedules: dict[bytes, KeySchedule | None] = {}
    scan = store.scan(Filter.of(kinds=[DELETION, PRIVATE_DELETION]).compiled)
    found: list[int] = []
    for position, _, data in all_of(scan):
        record = Record(data)
        author = record.author_bytes
        if author not in schedules:
            schedules[author] = _schedule_of(store, record.author)
        if counts(record, schedules[author]):
            found.append(position)
    if found:
        store.readmit(found, 0, deletes=True)
    return len(found)


def _schedule_of(store: EmbeddedStore, author: PublicKey) -> KeySchedule | None:
    """The newest valid key schedule of an author."""
    scan = store.scan(Filter.of(authors=[author], signers=[author], kinds=[KEY_SCHEDULE]).compiled)
    for _, _, data in all_of(scan):
        with contextlib.suppress(InvalidKeySchedule):
            return parse(Record(data))
    return None


def _put_aside(home: Home, version: int) -> None:
    aside = home.folder / f"before-{version + 1}"
    if aside.exists():
        # An earlier attempt: what it put aside is from before the step.
        return
    work = home.folder / f"before-{version + 1}.part"
    shutil.rmtree(work, ignore_errors=True)
    (work / "log").mkdir(parents=True)
    work.chmod(0o700)
    for path in (home.folder / "log").glob("*.log"):
        try:
            os.link(path, work / "log" / path.name)
        except OSError:
            shutil.copy2(path, work / "log" / path.name)
    with (
        contextlib.closing(sqlite3.connect(home.private_db)) as source,
        contextlib.closing(sqlite3.connect(work / "private.db")) as target,
    ):
        source.backup(target)
    (work / "private.db").chmod(0o600)
    (work / "VERSION").write_text(f"{version}\n", "ascii")
    work.rename(aside)


def _forget_old(home: Home, now_s: float) -> None:
    for aside in home.folder.glob("before-*"):
        if aside.stat().st_mtime < now_s - KEPT_S:
            shutil.rmtree(aside, ignore_errors=True)
