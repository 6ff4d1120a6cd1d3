"""What is on this machine, as the page shows it: sums of `KeepActs`, ready to be read.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.errors import UsageError
from mosaic.node.finder import Finder
from mosaic.node.keep_acts import KeepActs, keep_no_longer, what_is
from mosaic.policy.cache import CACHE, Share

if TYPE_CHECKING:
    from mosaic.node.node import Node

_LATELY_NS: Final = 60 * 1_000_000_000

WORDS: Final = {
    Share.OWN: "mine",
    Share.KEPT: "kept by choice",
    Share.ADDRESSED: "written to me",
    Share.SERVED: "of people served here",
    Share.NEEDED: "keys, profiles, Deletions",
    Share.FOLLOWED: "of people followed",
    Share.OTHERS: "of everybody else",
}
"""The shares of what a home has, for people."""


@dataclass(frozen=True, slots=True)
class ShownShare:
    """One share.

    Args:
        words: What it is.
        records: How many.
        bytes: What they take of the log.
    """

    words: str
    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ShownKept:
    """One thing that is kept by choice.

    Args:
        what: mopub0 or moref0.
        name: Its author's, empty if it is not known.
        is_person: Whether it is an account.
        records: How many records of it are here.
        bytes: What they take.
    """

    what: str
    name: str
    is_person: bool
    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ShownStorage:
    """All of it.

    Args:
        stays: What no lack of room takes away.
        cache: What goes first.
        cache_bytes: What the cache takes.
        keep_bytes: What it may take, 0 = any.
        blobs: Number of blobs.
        blob_bytes: What they take.
        own_blob_bytes: What of that who lives here brought or named.
        free_bytes: What is free on the disk.
        kept: What is kept by choice.
    """

    stays: Sequence[ShownShare]
    cache: Sequence[ShownShare]
    cache_bytes: int
    keep_bytes: int
    blobs: int
    blob_bytes: int
    own_blob_bytes: int
    free_bytes: int
    kept: Sequence[ShownKept]


class StorageFace:
    """What the page of this machine asks and does.

    Args:
        node: The running node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def shown(self) -> ShownStorage:
        """How much of what there is, of a minute ago at most. Raises StoreError."""
        node = self._node
        sizes = await node.cache.sizes(lately_ns=_LATELY_NS)
        shares = {share: ShownShare(WORDS[share], size.records, size.bytes) for share, size in sizes.items()}
        total = node.ledger.total()
        kept = [item async for item in self._acts().list({})]
        return ShownStorage(
            stays=[shown for share, shown in shares.items() if share not in CACHE],
            cache=[shares[share] for share in reversed(CACHE)],
            cache_bytes=sum(sizes[share].bytes for share in CACHE),
            keep_bytes=node.settings.cache.keep_bytes,
            blobs=total.blobs,
            blob_bytes=total.bytes,
            own_blob_bytes=sum(node.ledger.used_by(person.key.bytes).bytes for person in node.people),
            free_bytes=node.cache.disk_free(),
            kept=[
                ShownKept(
                    str(item["what"]),
                    str(item["name"] or ""),
                    "state" in item,
                    int(str(item["records"])),
                    int(str(item["bytes"])),
                )
                for item in kept
            ],
        )

    async def keep(self, what: str) -> None:
        """Keeps an account (key or invite link) or a post (reference) from now on.

        Raises:
            UsageError: nothing is named, or somebody of this home.
            FormatError: it is none of these.
            Refused: the post is nowhere to be found.
        """
        if not what:
            raise UsageError("nothing is named", hint="Give an account, mopub0…, or a post, moref0….")
        async for _ in self._acts().add({"what": what}):
            pass

    def keep_no_longer(self, what: str) -> None:
        """Keeps it no longer; it stays until room is short. Raises FormatError."""
        keep_no_longer(self._node, what_is(what, self._node))

    def _acts(self) -> KeepActs:
        return KeepActs(self._node, Finder(self._node), working=True)
