"""Looks for the servers of those whom this home wants to reach, and looks again in time.

One task for each person. What is found lies in the private database
afterwards; whoever uses it asks the directory. Somebody whose servers all
fail is looked up at once, and again at most every 30 seconds: perhaps he has moved.
Where his servers listen is asked more often meanwhile, with short pauses that
grow: one that comes back elsewhere is found within seconds. Somebody of whom one
server fails is looked up as well, now and then: perhaps he has left it, and another
that still answers gets nothing of his any more.

Source: bootstrap.md (rechecked when older than an hour), rationale.md (a bare key may be either).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.errors import MosaicError
from mosaic.node.clock import Clock
from mosaic.node.directory import HomeDirectory

log = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_HOUR_S = 3_600.0
_DOUBT_AGAIN_NS = 600 * _SECOND
_LOOKUPS_AT_ONCE = 8

# While servers fail: soon for some minutes, for an hour as often as a person may be looked up, then rarely.
_SHORT_S = (1.0, 2.0, 3.0, 4.0)
_SHORT_MOST_S = 4.0
_SHORT_TIMES = 60
_USER_AGAIN_S = 30.0
_USER_TIMES = 120
_LONG_MOST_S = 600.0
# While nothing was published at all, or hints alone are known, which may lead nowhere tomorrow.
_NOTHING_FIRST_S = 5.0
_NOTHING_MOST_S = 1_800.0

_NOTHING = "nobody has published servers under this key yet"


class Lookup(Protocol):
    """Asks the DHT, or servers that do; what it finds is kept before it returns."""

    @property
    def is_possible(self) -> bool:
        """Whether there is anybody to ask."""

    async def user(self, key: PublicKey, *, fresh: bool) -> None:
        """Looks up what a person published. `fresh` asks even when the last answer is recent."""

    async def server(self, key: PublicKey, *, fresh: bool) -> None:
        """Looks up what a server published."""


@dataclass(slots=True)
class _Sought:
    """How the search for one person stands."""

    servers: frozenset[PublicKey] = frozenset()
    looking: bool = False
    doubted_ns: int = 0
    """When he was last looked up because one server of several failed."""
    doubted: bool = False
    asked_ns: int = 0
    """When it was last asked what he published, since all his servers fail, with an answer; 0 if never."""
    tries: int = 0
    next_ns: int = 0
    error: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Seeker:
    """Keeps up one search for each person who is wanted.

    Args:
        lookup: Asks the DHT, or servers that do.
        directory: What is known.
        clock: The clock.
        entropy: Random bytes of a length.
        tell: Told when the state of a search changes.
    """

    def __init__(
        self,
        lookup: Lookup,
        directory: HomeDirectory,
        clock: Clock,
        entropy: Callable[[int], bytes],
        tell: Callable[[], None],
    ) -> None:
        self._lookup = lookup
        self._directory = directory
        self._clock = clock
        self._entropy = entropy
        self._tell = tell
        self._sought: dict[PublicKey, _Sought] = {}
        self._failing: set[PublicKey] = set()
        self._room = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

    def want(self, people: Iterable[PublicKey]) -> None:
        """Looks for exactly these people from now on."""
        wanted = set(people) if self._lookup.is_possible else set()
        for person in set(self._sought) - wanted:
            task = self._sought.pop(person).task
            if task is not None:
                task.cancel()
        for person in sorted(wanted - set(self._sought)):
            sought = self._sought[person] = _Sought(looking=True)
            sought.task = asyncio.create_task(self._seek(person, sought))

    def reached(self, server: PublicKey) -> None:
        """Takes that a server was reached: when it fails anew, who has no other is looked up at once."""
        if server in self._failing:
            self._failing.discard(server)
            for person, sought in self._sought.items():
                if server in self._servers(person):
                    sought.asked_ns = 0
        self._tell()

    def lost(self, server: PublicKey) -> None:
        """Takes that a server was lost, or not reached: whoever has no other is looked for at once.

        So is whoever has others, once in ten minutes.
        """
        if server not in self._failing:
            self._failing.add(server)
            for person, sought in self._sought.items():
                if server not in self._servers(person):
                    continue
                if self._all_fail(person):
                    sought.tries = 0
                    sought.wake.set()
                else:
                    self.doubt(person)
        self._tell()

    def doubt(self, person: PublicKey) -> None:
        """Takes that somebody may have left a server: he is looked up, once in ten minutes."""
        sought = self._sought.get(person)
        if sought is not None and self._clock.now_ns() - sought.doubted_ns > _DOUBT_AGAIN_NS:
            sought.doubted, sought.doubted_ns = True, self._clock.now_ns()
            sought.wake.set()

    def concerns(self, key: PublicKey) -> bool:
        """Whether what was found about a key is of use: a person who is wanted, or a server of one.

        Where nobody can be asked all is: then nobody but those who live here has anything looked up.
        """
        if not self._lookup.is_possible:
            return True
        person = self._sought.get(key)
        if person is not None:
            person.servers = frozenset(self._servers(key))
            return True
        return any(key in sought.servers for sought in self._sought.values())

    def fails(self, server: PublicKey) -> bool:
        """Whether a server is known not to be reached now."""
        return server in self._failing

    def hurry(self) -> None:
        """Looks at once for those whose last look failed for the DHT."""
        for sought in self._sought.values():
            if sought.error:
                sought.wake.set()

    def state(self, person: PublicKey) -> str:
        """In words how the search for somebody stands, for when none of his servers is connected."""
        sought = self._sought.get(person)
        known, addresses = self._directory.is_published(person), self._addresses(person)
        if sought is None:
            return "" if known or addresses else "no server of theirs is known"
        if addresses:
            return "their servers don't answer; looking whether they moved" if self._all_fail(person) else ""
        if sought.looking and not sought.tries:
            return "looking for their servers"
        why = "their servers have published no address" if known else _NOTHING
        return f"{sought.error or why}; will look again at {self._clock.time_of_day(sought.next_ns)}"

    async def stop(self) -> None:
        """Ends all searches."""
        tasks = [sought.task for sought in self._sought.values() if sought.task is not None]
        self._sought.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one search ----------------------------------------------------------------------------------

    async def _seek(self, person: PublicKey, sought: _Sought) -> None:
        while True:
            fresh = self._all_fail(person) or sought.tries > 0 or sought.doubted
            sought.wake.clear()
            sought.doubted = False
            sought.looking, sought.error = True, ""
            self._tell()
            try:
                async with self._room:
                    await self._look_up(person, sought, fresh=fresh)
            except MosaicError as error:
                sought.error = str(error)
                log.info("the servers of %s can't be looked up: %s", person.user_text, error)
            sought.looking = False
            pause_s = self._pause_s(person, sought)
            sought.next_ns = self._clock.now_ns() + int(pause_s * _SECOND)
            self._tell()
            try:
                async with asyncio.timeout(pause_s):
                    await sought.wake.wait()
            except TimeoutError:
                continue

    async def _look_up(self, person: PublicKey, sought: _Sought, *, fresh: bool) -> None:
        """Looks up a person, and the servers that he is known to use."""
        known = self._servers(person)
        sought.servers = frozenset(known)
        lookup = self._lookup
        await asyncio.gather(
            self._look_up_user(person, sought, fresh=fresh),
            *(lookup.server(server, fresh=fresh) for server in known),
        )
        new = [server for server in self._servers(person) if server not in known]
        sought.servers |= frozenset(new)
        await asyncio.gather(*(lookup.server(server, fresh=fresh) for server in new))

    async def _look_up_user(self, person: PublicKey, sought: _Sought, *, fresh: bool) -> None:
        """Looks up what a person published: at once when all his servers fail, then at most every 30 s."""
        now_ns, failing = self._clock.now_ns(), fresh and self._all_fail(person)
        if failing and now_ns - sought.asked_ns < _USER_AGAIN_S * _SECOND:
            return
        await self._lookup.user(person, fresh=fresh)
        if failing:
            sought.asked_ns = now_ns

    def _pause_s(self, person: PublicKey, sought: _Sought) -> float:
        """How long to wait before the next look, and counts this one."""
        tries = sought.tries
        sought.tries += 1
        share = 0.9 + 0.2 * int.from_bytes(self._entropy(2), "little") / 65_536
        if not self._addresses(person) or not self._is_known(person):
            return share * min(_NOTHING_MOST_S, _NOTHING_FIRST_S * 2.0 ** min(tries, 16))
        if self._all_fail(person):
            if tries < len(_SHORT_S):
                return share * _SHORT_S[tries]
            if tries < _SHORT_TIMES:
                return share * _SHORT_MOST_S
            if tries < _SHORT_TIMES + _USER_TIMES:
                return (share + 0.1) * _USER_AGAIN_S
            longer = min(tries - _SHORT_TIMES - _USER_TIMES, 16)
            return share * min(_LONG_MOST_S, _USER_AGAIN_S * 2.0**longer)
        sought.tries = 0
        # Not before the hour is over: what is known would still count as recent, and nobody would be asked.
        return (share + 0.1) * _HOUR_S

    # --- what is known -------------------------------------------------------------------------------

    def _servers(self, person: PublicKey) -> list[PublicKey]:
        """The servers that are of use to reach somebody: of each role the first three."""
        found: dict[PublicKey, None] = {}
        for usage in (Usage.OUTBOX, Usage.INBOX):
            for server in list(self._directory.servers(person, usage))[:SERVERS_OF_A_ROLE]:
                found[server.key] = None
        return list(found)

    def _addresses(self, person: PublicKey) -> bool:
        """Whether it is known where any of somebody's servers listens."""
        return any(self._directory.address(server).urls for server in self._servers(person))

    def _is_known(self, person: PublicKey) -> bool:
        """Whether more is known of somebody's servers than hints, which nobody has signed."""
        return self._directory.is_published(person) or self._directory.is_named(person)

    def _all_fail(self, person: PublicKey) -> bool:
        servers = self._servers(person)
        return bool(servers) and self._failing.issuperset(servers)
