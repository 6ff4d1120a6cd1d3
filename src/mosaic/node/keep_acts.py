"""Acts about what this home has: how much of what, and what is chosen to be kept.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core import human, reference
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node import states
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, Json, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.finding_acts import opened
from mosaic.node.kept import KeptRow, What
from mosaic.policy.cache import CACHE
from mosaic.social import profiles

if TYPE_CHECKING:
    from mosaic.node.node import Node


def what_is(text: str, node: Node) -> What:
    """What a text names: an account (a key or invite link) or records (a reference). Raises FormatError."""
    text = text.strip()
    if text.startswith(human.REFERENCE):
        return reference.parse(text)
    return opened(text, node.directory).key


def keep(node: Node, what: What) -> bool:
    """Keeps something from now on, an account from its beginning; whether that is new."""
    new = node.kept.add(what, node.clock.now_ns())
    if isinstance(what, PublicKey):
        node.look_again()
        node.comparing.from_the_beginning(what)
    node.tell_changed()
    return new


def keep_no_longer(node: Node, what: What) -> bool:
    """Keeps something no longer, though it is not taken away; whether it was kept."""
    was = node.kept.remove(what)
    if isinstance(what, PublicKey):
        node.look_again()
    node.tell_changed()
    return was


class KeepActs:
    """What is here, and what is to stay.

    Args:
        node: The open home.
        finder: Finds records.
        working: Whether the node reads others' outboxes meanwhile.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._working = working

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "keep_add": self.add,
            "keep_list": self.list,
            "keep_remove": self.remove,
            "usage": self.usage,
        }

    async def add(self, given: JsonObject) -> Items:
        """Keeps `what`: an account (a key or invite link), or the records at a reference.

        `server` and `key` say where it is. A record that is not here is fetched; an account is read from
        now on, all of it, blobs too, for as long as the node works.

        Raises:
            UsageError: somebody of this home: all of that is kept anyway.
            Refused: the record is nowhere to be found.
        """
        arguments = Arguments(given)
        node = self._node
        what = what_is(arguments.text("what"), node)
        if isinstance(what, PublicKey):
            if node.people.serves(what.bytes):
                raise UsageError(
                    "what people of this home write is kept anyway",
                    hint="Name an account of another home, or a post (moref0…).",
                )
            server = arguments.server()
            if server is not None:
                node.directory.learn(what, server.key, next(iter(server.urls), None), Usage.OUTBOX)
        else:
            await self._finder.find(Arguments({**given, "reference": arguments.text("what")}))
        new = keep(node, what)
        row = next(row for row in node.kept.listed() if row.what == what)
        yield {**self._object(row), "new": new, "working": self._working}

    async def list(self, _given: JsonObject) -> Items:
        """All that is kept, the oldest first."""
        for row in self._node.kept.listed():
            yield self._object(row)

    async def remove(self, given: JsonObject) -> Items:
        """Keeps `what` no longer; it stays until room is short. Raises UsageError if it is not kept."""
        what = what_is(Arguments(given).text("what"), self._node)
        if not keep_no_longer(self._node, what):
            raise UsageError("this is not kept", hint="`mosaic keep list` shows what is.")
        yield {"what": KeptRow(what, 0).text}

    async def usage(self, _given: JsonObject) -> Items:
        """How much there is of what, and how much there may be."""
        node = self._node
        sizes = await node.cache.sizes()
        stats = node.store.stats()
        own = [node.ledger.used_by(person.key.bytes) for person in node.people]
        total = node.ledger.total()
        until_ns = node.cache.gone_until_ns
        cache: JsonObject = {
            "bytes": str(sum(sizes[share].bytes for share in CACHE)),
            "records": str(sum(sizes[share].records for share in CACHE)),
            "keep_bytes": str(node.settings.cache.keep_bytes),
        }
        if until_ns >= 0:
            cache["gone_until_iso"] = Timestamp(until_ns).iso(0)
        yield {
            "records": {
                share.value: {"records": str(size.records), "bytes": str(size.bytes)}
                for share, size in sizes.items()
            },
            "cache": cache,
            "blobs": {
                "blobs": str(total.blobs),
                "bytes": str(total.bytes),
                "own_blobs": str(sum(each.blobs for each in own)),
                "own_bytes": str(sum(each.bytes for each in own)),
            },
            "disk": {
                "log_bytes": str(stats["log_bytes"]),
                "index_bytes": str(stats["index_bytes"]),
                "free_bytes": str(node.cache.disk_free()),
                "to_be_free_bytes": str(node.settings.cache.disk_free_bytes),
            },
        }

    def _object(self, row: KeptRow) -> JsonObject:
        node, what = self._node, row.what
        told: dict[str, Json] = {"what": row.text, "since_iso": Timestamp(row.since_ns).iso(0)}
        if isinstance(what, PublicKey):
            tally = node.store.tally(Filter.of(authors=[what]).compiled)
            told["name"] = profiles.name_of(node.records, what)
            told["state"] = states.of_person(node, what) if self._working else "not running"
            told["old_posts_done"] = node.history.progress(what).done
            told["records"] = str(sum(records for _, _, records, _ in tally))
            told["bytes"] = str(sum(length for _, _, _, length in tally))
            told["blobs_lacking"] = str(node.kept_blobs.lacking(what))
        else:
            records = node.everything.at(what)
            told["name"] = profiles.name_of(node.records, records[0].author) if records else None
            told["records"] = str(len(records))
            told["bytes"] = str(sum(len(record) for record in records))
        return told
