"""Looks after the servers that the people of this home use, and tells them when one fails them.

    answers of the queue ──┐
    checks, now and then ──┼─→ what is remembered of the server (`reputations`) ─→ alarms, set and cleared
    comparing (outboxes) ──┘

A server that nobody needed for half an hour is asked whether it is there. One
that failed is asked again after some seconds: three times in a row, and its
people are told.

Source: the specification's index (clients notice servers that fail their users); network.md; this project's
own design, docs/architecture.md "A server is judged".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client.queue import Answered
from mosaic.client.reach import Manner
from mosaic.client.refusals import refused
from mosaic.client.reputation import CLOCK_NS, Observation, Repute, What
from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import MAX_NS, Timestamp
from mosaic.errors import MosaicError, PeerError
from mosaic.node.alarms import Failing
from mosaic.node.people import Person
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.client.connection import Connection
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
_FIRST_S: Final = 5.0
_LOOK_S: Final = 5.0
_RARELY_NS: Final = 1_800 * _SECOND
_SOON_NS: Final = 6 * _SECOND
_LATER_NS: Final = 300 * _SECOND
_FRESH_NS: Final = 60 * _SECOND
_CLOCK_AGAIN_NS: Final = 3_600 * _SECOND
_TIMES: Final = 3
_BEHIND_NS: Final = 900 * _SECOND
_STEPS_NS: Final = tuple(seconds * _SECOND for seconds in (900, 3_600, 86_400, 30 * 86_400))
_PROBES: Final = 256
_BACK: Final = 10_000

REFUSES_ME: Final = frozenset(
    {
        ResultCode.REQUIRES_AUTHENTICATION,
        ResultCode.UNAUTHORIZED,
        ResultCode.IP_TEMP_BANNED,
        ResultCode.IP_PERM_BANNED,
        ResultCode.PUBKEY_TEMP_BANNED,
        ResultCode.PUBKEY_PERM_BANNED,
        ResultCode.PERSISTENT_ERROR,
    }
)
"""Refusals that are not about the record, but about who brings it."""

# What an operator has dropped is refused like that of somebody who may not write: it is not pressed on him.
_AGAIN: Final = (
    (REFUSES_ME - {ResultCode.UNAUTHORIZED}, 1 << 40),
    (frozenset({ResultCode.UNAUTHORIZED}), 2),
)


@dataclass(frozen=True, slots=True)
class _Probe:
    """A record that a server took just now: by it its clock can be read.

    Args:
        record: The record.
        asked_ns: When it was handed in.
        taken_ns: When the answer came.
    """

    record: Record
    asked_ns: int
    taken_ns: int


class ServerChecks:
    """Checks the servers of who lives here.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._checked: dict[PublicKey, int] = {}
        self._probes: dict[PublicKey, _Probe] = {}
        self._clock_read: dict[PublicKey, int] = {}
        self._hidden: dict[PublicKey, int] = {}
        self._tried_again: dict[PublicKey, int] = {}
        self._handed_again: dict[PublicKey, int] = {}

    async def run(self) -> None:
        """Checks until cancelled."""
        await asyncio.sleep(_FIRST_S)
        while True:
            used = self.used()
            self._node.alarms.keep(used)
            due = [(person, server) for person, server in used if self._is_due(server)]
            await asyncio.gather(*(self._check(person, server) for person, server in _each_once(due)))
            self.judge()
            await asyncio.sleep(_LOOK_S)

    async def check_now(self, person: Person) -> None:
        """Asks all servers of a person at once."""
        mine = [place for place in self.used() if place[0] == person.key]
        await asyncio.gather(*(self._check(who, server) for who, server in mine))
        self.judge()

    def used(self) -> list[tuple[PublicKey, PublicKey]]:
        """The servers that people of this home use (person, server), without the home's own one."""
        own = self._node.server_secret.public
        return [
            (person.key, entry.key)
            for person in self._node.people
            for entry in UserBootstrap.parse(person.bootstrap).entries
            if entry.key != own
        ]

    # --- what is heard of it meanwhile -----------------------------------------------------------------

    def answered(self, answered: Answered) -> None:
        """Takes what a server said to a record that was handed in."""
        delivery, result = answered.delivery, answered.result
        record, server = Record(delivery.record), delivery.server.key
        if record.author_bytes != delivery.sender:
            return
        now_ns = self._node.clock.now_ns()
        note = self._node.reputations.noted
        if result.is_success:
            if (
                self._node.reputations.of(server).refusals
                and now_ns - self._handed_again.get(server, 0) >= _RARELY_NS
            ):
                self._handed_again[server] = now_ns
                self._hand_in_again(server, record.author, limit=_BACK)
            note(server, Observation(What.ACCEPTED))
            self._node.outbox_checks.took(server, record)
            if result is ResultCode.ACCEPTED and now_ns - self._clock_read.get(server, 0) > _CLOCK_AGAIN_NS:
                self._probes[server] = _Probe(record, answered.asked_ns, now_ns)
                while len(self._probes) > _PROBES:
                    del self._probes[next(iter(self._probes))]
        elif result in REFUSES_ME:
            note(server, Observation(What.REFUSED, int(result), str(refused(result))))
        elif result is ResultCode.INVALID and 0 <= now_ns - record.timestamp < _FRESH_NS:
            # The own server took it before: it is valid, so it must be the time.
            words = "it does not take what was written just now; most likely its clock is behind"
            note(server, Observation(What.CLOCK, -_BEHIND_NS, words))
        if any(used == server for _, used in self.used()):
            self.judge()

    # --- checks ----------------------------------------------------------------------------------------

    def _is_due(self, server: PublicKey) -> bool:
        now_ns, repute = self._node.clock.now_ns(), self._node.reputations.of(server)
        checked_ns = self._checked.get(server, 0)
        if not checked_ns:
            return True
        if repute.failures:
            wait_ns = _SOON_NS if repute.failures < 2 * _TIMES else _LATER_NS
            return now_ns - max(repute.failed_ns, checked_ns) >= wait_ns
        if self._hidden.get(server):
            return now_ns - checked_ns >= _LATER_NS
        # Also where a link stands all the time: by it nobody learns whether others would find the server.
        return now_ns - checked_ns >= _RARELY_NS or server in self._probes

    async def _check(self, person: PublicKey, server: PublicKey) -> None:
        """Asks a server whether it is there, and looks at what can be told by that."""
        self._checked[server] = self._node.clock.now_ns()
        who = next((one for one in self._node.people if one.key == person), None)
        secret = None if who is None else who.device
        try:
            async with self._node.reach.server(server, Manner(secret)) as connection:
                await connection.ping(self._node.settings.client.silence_s)
                self._node.reputations.noted(server, Observation(What.REACHED))
                await self._read_clock(server, connection)
                self._look_whether_found(server, connection)
            self._look_whether_it_takes(server)
        except TimeoutError:
            words = "it took the connection and says nothing"
            self._node.reputations.noted(server, Observation(What.FAILED, note=words))
        except PeerError as error:
            # Whoever dialled has noted it; where no address is known there was nobody to dial.
            if not self._node.directory.address(server).urls:
                self._node.reputations.noted(server, Observation(What.FAILED, note=str(error)))
            log.info("%s was checked: %s", server.server_text, error)
        except MosaicError as error:
            log.warning("%s can't be checked: %s", server.server_text, error)

    def _look_whether_it_takes(self, server: PublicKey) -> None:
        """Hands in the newest of what a server refused because of who brought it: bans end without a word."""
        now_ns = self._node.clock.now_ns()
        if (
            not self._node.reputations.of(server).refusals
            or now_ns - self._tried_again.get(server, 0) < _RARELY_NS
        ):
            return
        self._tried_again[server] = now_ns
        people = [person for person, used in self.used() if used == server]
        tried = [one for one in people if self._hand_in_again(server, one, limit=1)]
        if not tried and not self._node.deliveries.has_refused(server.bytes):
            # It did not let somebody in, but has refused no record; and now it lets him in.
            self._node.reputations.noted(server, Observation(What.ACCEPTED))

    def _hand_in_again(self, server: PublicKey, key: PublicKey, *, limit: int) -> bool:
        """Queues what a server refused because of who brought it, the newest first; whether there was any.

        Args:
            server: Which.
            key: Whose records (master key).
            limit: How many at most.
        """
        node, now_ns = self._node, self._node.clock.now_ns()
        signers = [key.bytes, *(one.device.public.bytes for one in node.people if one.key == key)]
        count = sum(
            node.deliveries.refused_again(
                server.bytes, signers, results, now_ns, limit=limit, attempts=attempts
            )
            for results, attempts in _AGAIN
        )
        if count:
            node.queue.wake()
        return count > 0

    async def _read_clock(self, server: PublicKey, connection: Connection) -> None:
        """Reads the server's clock: by when it says that it received what it was given just now."""
        probe = self._probes.pop(server, None)
        if probe is None:
            return
        self._clock_read[server] = self._node.clock.now_ns()
        ahead = await self._off(connection, probe, forward=True)
        behind = 0 if ahead else await self._off(connection, probe, forward=False)
        off_ns = ahead - behind
        self._node.reputations.noted(server, Observation(What.CLOCK, off_ns))

    @staticmethod
    async def _off(connection: Connection, probe: _Probe, *, forward: bool) -> int:
        """By how much (ns) at least the server's date of a record is ahead, or behind; 0 = hardly."""
        off_ns = 0
        for step_ns in (CLOCK_NS, *_STEPS_NS):
            record = probe.record
            wanted = (
                Filter.of(
                    authors=[record.author],
                    timestamps=[record.timestamp],
                    received_since=Timestamp(min(MAX_NS, probe.taken_ns + step_ns)),
                )
                if forward
                else Filter.of(
                    authors=[record.author],
                    timestamps=[record.timestamp],
                    received_until=Timestamp(max(0, probe.asked_ns - step_ns)),
                )
            )
            if not [one async for one in connection.query(wanted, 1) if one.id == record.id]:
                return off_ns
            off_ns = step_ns
        return off_ns

    def _look_whether_found(self, server: PublicKey, connection: Connection) -> None:
        """Whether what the server publishes leads to it: it was reached, but perhaps by what we were told."""
        node = self._node
        if node.dht.state().state != "working" or connection.url is None:
            return
        published = node.bootstraps.server(server)
        urls = () if published is None else published.urls
        tried = {each.url: each for each in node.dialled.remembered(server)}
        dead = all(url in tried and tried[url].failed_ns > tried[url].worked_ns for url in urls)
        if connection.url in urls or not dead:
            self._hidden.pop(server, None)
            return
        self._hidden[server] = self._hidden.get(server, 0) + 1
        if self._hidden[server] == _TIMES:
            node.reputations.noted(server, Observation(What.STALE))

    # --- alarms ----------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Sets and clears alarms by what is known now."""
        for person, server in self.used():
            repute = self._node.reputations.of(server)
            tell, since_ns = self._node.alarms.tell, repute.failing_since_ns
            note = repute.note or "nobody answers"
            tell(person, server, Failing.FAILING, note if repute.is_down else None, since_ns)
            tell(person, server, Failing.REFUSES, _refusal(repute))
            tell(person, server, Failing.HIDDEN, self._hidden_words(server))
            tell(person, server, Failing.CLOCK, _clock_words(repute))

    def _hidden_words(self, server: PublicKey) -> str | None:
        if self._hidden.get(server, 0) < _TIMES:
            return None
        published = self._node.bootstraps.server(server)
        if published is None or not published.urls:
            return "the DHT knows no address of it"
        return "it is not to be reached at the addresses in the DHT, while it is at another one"

    def is_offline(self, since_ns: int) -> bool:
        """Whether no server at all was reached since then: perhaps it is this machine."""
        return self._node.reputations.reached_ns < since_ns

    def is_alone(self, person: Person, server: PublicKey) -> bool:
        """Whether somebody would have no outbox or no inbox left without a server."""
        left = [one for one in UserBootstrap.parse(person.bootstrap).entries if one.key != server]
        try:
            UserBootstrap(tuple(left)).publishable()
        except MosaicError:
            return True
        return False


def _refusal(repute: Repute) -> str | None:
    if not repute.refusals or repute.refused not in REFUSES_ME:
        return None
    return str(refused(ResultCode(repute.refused), "it says"))


def _clock_words(repute: Repute) -> str | None:
    if not repute.clock_ns:
        return None
    way = "ahead" if repute.clock_ns > 0 else "behind"
    return f"its clock seems to be {_span(abs(repute.clock_ns))} {way} of this machine's, or more"


def _span(ns: int) -> str:
    """A length of time in words."""
    for unit_ns, name in ((86_400 * _SECOND, "day"), (3_600 * _SECOND, "hour"), (60 * _SECOND, "minute")):
        if ns >= unit_ns:
            count = round(ns / unit_ns)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


def _each_once(due: Sequence[tuple[PublicKey, PublicKey]]) -> list[tuple[PublicKey, PublicKey]]:
    """Each server once, for the first of its people."""
    first = {server: person for person, server in reversed(due)}
    return [(person, server) for server, person in first.items()]
