"""What is remembered of a server under its key: how well it does, as far as a client can tell.

Each observation changes a small record that decays. Its score, 0 to 1, says
in which order servers are asked. What a server does well makes up for times
when it could not be reached; nothing but time makes up for wrong answers and
for records that it kept back, so a server can't lie and then buy itself off.

A server is its key: whoever hops from address to address keeps what is
remembered of him.

Source: rationale.md (reputation by server key); network.md; this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from mosaic.core.keys import PublicKey
from mosaic.errors import MosaicError, ProtocolViolation, Refused

_SECOND: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND
_MOMENT_NS: Final = 5 * _SECOND
_REACH_HALVES_NS: Final = _DAY_NS
_TRUST_HALVES_NS: Final = 7 * _DAY_NS
_MOST_GOOD: Final = 20.0
_MOST_BAD: Final = 12.0
_MOST_WRONG: Final = 6.0
_SLOW_NS: Final = 300_000_000
_IN_A_ROW: Final = 3
_REST_NS: Final = 600 * _SECOND
_LONGEST_REST_NS: Final = 6 * 3_600 * _SECOND
_MOST_LATENCY_NS: Final = 60 * _SECOND
CLOCK_NS: Final = 60 * _SECOND
"""By how much (ns) a server's clock may differ before it is worth a word."""


class What(StrEnum):
    """What was seen of a server."""

    REACHED = "reached"
    """It proved its key, or answered. `amount`: how long that took, in ns; 0 = not measured."""
    FAILED = "failed"
    """It could not be reached, or went away without an answer."""
    SLOW = "slow"
    """It let a question wait until another server was asked."""
    ACCEPTED = "accepted"
    """It took a record, or a question, of one's own."""
    REFUSED = "refused"
    """It refused that. `amount`: the result code."""
    WRONG = "wrong"
    """It answered what it may not: a false signature, what nobody asked for, no protocol at all."""
    WITHHELD = "withheld"
    """It lacks records that another outbox of their author has. `amount`: how many."""
    STALE = "stale"
    """What it publishes leads nowhere, while it is reached by another way."""
    CLOCK = "clock"
    """Its clock was compared. `amount`: by how much it is ahead of ours, in ns; 0 = it agrees."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was seen of a server.

    Args:
        what: What.
        amount: See `What`.
        note: In words, for people.
    """

    what: What
    amount: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Repute:
    """What is remembered of one server. Times are Mosaic timestamps, 0 = never.

    Attributes:
        noted_ns: When something was last seen of it.
        good: How often it did what it should, decayed.
        bad: How often it could not be reached or was slow, decayed.
        wrong: How often it answered wrongly, decayed.
        withheld: How often it lacked records that others had, decayed.
        stale: How often what it publishes led nowhere, decayed.
        latency_ns: How long it takes to answer, smoothed; 0 = not measured.
        failures: How often in a row it could not be reached.
        failing_since_ns: When the first of those was.
        failed_ns: When the last of those was.
        reached_ns: When it was last reached.
        refusals: How often in a row it refused what is one's own.
        refused: The last of those result codes.
        clock_ns: By how much its clock is ahead of ours, as far as is known.
        note: What went wrong last, in words.
    """

    noted_ns: int = 0
    good: float = 0.0
    bad: float = 0.0
    wrong: float = 0.0
    withheld: float = 0.0
    stale: float = 0.0
    latency_ns: int = 0
    failures: int = 0
    failing_since_ns: int = 0
    failed_ns: int = 0
    reached_ns: int = 0
    refusals: int = 0
    refused: int = 0
    clock_ns: int = 0
    note: str = ""

    def decayed(self, now_ns: int) -> Repute:
        """The same as it counts now: what is long ago counts less."""
        # A clock that was set back makes nothing count more.
        age_ns = max(0, now_ns - self.noted_ns) if self.noted_ns else 0
        reach, trust = 0.5 ** (age_ns / _REACH_HALVES_NS), 0.5 ** (age_ns / _TRUST_HALVES_NS)
        return replace(
            self,
            noted_ns=max(now_ns, self.noted_ns),
            good=self.good * reach,
            bad=self.bad * reach,
            wrong=self.wrong * trust,
            withheld=self.withheld * trust,
            stale=self.stale * trust,
        )

    def after(self, seen: Observation, now_ns: int) -> Repute:
        """The same after one more observation."""
        step = _STEPS[seen.what](self.decayed(now_ns), seen, now_ns)
        return replace(step, note=seen.note or step.note)

    def score(self, now_ns: int) -> float:
        """How well it does, 0 to 1. Of whom nothing is known it is 0.75."""
        now = self.decayed(now_ns)
        reach = (now.good + 3.0) / (now.good + now.bad + 4.0)
        if self.failures >= _IN_A_ROW:
            reach *= 0.3
        # What is provably wrong is nobody's mishap: once, and people are read elsewhere where they can be.
        trust: float = 0.2**now.wrong * 0.8**now.withheld * 0.9**now.stale
        speed = max(0.5, 1.0 / (1.0 + max(0, now.latency_ns - _SLOW_NS) / (2 * _SECOND)))
        return reach * trust * speed

    def failing(self, now_ns: int) -> bool:
        """Whether others should be asked instead: it failed some times in a row.

        It is asked again after a rest that grows, so that it may recover.
        """
        if self.failures < _IN_A_ROW:
            return False
        rest_ns = min(_LONGEST_REST_NS, _REST_NS << min(self.failures - _IN_A_ROW, 16))
        return abs(now_ns - self.failed_ns) < rest_ns

    @property
    def is_down(self) -> bool:
        """Whether it failed some times in a row, and was not reached since, however long ago that is."""
        return self.failures >= _IN_A_ROW


UNKNOWN: Final = Repute()
"""Nothing is known."""

FIELDS: Final = tuple(field.name for field in fields(Repute))
"""The names of what is remembered."""


def _reached(now: Repute, seen: Observation, now_ns: int) -> Repute:
    amount = min(max(0, seen.amount), _MOST_LATENCY_NS)
    latency = now.latency_ns
    if amount:
        latency = amount if not latency else (7 * latency + amount) // 8
    return replace(
        now,
        good=min(now.good + 1.0, _MOST_GOOD),
        latency_ns=latency,
        failures=0,
        failing_since_ns=0,
        failed_ns=0,
        reached_ns=now_ns,
    )


def _failed(now: Repute, _seen: Observation, now_ns: int) -> Repute:
    # Many who ask at once fail for one reason: that is one bad moment.
    if now.failed_ns and abs(now_ns - now.failed_ns) < _MOMENT_NS:
        return now
    return replace(
        now,
        bad=min(now.bad + 1.0, _MOST_BAD),
        failures=now.failures + 1,
        failing_since_ns=now.failing_since_ns or now_ns,
        failed_ns=now_ns,
    )


def _slow(now: Repute, _seen: Observation, _now_ns: int) -> Repute:
    return replace(now, bad=min(now.bad + 0.5, _MOST_BAD))


def _accepted(now: Repute, _seen: Observation, _now_ns: int) -> Repute:
    return replace(now, refusals=0, refused=0)


def _refused(now: Repute, seen: Observation, _now_ns: int) -> Repute:
    return replace(now, refusals=now.refusals + 1, refused=seen.amount)


def _wrong(now: Repute, _seen: Observation, _now_ns: int) -> Repute:
    return replace(now, wrong=min(now.wrong + 1.0, _MOST_WRONG))


def _withheld(now: Repute, seen: Observation, _now_ns: int) -> Repute:
    # How many there are tells little: a server that lost a day of one author is no worse than another.
    return replace(now, withheld=min(now.withheld + (1.0 if seen.amount else 0.0), _MOST_WRONG))


def _stale(now: Repute, _seen: Observation, _now_ns: int) -> Repute:
    return replace(now, stale=min(now.stale + 1.0, _MOST_WRONG))


def _clock(now: Repute, seen: Observation, _now_ns: int) -> Repute:
    return replace(now, clock_ns=seen.amount if abs(seen.amount) >= CLOCK_NS else 0)


_STEPS: Final[dict[What, Callable[[Repute, Observation, int], Repute]]] = {
    What.REACHED: _reached,
    What.FAILED: _failed,
    What.SLOW: _slow,
    What.ACCEPTED: _accepted,
    What.REFUSED: _refused,
    What.WRONG: _wrong,
    What.WITHHELD: _withheld,
    What.STALE: _stale,
    What.CLOCK: _clock,
}


Observe: TypeAlias = Callable[[PublicKey, Observation], None]
"""Takes what was seen of a server. Does not block for long, raises nothing."""


def nobody_notes(_server: PublicKey, _seen: Observation) -> None:
    """An `Observe` for who remembers nothing."""


def of_failure(error: MosaicError) -> Observation:
    """What it says of a server that something with it ended with this error."""
    if isinstance(error, Refused):
        return Observation(What.REFUSED, int(error.result), str(error))
    if isinstance(error, ProtocolViolation):
        return Observation(What.WRONG, note=str(error))
    return Observation(What.FAILED, note=str(error))


class Reputation(Protocol):
    """Remembers servers by their keys; a node keeps that on disk. No call blocks for long."""

    def noted(self, server: PublicKey, what: Observation) -> None:
        """Takes an observation."""

    def score(self, server: PublicKey) -> float:
        """How well a server does, 0 to 1."""

    def failing(self, server: PublicKey) -> bool:
        """Whether others should be asked instead for a while."""


class ProcessReputation:
    """A `Reputation` that lasts as long as the process, for programs without a home.

    Args:
        now_ns: The clock.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._known: dict[PublicKey, Repute] = {}

    def noted(self, server: PublicKey, what: Observation) -> None:
        """See `Reputation.noted`."""
        self._known[server] = self._known.pop(server, UNKNOWN).after(what, self._now_ns())
        while len(self._known) > _SERVERS:
            del self._known[next(iter(self._known))]

    def score(self, server: PublicKey) -> float:
        """See `Reputation.score`."""
        return self._known.get(server, UNKNOWN).score(self._now_ns())

    def failing(self, server: PublicKey) -> bool:
        """See `Reputation.failing`."""
        return self._known.get(server, UNKNOWN).failing(self._now_ns())


_SERVERS: Final = 4_096

_TIERS: Final = (0.5, 0.2)


def tier(score: float) -> int:
    """By a `score` of 0 to 1: 0 for servers that do well, 1 for doubtful ones, 2 for those asked last."""
    return sum(score < bound for bound in _TIERS)


def ranked(servers: Iterable[PublicKey], score: Callable[[PublicKey], float]) -> list[PublicKey]:
    """Servers in the order in which they are asked: as their user prefers them, doubtful ones behind.

    Small differences of scores change nothing, so that the same server is asked first each time.

    Args:
        servers: The preferred first.
        score: How well each does.
    """
    return sorted(servers, key=lambda server: tier(score(server)))
