"""The chain of a server's acts: each names the one before it, so that none can be taken out unnoticed.

Acts of older versions of this program name none: with each of them a part of
the chain begins, and nobody can tell whether there was one before it.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.core.reference import Id
from mosaic.core.server_act import ServerAct


@dataclass(frozen=True, slots=True)
class Chain:
    """What the links between acts say of them.

    Args:
        missing: Acts that were done and are not there.
        faults: What is wrong with the place of an act, in words.
        beginnings: Acts of an older version, before which there may have been others.
    """

    missing: frozenset[Id]
    faults: Mapping[Id, str]
    beginnings: frozenset[Id]


def follow(acts: Mapping[Id, ServerAct], last: Id | None) -> Chain:
    """Follows the links between all acts of a server.

    Args:
        acts: The acts that are there.
        last: The one that was written last, as far as that is noted elsewhere.
    """
    before = _links(acts)
    named = {*before.values(), last} - {None}
    missing = frozenset(each for each in named if each is not None and each not in acts)
    faults: dict[Id, str] = {}
    followed: dict[Id | None, Id] = {}
    for each in sorted(before):
        first = followed.setdefault(before[each], each)
        if first != each:
            faults[each] = f"it stands in the place of another act, {first.text}"
    return Chain(missing, faults, frozenset(acts.keys() - before.keys()))


def end(acts: Mapping[Id, ServerAct], last: Id | None) -> Id | None:
    """The act that the next one is to name as the one before it; None if there is none.

    Args:
        acts: The acts that are there.
        last: The one that was written last, as far as that is noted elsewhere. If it is not there it is named
            all the same, so that the gap is seen for good.
    """
    before = _links(acts)
    ends = before.keys() - set(before.values())
    if last is not None and (last not in acts or last in ends):
        return last
    return max(ends, default=None) or max(acts, default=None)


def _links(acts: Mapping[Id, ServerAct]) -> dict[Id, Id | None]:
    """The act before each that names one or says that there was none."""
    return {each: act.link.before for each, act in acts.items() if act.link is not None}
