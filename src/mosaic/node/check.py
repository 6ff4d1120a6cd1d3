"""Does everything in a home agree: log and index, ledger and blobs, the private database, the layout.

Each fault is a sentence with what to do about it. Nothing is changed, but what
opening a home does anyway (an index that does not belong to its log is made
again).

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.errors import StoreError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.home import FORMAT
from mosaic.node.steps import in_thread
from mosaic.store.blobs import check_content

if TYPE_CHECKING:
    from mosaic.node.node import Node

_INDEX = "Stop the node, remove the folder `index` in the home and start it: the index is made again."
_BACKUP = "Restore the newest backup that `mosaic backup test` finds good; keep the damaged home."
_LOG = (
    "The log itself is damaged: leave the index alone. Write what can be read with `mosaic export FILE`,"
    " restore the newest good backup into another folder, and `mosaic import FILE` there."
)
_OF_THE_LOG = "the log's entry"
_LEDGER = "Remove `blobs/ledger.db` in the home while the node is stopped: it is made again."
_BLOB = "Fetch it again from where it came (`mosaic blob get`), or restore it from a backup."


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not agree.

    Attributes:
        part: Where: "records", "blobs", "ledger", "private", "layout".
        text: What, as a sentence.
        repair: What to do about it.
    """

    part: str
    text: str
    repair: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A part that was looked at.

    Attributes:
        part: Which, as in `Fault`.
        count: How many records, people or blobs there are; the number of the layout.
        faults: What does not agree.
    """

    part: str
    count: int
    faults: tuple[Fault, ...]


def check(node: Node, *, blobs: bool) -> Generator[Looked]:
    """Looks at one part after another. Run it in a thread.

    Args:
        node: The open home.
        blobs: Whether every blob is read as well.
    """
    yield _records(node)
    yield _private(node)
    yield _layout(node)
    yield _ledger(node)
    if blobs:
        yield _blobs(node)


def _records(node: Node) -> Looked:
    try:
        told = node.store.verify()
        count = node.store.stats()["records"]
    except StoreError as error:
        return Looked("records", 0, (Fault("records", str(error), _BACKUP),))
    # Where the log itself is not whole, an index made from it would lack what stands behind the damage.
    repair = _LOG if any(_OF_THE_LOG in each for each in told) else _INDEX
    return Looked("records", count, tuple(Fault("records", each, repair) for each in told))


def _private(node: Node) -> Looked:
    """The private database, over a connection of its own: this is another thread."""
    try:
        uri = node.home.private_db.absolute().as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            told = [str(row[0]) for row in database.execute("PRAGMA integrity_check(20)")]
            (people,) = database.execute("SELECT count(*) FROM person").fetchone()
    except sqlite3.Error as error:
        return Looked("private", 0, (Fault("private", f"private.db can't be read: {error}", _BACKUP),))
    faults = (
        () if told == ["ok"] else tuple(Fault("private", f"private.db: {each}", _BACKUP) for each in told)
    )
    return Looked("private", int(people), faults)


def _layout(node: Node) -> Looked:
    written = node.home.version_file.read_text("ascii").strip()
    if written == str(FORMAT):
        return Looked("layout", FORMAT, ())
    text = f"VERSION says {written}, this program has layout {FORMAT}"
    return Looked("layout", FORMAT, (Fault("layout", text, "Stop the node and start it again."),))


def _ledger(node: Node) -> Looked:
    # What is missing is told first; what came since the ledger was written is no fault.
    told = [each for each in node.ledger.check(node.store) if "not there" in each]
    for _ in node.ledger.catch_up(node.store):
        pass
    node.ledger.reconcile(node.clock.now_ns())
    told += node.ledger.check(node.store)
    count = sum(1 for _ in node.blobs)
    return Looked("ledger", count, tuple(Fault("ledger", each, _LEDGER) for each in told))


def _blobs(node: Node) -> Looked:
    count, faults = 0, []
    for fault in check_content(node.blobs):
        count += 1
        if fault is not None:
            faults.append(Fault("blobs", fault, _BLOB))
    return Looked("blobs", count, tuple(faults))


class CheckActs:
    """The act `check`.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> dict[str, Act]:
        """This act by its name."""
        return {"check": self.check}

    async def check(self, given: JsonObject) -> Items:
        """Looks whether everything in the home agrees: an object for each part; `blobs` reads all of them."""
        async for looked in in_thread(check(self._node, blobs=Arguments(given).flag("blobs"))):
            yield {
                "part": looked.part,
                "count": str(looked.count),
                "faults": [{"text": fault.text, "repair": fault.repair} for fault in looked.faults],
            }
