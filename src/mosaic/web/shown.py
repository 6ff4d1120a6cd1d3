"""Posts as the page shows them: with their author's face, what they answer, and their place in a thread.

Source: core_tags.md (Reply, Root); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.errors import MosaicError
from mosaic.web.face import Entry, NodeFace

_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """One post of a list.

    Args:
        entry: The post.
        answered: What it answers, or None if it answers nothing or something that has not come here.
        depth: How far below the beginning of its thread it stands, 0 to 4.
    """

    entry: Entry
    answered: Entry | None = None
    depth: int = 0


async def listed(node: NodeFace, entries: Sequence[Entry]) -> list[Shown]:
    """Posts of a feed or wall, in their order."""
    known: dict[str, Entry | None] = {entry.reference: entry for entry in entries}
    for reference in {entry.answers for entry in entries} - set(known) - {""}:
        known[reference] = await _entry(node, reference)
    return [Shown(entry, known.get(entry.answers)) for entry in entries]


async def _entry(node: NodeFace, reference: str) -> Entry | None:
    """The post at a reference that a stranger wrote, or None."""
    try:
        return await node.entry(reference)
    except MosaicError:
        return None


async def threaded(node: NodeFace, entries: Sequence[Entry]) -> list[Shown]:
    """A thread: each reply below what it answers, and in the order of time where they answer the same.

    Args:
        node: Knows what is answered, but not part of the thread.
        entries: The beginning first, then by time.
    """
    inside = {entry.reference for entry in entries}
    below: dict[str, list[Entry]] = {}
    for entry in entries[1:]:
        parent = entry.answers if entry.answers in inside else entries[0].reference
        below.setdefault(parent, []).append(entry)
    found: list[Shown] = []
    seen: set[str] = set()
    waiting = [(entry, 0) for entry in entries[:1]]
    while waiting:
        entry, depth = waiting.pop()
        if entry.reference in seen:
            continue
        seen.add(entry.reference)
        found.append(Shown(entry, depth=min(depth, _DEEPEST)))
        waiting += [(child, depth + 1) for child in reversed(below.get(entry.reference, []))]
    # Edits can make replies answer each other in a circle: these stand at the end.
    found += [Shown(entry, depth=1) for entry in entries if entry.reference not in seen]
    answers = {one.entry.reference: one.answered for one in await listed(node, entries)}
    return [Shown(one.entry, answers[one.entry.reference], one.depth) for one in found]
