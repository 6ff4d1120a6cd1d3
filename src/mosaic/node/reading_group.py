"""People who are read together: by one subscription at one server.

Source: filter.md (63 keys in an element); this project's own design, docs/architecture.md
"Whom one follows is read".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.core.url import Scheme, ServerUrl

MOST: Final = 60
"""How many people one subscription reads: a filter's element holds 63 keys."""

_OPEN_TO_MORE: Final = 15
_APART_NS: Final = 3_600 * 1_000_000_000
_GROUPS: Final = 16

CONNECTED: Final = "connected"
CONNECTING: Final = "connecting"


@dataclass(slots=True, eq=False)
class Group:
    """People who are read from one server by one subscription.

    Args:
        server: The server's key.
        people: Who is read.
        resumes_ns: From when on the server is asked for what it received.
        is_first: Whether anybody in it was never heard at this server.
        state: `connected`, `connecting`, or why not.
        next_try_ns: When it is tried again (a Mosaic timestamp) if the last try failed.
        urls: Where the last try went.
        via: What the connection goes over, once there is one.
        task: What keeps it up.
        patience: What ends the wait for the server, while others could be asked.
    """

    server: PublicKey
    people: tuple[PublicKey, ...]
    resumes_ns: int = 0
    is_first: bool = False
    state: str = CONNECTING
    next_try_ns: int = 0
    urls: tuple[ServerUrl, ...] = ()
    via: Scheme | None = None
    task: asyncio.Task[None] | None = None
    patience: asyncio.TimerHandle | None = None

    @property
    def takes_more(self) -> bool:
        """Whether people who come later join it: it begins anew with them, cheap while it is small."""
        return len(self.people) < _OPEN_TO_MORE

    def end(self) -> None:
        """Stops reading."""
        if self.patience is not None:
            self.patience.cancel()
        if self.task is not None:
            self.task.cancel()


def parted(
    people: Iterable[PublicKey], resumes_ns: Callable[[PublicKey], int]
) -> Sequence[tuple[PublicKey, ...]]:
    """People in as few groups as will do; those apart who were heard up to quite other times.

    One subscription has one time from which on it asks: whoever was heard to a
    later one would be sent what he has. Many groups cost more than that.

    Args:
        people: Who is to be read at one server.
        resumes_ns: From when on each is to be asked for (a Mosaic timestamp).
    """
    sorted_people = sorted(people, key=lambda person: (resumes_ns(person), person.bytes))
    groups: list[list[PublicKey]] = []
    for person in sorted_people:
        apart = (
            bool(groups)
            and len(groups) < _GROUPS
            and (resumes_ns(person) - resumes_ns(groups[-1][0]) > _APART_NS)
        )
        if not groups or apart or len(groups[-1]) >= MOST:
            groups.append([])
        groups[-1].append(person)
    return [tuple(group) for group in groups]
