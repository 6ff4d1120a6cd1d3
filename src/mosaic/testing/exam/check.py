"""What a check is, and what can come of it.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from mosaic.errors import MosaicError, UsageError
from mosaic.transport.transport import Transport

if TYPE_CHECKING:
    from mosaic.testing.exam.stage import Stage

Run: TypeAlias = "Callable[[Stage], Awaitable[None]]"
"""A check's own steps: returns when the server does as it must, raises Deviation when it does not."""


class Who(Enum):
    """As whom a check comes to the server, in the main."""

    ANONYMOUS = "anonymous"
    """Somebody who proves no key."""
    STRANGER = "stranger"
    """Somebody with a key that the server has never seen."""
    MEMBER = "member"
    """A person whom the server serves."""
    RECIPIENT = "recipient"
    """The same person, to whom others write."""


class Need(Flag):
    """What a check can't be made without."""

    NOTHING = 0
    MEMBER = auto()
    """The secret key of a person whom the server serves."""
    OUTBOX = auto()
    INBOX = auto()
    ENCRYPTION = auto()
    CHAT = auto()
    DHT = auto()
    SYNC = auto()
    BLOBS = auto()
    INFO = auto()
    """A server that says in a Server Info what it is."""
    WITHHOLD = auto()
    """One that says there that it holds back what strangers write."""
    BROWSER = auto()
    """An address of its WebSocket that is a name, under which browsers come."""
    STRANGERS = auto()
    """A server that does not serve everybody: to one that does, nobody is a stranger."""
    TCP = auto()
    QUIC = auto()
    WS = auto()


TRANSPORT_NEEDS: Final = {Transport.TCP: Need.TCP, Transport.QUIC: Need.QUIC, Transport.WS: Need.WS}
"""The need of a check that only one transport can meet."""


class Deviation(MosaicError):
    """The server did something else than the rule says."""


class Unsettled(Exception):
    """The rule could not be judged on this server, for a reason that is no fault of the server's."""


class Outcome(Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    """Something that it needs was not given."""
    OPEN = "open"
    """It ran, and could not tell."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, and how it is tried.

    Args:
        name: Group and rule, as `framing.hello_first`.
        claims: Numbers of docs/claims.md.
        rule: What the server must do, in a sentence.
        source: Where the specification says so.
        who: As whom.
        needs: What must be given.
        run: The steps.
    """

    name: str
    claims: tuple[str, ...]
    rule: str
    source: str
    who: Who
    needs: Need
    run: Run

    @property
    def group(self) -> str:
        """What stands before the dot of the name."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check over one transport.

    Args:
        check: Which.
        transport: Over what.
        outcome: What came of it.
        detail: What was expected and what came, or what was missing; empty when it passed.
        millis: How long it took.
    """

    check: Check
    transport: Transport
    outcome: Outcome
    detail: str
    millis: int


REGISTER: Final[dict[str, Check]] = {}
"""Every check whose module has been loaded, by name."""


def check(
    name: str,
    *,
    claims: str,
    rule: str,
    source: str,
    who: Who = Who.ANONYMOUS,
    needs: Need = Need.NOTHING,
) -> Callable[[Run], Run]:
    """Registers a function as a check.

    Args:
        name: Group and rule, as `framing.hello_first`; each stands for one check.
        claims: Numbers of docs/claims.md, separated by blanks.
        rule: What the server must do, in a sentence.
        source: Where the specification says so.
        who: As whom.
        needs: What must be given.

    Raises:
        UsageError: another check has the name, or it names no group.
    """
    if name in REGISTER or "." not in name:
        raise UsageError(f"a check can't have the name {name}", hint="Write GROUP.RULE, each name once.")
    if who in {Who.MEMBER, Who.RECIPIENT}:
        needs |= Need.MEMBER

    def register(run: Run) -> Run:
        REGISTER[name] = Check(name, tuple(claims.split()), rule, source, who, needs, run)
        return run

    return register
