"""The smallest set of servers that covers whom one follows: each person is read at one of his outboxes.

Whoever publishes uses several outboxes, and each has all of it. Read is one of
them, and as few servers in all as will do: fewer links, fewer filters, nothing
fetched twice. Greedy: the server that serves most of those who are left, then
the next. It is never far from the smallest set, and always the same for the
same question.

A small change moves few: who is read somewhere stays there as long as that
server will do, and whoever comes joins servers that are read already. Only
when much fewer servers would do is everything chosen anew.

Source: network.md (outboxes), bootstrap.md (the first three of a role); this project's own design,
docs/architecture.md "Whom one follows is read".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.keys import PublicKey

Cover: TypeAlias = Mapping[PublicKey, frozenset[PublicKey]]
"""For each server that is read the people who are read there; each person once."""

_WASTE: Final = 1.5
_SPARE: Final = 2
_POOR: Final = 0.2


def cover(
    outboxes: Mapping[PublicKey, Sequence[PublicKey]],
    score: Callable[[PublicKey], float],
    kept: Mapping[PublicKey, PublicKey] | None = None,
) -> Cover:
    """At which server each person is read.

    Args:
        outboxes: The outboxes of each person, the preferred first; the first three count.
        score: How well a server does, 0 to 1; one under 0.2 is read only for people who have no better, one
            with 0 only for those who have no other.
        kept: Where people are read now. Who is read at a server that will do stays there.

    Returns:
        Servers and their people. Whoever has an outbox stands in it exactly once.
    """
    choices = {person: usable(servers, score) for person, servers in outboxes.items() if servers}
    stay = {
        person: server
        for person, server in (kept or {}).items()
        if server in choices.get(person, ()) and score(server) > 0
    }
    chosen = _chosen(choices, score, stay)
    if stay:
        anew = _chosen(choices, score, {})
        if len(set(chosen.values())) > _WASTE * len(set(anew.values())) + _SPARE:
            chosen = anew
    people: dict[PublicKey, set[PublicKey]] = {}
    for person, server in chosen.items():
        people.setdefault(server, set()).add(person)
    return {server: frozenset(people[server]) for server in sorted(people)}


def usable(servers: Sequence[PublicKey], score: Callable[[PublicKey], float]) -> tuple[PublicKey, ...]:
    """Where somebody may be read, the preferred server first.

    Args:
        servers: All his outboxes, the preferred first.
        score: As in `cover`.
    """
    first = tuple(dict.fromkeys(servers))[:SERVERS_OF_A_ROLE]
    good = tuple(server for server in first if score(server) >= _POOR)
    return good or tuple(server for server in first if score(server) > 0) or first


def _chosen(
    choices: Mapping[PublicKey, Sequence[PublicKey]],
    score: Callable[[PublicKey], float],
    stay: Mapping[PublicKey, PublicKey],
) -> dict[PublicKey, PublicKey]:
    """The server of each person, those first that cost nothing because they are read anyway."""
    chosen = dict(stay)
    serves: dict[PublicKey, set[PublicKey]] = {}
    for person, servers in choices.items():
        if person not in chosen:
            for server in servers:
                serves.setdefault(server, set()).add(person)
    # Fewer people weigh less than a poor server, so that a server at half its score needs twice as many.
    read = set(stay.values())
    left = {person for person in choices if person not in chosen}
    while left:
        server = max(
            (server for server in serves if serves[server]),
            key=lambda one: (one in read, score(one) * len(serves[one]), len(serves[one]), one.bytes),
        )
        taken = set(serves.pop(server))
        read.add(server)
        left -= taken
        for person in taken:
            chosen[person] = server
            for other in choices[person]:
                serves.get(other, set()).discard(person)
    return chosen if stay else _pruned(chosen, choices)


def _pruned(
    chosen: dict[PublicKey, PublicKey], choices: Mapping[PublicKey, Sequence[PublicKey]]
) -> dict[PublicKey, PublicKey]:
    """The same without servers whose people can all be read at the others; those with fewest people first."""
    people: dict[PublicKey, list[PublicKey]] = {}
    for person, server in chosen.items():
        people.setdefault(server, []).append(person)
    for server in sorted(people, key=lambda one: (len(people[one]), one.bytes)):
        others = {
            person: next((each for each in choices[person] if each != server and each in people), None)
            for person in people[server]
        }
        if all(others.values()):
            for person, other in others.items():
                assert other is not None
                chosen[person] = other
                people[other].append(person)
            del people[server]
    return chosen
