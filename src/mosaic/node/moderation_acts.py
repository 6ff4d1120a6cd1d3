"""A moderator's acts about what is stored: what waits for approval, hiding, dropping, erasing, usage.

Source: network.md (inboxes may hold back); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.core import community_kinds, deletion, kinds, reference
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.server_act import Value
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node.arguments import Arguments, parse_filter
from mosaic.node.control import Act, Items, Json, JsonObject
from mosaic.node.server_log import ServerLog
from mosaic.node.shapes import record_object
from mosaic.policy.label import Label
from mosaic.store.blob_ledger import Usage
from mosaic.store.store import all_of

if TYPE_CHECKING:
    from mosaic.node.node import Node

_FILTERED: Final = (
    "authors",
    "signers",
    "kinds",
    "timestamps",
    "tags",
    "since",
    "until",
    "received_since",
    "received_until",
    "exclude",
    "exclude_tags",
)


class ModerationActs:
    """The acts of a moderator.

    Args:
        node: The open home.
        log: Where acts are written down.
    """

    def __init__(self, node: Node, log: ServerLog) -> None:
        self._node = node
        self._log = log
        self._moderation = node.server.moderation

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "admin_held": self.held,
            "admin_approve": self.approve,
            "admin_hide": self.hide,
            "admin_show": self.show,
            "admin_drop": self.drop,
            "admin_remove": self.remove,
            "admin_erase": self.erase,
            "admin_usage": self.usage,
        }

    async def held(self, given: JsonObject) -> Items:
        """What waits for approval, the oldest first: `limit`, `after`; with `hidden` what is hidden."""
        arguments = Arguments(given)
        label = Label.HIDDEN if arguments.flag("hidden") else Label.WITHHELD
        limit, after = arguments.number("limit", 100), arguments.number("after", 0)
        for one in await self._moderation.held(label, limit=limit, after=after):
            yield {**record_object(Record(one.record)), "position": str(one.position)}

    async def approve(self, given: JsonObject) -> Items:
        """Lets withheld records be read as their kind says: `ids`, or all of an `author`.

        Raises:
            UsageError: neither is given.
            FormatError: one of them is none.
        """
        arguments = Arguments(given)
        author = arguments.optional_text("author")
        key = None if author is None else PublicKey.parse_user(author)
        ids = self._ids(arguments, needed=key is None)
        told: dict[str, Value] = {"ids": _texts(ids)} if key is None else {"author": key.user_text}
        await self._log.write(arguments, "approve", told)
        yield {"approved": await self._moderation.approve(ids, author=None if key is None else key.bytes)}

    async def hide(self, given: JsonObject) -> Items:
        """Shows records to nobody but the owner: `ids`. Raises UsageError or FormatError."""
        arguments = Arguments(given)
        ids = self._ids(arguments)
        await self._log.write(arguments, "hide", {"ids": _texts(ids)})
        yield {"hidden": await self._moderation.hide(ids)}

    async def show(self, given: JsonObject) -> Items:
        """Takes hiding back: `ids`. Raises UsageError or FormatError."""
        arguments = Arguments(given)
        ids = self._ids(arguments)
        await self._log.write(arguments, "show", {"ids": _texts(ids)})
        yield {"shown": await self._moderation.show(ids)}

    async def drop(self, given: JsonObject) -> Items:
        """Removes records and refuses them for good: `ids`.

        Raises:
            UsageError: none is named, or one that has to stay: a Deletion, an act of this server's log.
            FormatError: one of them is none.
        """
        arguments = Arguments(given)
        ids = self._ids(arguments)
        self._check_droppable(ids)
        await self._log.write(arguments, "drop", {"ids": _texts(ids)})
        yield {"dropped": await self._moderation.drop(ids)}

    def _check_droppable(self, ids: Sequence[bytes]) -> None:
        for _, _, data in all_of(self._node.store.lookup(ids)):
            record = Record(data)
            if data[56:64] in deletion.KINDS:
                why = "is a Deletion: without it what it took back could come again"
            elif self._log.holds(record):
                why = "is an act of this server's log, in which nothing may be missing"
            else:
                continue
            hint = f"Hide it instead: mosaic admin hide {record.id.text}"
            raise UsageError(f"{record.id.text} {why}", hint=hint)

    async def remove(self, given: JsonObject) -> Items:
        """Removes what a filter matches and refuses it for good; with `dry_run` only counts.

        Raises:
            UsageError: the filter names nothing, so everything would go.
            FormatError: a part of the filter is none.
        """
        arguments, dry_run = Arguments(given), Arguments(given).flag("dry_run")
        wanted = parse_filter(arguments, self._node.clock.now())
        if not wanted.elements:
            raise UsageError(
                "this would remove everything", hint="Say what: --author, --kind, --since, --until, …"
            )
        if not dry_run:
            filtered = {name: _value(given.get(name)) for name in _FILTERED if given.get(name)}
            await self._log.write(arguments, "remove", filtered)
        yield {"removed": await self._moderation.remove(wanted, dry_run=dry_run), "dry_run": dry_run}

    async def erase(self, given: JsonObject) -> Items:
        """Erases a person from this server: `key`; only with `confirm`, else it is told what would go.

        `messages` takes private messages to the key alone as well.

        Raises:
            FormatError: the key is none.
            UsageError: it is that of somebody of this home, or of the server.
        """
        arguments = Arguments(given)
        key = PublicKey.parse_user(arguments.text("key"))
        if self._log.is_by(key) is not None or any(each.device.public == key for each in self._node.people):
            raise UsageError(
                "this is somebody who lives in this home, or the server itself",
                hint=f"Remove what was written instead: mosaic admin remove --author {key.user_text} --yes",
            )
        if not arguments.flag("confirm"):
            rows = self._node.store.tally(Filter.of(authors=[key]).compiled)
            yield {"key": key.user_text, "erased": False, "records": sum(row[2] for row in rows)}
            return
        await self._log.write(
            arguments, "erase", {"key": key.user_text, "messages": arguments.flag("messages")}
        )
        by = arguments.optional_text("as") or "server"
        done = await self._moderation.erase(key.bytes, by=by, with_messages=arguments.flag("messages"))
        yield {
            "key": key.user_text,
            "erased": True,
            "records": done.records,
            "blobs": done.blobs,
            "bytes_freed": str(done.bytes_freed),
            "until": Timestamp(done.until_ns).iso(),
        }

    async def usage(self, given: JsonObject) -> Items:
        """What takes how much room, most first: `by` person or kind, at most `limit`.

        Raises:
            UsageError: `by` is neither.
        """
        arguments = Arguments(given)
        by, limit = arguments.optional_text("by") or "person", arguments.number("limit", 50)
        if by not in {"person", "kind"}:
            raise UsageError("usage is told by person or by kind")
        # Millions of records take a while; whoever is served goes on meanwhile.
        records, room, blobs = await asyncio.to_thread(self._sums, by)
        groups = sorted(
            {*records, *blobs}, key=lambda each: -room[each] - (blobs[each].bytes if each in blobs else 0)
        )
        names = {person.key.bytes: person.name for person in self._node.people}
        names |= {listed.key.bytes: listed.note for listed in self._node.rules.served.listed()}
        for group in groups[: limit or None]:
            named = self._person(group, names, blobs.get(group)) if by == "person" else _kind(group)
            yield {**named, "records": records[group], "bytes": str(room[group])}

    def _sums(self, by: str) -> tuple[Counter[bytes], Counter[bytes], dict[bytes, Usage]]:
        """Records, their bytes, and blobs, by person or kind."""
        records: Counter[bytes] = Counter()
        room: Counter[bytes] = Counter()
        for author, kind, count, length in self._node.store.tally(Filter.of().compiled):
            group = author if by == "person" else kind
            records[group] += count
            room[group] += length
        # Somebody may have brought blobs and written nothing.
        uploaders = self._node.ledger.uploaders() if by == "person" else []
        counted = {*uploaders, *records} if uploaders else set[bytes]()
        return records, room, {key: self._node.ledger.used_by(key) for key in counted}

    def _person(self, author: bytes, names: Mapping[bytes, str], blobs: Usage | None) -> JsonObject:
        return {
            "blobs": blobs.blobs if blobs else 0,
            "blob_bytes": str(blobs.bytes if blobs else 0),
            "key": PublicKey(author).user_text,
            "name": names.get(author, ""),
            "served": self._node.rules.served.serves(author),
        }

    def _ids(self, arguments: Arguments, *, needed: bool = True) -> list[bytes]:
        """The ids that `ids` names; an address names all that stands at it."""
        texts = arguments.texts("ids")
        if not texts and needed:
            raise UsageError("no record is named", hint="Name records by their moref0…, as they are listed.")
        found: list[bytes] = []
        for text in texts:
            named = reference.parse(text)
            if isinstance(named, Id):
                found.append(named.bytes)
            else:
                found += [record.id.bytes for record in self._node.everything.at(named)]
        return found


def _texts(ids: Sequence[bytes]) -> list[Value]:
    return [Id(each).text for each in ids]


def _value(value: Json) -> Value:
    """A part of a filter, which is a text or a list of texts, as an argument of an act."""
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def _kind(data: bytes) -> JsonObject:
    kind = Kind.from_bytes(data)
    return {"kind": data.hex(), "name": community_kinds.NAMES.get(kind) or kinds.name(kind)}
