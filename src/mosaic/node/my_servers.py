"""How the servers do that the people of this home use, for those people: health, and what is wrong.

Source: bootstrap.md (roles); the specification's index (clients tell their users of servers that fail them);
this project's own design, docs/architecture.md "A server is judged".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client.reputation import UNKNOWN, tier
from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.node.alarms import Alarm

if TYPE_CHECKING:
    from mosaic.node.node import Node
    from mosaic.node.people import Person

USES: Final = {"outbox": Usage.OUTBOX, "inbox": Usage.INBOX, "encryption": Usage.ENCRYPTION}
"""What a server may be used for, by its name."""

_HEALTH: Final = ("well", "doubtful", "bad")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a server, and what can be done."""

    what: str
    """`failing`, `refuses`, `withholds`, `hidden` or `clock`."""
    server: str
    """mosrv0."""
    words: str
    """A sentence."""
    note: str
    """What exactly."""
    act: str
    """What is proposed: one sentence or more."""
    since_iso: str


@dataclass(frozen=True, slots=True)
class MyServer:
    """One server that a person uses."""

    key: str
    """mosrv0."""
    uses: Sequence[str]
    """`outbox`, `inbox`, `encryption`."""
    urls: Sequence[str]
    mine: bool
    """Whether it is this home's own."""
    health: str
    """`well`, `doubtful`, `bad`, or `unknown` while nothing was seen of it; the own one is always well."""
    score: float
    """0 to 1."""
    latency_ms: int
    """How long it takes to answer, milliseconds; 0 = not measured."""
    reached_iso: str
    """When it was last reached (ISO 8601), or an empty text."""
    received: int
    """Bytes that came from it since the node was started."""
    sent: int
    """Bytes that went to it since then."""
    waiting: int
    """Records that wait to be delivered there."""
    troubles: Sequence[Trouble]


def of_person(node: Node, person: Person) -> list[MyServer]:
    """The servers of a person, the preferred first."""
    alarms = [alarm for alarm in node.alarms.all() if alarm.person == person.key]
    waiting: dict[PublicKey, int] = {}
    for delivery in node.deliveries.queued(10_000):
        waiting[delivery.server.key] = waiting.get(delivery.server.key, 0) + 1
    found = []
    for entry in UserBootstrap.parse(person.bootstrap).entries:
        mine = entry.key == node.server_secret.public
        repute = node.reputations.of(entry.key)
        score = 1.0 if mine else node.reputations.score(entry.key)
        troubles = [trouble(node, person, alarm) for alarm in alarms if alarm.server == entry.key]
        received, sent = node.pool.traffic(entry.key)
        known = mine or repute != UNKNOWN
        found.append(
            MyServer(
                key=entry.key.server_text,
                uses=[name for name, usage in USES.items() if entry.usage & usage],
                urls=[str(url) for url in (node.urls if mine else node.directory.address(entry.key).urls)],
                mine=mine,
                health=_HEALTH[max(tier(score), 1 if troubles else 0)] if known else "unknown",
                score=round(score, 2),
                latency_ms=repute.latency_ns // 1_000_000,
                reached_iso=Timestamp(repute.reached_ns).iso(0) if repute.reached_ns else "",
                received=received,
                sent=sent,
                waiting=waiting.get(entry.key, 0),
                troubles=troubles,
            )
        )
    return found


def troubles(node: Node) -> list[Trouble]:
    """All that is wrong with servers of the people of this home."""
    people = {person.key: person for person in node.people}
    return [
        trouble(node, people[alarm.person], alarm) for alarm in node.alarms.all() if alarm.person in people
    ]


def trouble(node: Node, person: Person, alarm: Alarm) -> Trouble:
    """An alarm in words."""
    checks = node.server_checks
    act = alarm.act(
        node.clock.now_ns(),
        alone=checks.is_alone(person, alarm.server),
        offline=checks.is_offline(alarm.since_ns),
    )
    since = Timestamp(alarm.since_ns).iso(0)
    return Trouble(alarm.what.value, alarm.server.server_text, alarm.words(), alarm.note, act, since)
