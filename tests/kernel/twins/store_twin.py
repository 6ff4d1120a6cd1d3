"""The store door's twin: a list of everything that ever came, and sorts.

Slow and obvious; knows nothing of files, indexes or slices. A query is a
dictionary of what is asked for (see `Query`), not the bytes of a filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypedDict

KEEP_ALL, REPLACE_SIGNER, REPLACE_ADDRESS = range(3)
DELETES = 4
STORED, DUPLICATE, SUPERSEDED, REFUSED, DELETED = range(5)
ONLY_TAGGED, WITHHELD, HIDDEN = 1, 2, 4
DELETION = bytes.fromhex("def0843a0001000c")
PRIVATE_DELETION = bytes.fromhex("def0843a00170000")
PRIVATE_MESSAGE = bytes.fromhex("def0843a000e0004")
SERVER_ACT = bytes.fromhex("def0843a001c0000")


class Query(TypedDict, total=False):
    """What is asked for; what is missing restricts nothing."""

    authors: list[bytes]
    signers: list[bytes]
    kinds: list[bytes]
    timestamps: list[int]
    tags: list[list[bytes]]
    since: int
    until: int
    received_since: int
    received_until: int
    exclude: list[bytes]
    excluded_tags: list[bytes]


@dataclass
class Entry:
    number: int
    received: int
    data: bytes
    served: bool = True
    deletes: bool = False
    label: int = 0
    former: int = 0
    first: int | None = None
    """The number that it had when it came, if it was readmitted since."""

    @property
    def id(self) -> bytes:
        return self.data[0:48]

    @property
    def address(self) -> bytes:
        return self.data[48:96]

    @property
    def kind(self) -> bytes:
        return self.data[56:64]

    @property
    def author(self) -> bytes:
        return self.data[64:96]

    @property
    def signer(self) -> bytes:
        return self.data[96:128]

    @property
    def timestamp(self) -> int:
        return int.from_bytes(self.data[128:136], "big")

    @property
    def tags(self) -> list[bytes]:
        section = self.data[152 : 152 + int.from_bytes(self.data[144:146], "little")]
        out = []
        while section:
            length = int.from_bytes(section[:2], "little")
            out.append(section[:length])
            section = section[length:]
        return [tag for tag in out if tag[2:4] != b"\0\0"]

    def matches(self, query: Query) -> bool:
        tests: dict[str, Callable[[], bool]] = {
            "authors": lambda: self.author in query["authors"],
            "signers": lambda: self.signer in query["signers"],
            "kinds": lambda: self.kind in query["kinds"],
            "timestamps": lambda: self.timestamp in query["timestamps"],
            "tags": lambda: all(set(group) & set(self.tags) for group in query["tags"]),
            "since": lambda: self.timestamp >= query["since"],
            "until": lambda: self.timestamp <= query["until"],
            "received_since": lambda: self.received >= query["received_since"],
            "received_until": lambda: self.received <= query["received_until"],
            "exclude": lambda: self.id[:32] not in [one[:32] for one in query["exclude"]],
            "excluded_tags": lambda: not set(query["excluded_tags"]) & set(self.tags),
        }
        return all(tests[name]() for name in query)

    @property
    def notified(self) -> set[bytes]:
        return {tag[8:40] for tag in self.tags if tag[2:4] == b"\1\0" and len(tag) >= 40}

    def readable(self, viewers: list[bytes] | None, label: int | None = None) -> bool:
        if viewers is None:
            return True
        label = self.label if label is None else label
        access = self.kind[7] >> 2 & 3
        if label:
            return access != 0 and not label & HIDDEN and bool(self.notified & set(viewers))
        if access == 3:
            return True
        allowed = {self.author} | (self.notified if access == 1 else set())
        return bool(allowed & set(viewers))

    @property
    def is_deletion(self) -> bool:
        return self.kind in {DELETION, PRIVATE_DELETION}

    def covers(self, other: Entry) -> bool:
        lasts = other.is_deletion or other.kind == SERVER_ACT or other.kind[:4] == bytes(4)
        if not self.is_deletion or lasts:
            return False
        own = self.author == other.author
        mine = (
            self.kind == PRIVATE_DELETION
            and other.kind == PRIVATE_MESSAGE
            and other.notified == {self.author}
        )
        for tag in self.tags:
            if tag[2:4] != b"\x01\x4d" or len(tag) != 64:
                continue
            named = tag[16:]
            if named[0] & 0x80:
                if own and named == other.address and other.timestamp <= self.timestamp:
                    return True
            elif named == other.id and (own or mine):
                return True
        return False


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: e.id, reverse=True)


@dataclass
class StoreTwin:
    entries: list[Entry] = field(default_factory=list)
    refused: set[bytes] = field(default_factory=set)
    last_received: int = 0

    @property
    def served(self) -> list[Entry]:
        return [e for e in self.entries if e.served]

    def append_one(self, data: bytes, received: int, mode: int, label: int) -> tuple[int, Entry | None]:
        new = Entry(len(self.entries), received, data, deletes=mode >= DELETES, label=label)
        mode %= DELETES
        if new.id in self.refused:
            return REFUSED, None
        for entry in self.served:
            if entry.id == new.id:
                return DUPLICATE, entry
        if self.deletions(new):
            return DELETED, None
        rivals = [e for e in self.served if e.address == new.address and mode != KEEP_ALL]
        if mode == REPLACE_SIGNER:
            rivals = [e for e in rivals if e.signer == new.signer]
        if any(rival.id > new.id for rival in rivals):
            return SUPERSEDED, None
        for rival in rivals:
            rival.served = False
        self._place(new)
        return STORED, new

    def _place(self, new: Entry) -> None:
        self.entries.append(new)
        for other in self.served:
            if new.deletes and new.covers(other):
                other.served = False

    def deletions(self, record: Entry) -> list[Entry]:
        return [e for e in self.served if e.deletes and e.covers(record)]

    def readmit(self, entries: list[Entry], label: int, *, deletes: bool) -> list[Entry | None]:
        out: list[Entry | None] = []
        for old in entries:
            if not old.served:
                out.append(None)
                continue
            old.served = False
            first = old.number if old.first is None else old.first
            counts = old.deletes or (deletes and old.is_deletion)
            new = Entry(len(self.entries), old.received, old.data, True, counts, label, old.label, first)
            self._place(new)
            out.append(new)
        return out

    def append(
        self, records: list[bytes], received: list[int], modes: list[int], labels: list[int]
    ) -> list[tuple[int, Entry | None]]:
        out = [self.append_one(*one) for one in zip(records, received, modes, labels, strict=True)]
        self.last_received = max([self.last_received, *(e.received for e in self.entries)])
        return out

    def remove(self, entries: list[Entry], *, refuse: bool) -> int:
        there = {e.number: e for e in entries if e.served}
        for entry in there.values():
            entry.served = False
            if refuse:
                self.refused.add(entry.id)
        return len(there)

    def scan(
        self, query: Query, limit: int, viewers: list[bytes] | None, before: int | None, after: int | None
    ) -> list[Entry]:
        found = [
            e
            for e in self.served
            if e.matches(query)
            and e.readable(viewers)
            and (before is None or e.number < before)
            and (after is None or e.number >= after)
        ]
        return newest_first(found)[: limit or None]

    def lookup(self, references: list[bytes], viewers: list[bytes] | None) -> list[Entry]:
        out: list[Entry] = []
        for reference in references:
            named = [e for e in self.served if reference in (e.id, e.id[:32], e.address)]
            out += [e for e in newest_first(named) if e.readable(viewers) and e not in out]
        return out

    def follow(self, query: Query, number: int, viewers: list[bytes] | None) -> list[Entry]:
        return [e for e in self.served if e.number >= number and e.matches(query) and e.readable(viewers)]

    def signers(self, address: bytes) -> list[bytes]:
        return sorted({e.signer for e in self.served if e.address == address})
