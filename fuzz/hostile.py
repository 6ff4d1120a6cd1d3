"""The campaign: hostile links beside each other, each case followed by proof that the server goes on.

A third of the links is over each transport; beside the frames come breaches of
what carries them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from fuzz.breaches import Breaches, Finding
from fuzz.cases import Case, Cases
from fuzz.identity import Identities
from fuzz.link import Link, NoAnswer
from fuzz.pipe import LinkEnded
from fuzz.quic_breaches import QuicBreaches
from fuzz.reach import Reach
from fuzz.tcp_breaches import TcpBreaches
from fuzz.ws_breaches import WsBreaches
from mosaic.errors import InvalidMessage
from mosaic.transport import Transport

BURST = 64
LINKS = 3
"""How many hostile links there are over each transport."""
OPENINGS = 3
"""How often a greeting is tried over QUIC."""
BREACHES = {Transport.TCP: 0.03, Transport.QUIC: 0.2, Transport.WS: 0.4}
"""How often a breach comes after a burst (0 to 1)."""


@dataclass(slots=True)
class Tally:
    """What became of the cases.

    Attributes:
        cases: How many were sent, of each kind.
        shares: How many of them went over each transport.
        answers: How many messages came back, of each kind with its result.
        links: How many links were opened.
        findings: What should not have happened, in words.
    """

    cases: Counter[str] = field(default_factory=Counter)
    shares: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    links: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """All cases."""
        return sum(self.cases.values())

    def count(self, transport: Transport, names: Sequence[str]) -> None:
        """Notes cases that are sent over a transport."""
        self.cases.update(names)
        self.shares[transport.value] += len(names)


class Campaign:
    """Sends cases to a server and watches how it answers.

    Args:
        reach: The ways to the server.
        cases: The supply.
        random: Decides what else happens.
        tally: Where it is written down.
    """

    def __init__(self, reach: Reach, cases: Cases, random: Random, tally: Tally) -> None:
        self._reach = reach
        self._cases = cases
        self._random = random
        self._tally = tally
        self._identities = Identities(random, anonymous=0.1)
        self._breaches: dict[Transport, Breaches] = {
            Transport.TCP: TcpBreaches(reach, self._identities),
            Transport.QUIC: QuicBreaches(reach, self._identities),
            Transport.WS: WsBreaches(reach, self._identities),
        }

    async def run(self, count: int) -> None:
        """Sends `count` cases over links of all transports; all links are closed afterwards."""
        goals = {
            transport: self._tally.shares[transport.value] + share
            for transport, share in zip(Transport, _thirds(count), strict=True)
        }
        work = [self._work(transport, goal) for transport, goal in goals.items() for _ in range(LINKS)]
        await asyncio.gather(*work)

    async def _work(self, transport: Transport, goal: int) -> None:
        link: Link | None = None
        while (left := goal - self._tally.shares[transport.value]) > 0 and not self._tally.findings:
            burst = self._cases.take(min(BURST, left))
            while burst and not self._tally.findings:
                if link is None:
                    link = await self._open(transport, greet=self._random.random() < 0.97)
                part, burst = self._split(burst)
                if part[0].closes and link.greeted:
                    await self._settle(link)
                self._tally.count(transport, [case.name for case in part])
                if not await self._play(link, part):
                    link.drop()
                    link = None
            if self._random.random() < BREACHES[transport]:
                await self._breach(transport)
        if link is not None:
            await self._settle(link)
            link.drop()

    async def _settle(self, link: Link) -> None:
        """Everything that was asked over a link must be answered at last."""
        try:
            self._count(await link.settle())
        except (NoAnswer, LinkEnded, OSError) as error:
            owed = {kind.__name__: count for kind, count in link.awaited.items() if count > 0}
            self._find(f"{owed} were never answered: {error}", [])

    @staticmethod
    def _split(burst: list[Case]) -> tuple[list[Case], list[Case]]:
        """The cases before the first that may end the link, or that one alone, and the rest."""
        for at, case in enumerate(burst):
            if case.closes:
                return burst[: at or 1], burst[at or 1 :]
        return burst, []

    async def _breach(self, transport: Transport) -> None:
        try:
            self._tally.count(transport, [await self._breaches[transport].take()])
        except Finding as finding:
            self._find(str(finding), [])

    async def _open(self, transport: Transport, *, greet: bool) -> Link:
        attempts = OPENINGS
        while True:
            attempts -= 1
            link = await self._reach.open(transport, self._identities.take())
            self._tally.links += 1
            if not greet:
                return link
            try:
                await link.hello()
            except LinkEnded as error:
                # Streams share a connection, and the server ends it with the last stream that it cuts:
                # one that was opened just then goes as well. That happens now and then, not each time.
                link.drop()
                if transport is not Transport.QUIC or not attempts:
                    self._find(f"no greeting was answered over {transport.value}: {error}", [])
                    return link
            else:
                link.greeted = True
                return link

    async def _play(self, link: Link, part: list[Case]) -> bool:
        """Sends cases over a link; whether it can be used for more."""
        data = b"".join(case.data for case in part)
        link.awaited.update(case.answer for case in part if case.answer is not None)
        last = part[-1]
        try:
            if last.whole:
                self._count(await link.exchange(data))
                return True
            await link.send(data)
            if last.name == "refused length":
                await link.read_to_the_end()
        except LinkEnded as ended:
            said = str(ended).startswith(("CLOSING", "Close "))
            self._tally.answers[str(ended) if said else "closed without a word"] += 1
            if link.greeted and not last.closes:
                self._find(f"the link ended ({ended}) after {last.name}", part)
        except (NoAnswer, TimeoutError) as silence:
            self._find(f"no answer after {last.name}: {silence}", part)
        except InvalidMessage as error:
            self._find(f"the server sent what is no message after {last.name}: {error}", part)
        except OSError:
            self._tally.answers["connection reset"] += 1
        return False

    def _count(self, answers: Sequence[object]) -> None:
        for answer in answers:
            result = getattr(answer, "result", None)
            self._tally.answers[f"{type(answer).__name__}{f' {result.name}' if result else ''}"] += 1

    def _find(self, what: str, part: list[Case]) -> None:
        frames = "\n  ".join(f"{case.name}: {case.data[:600].hex()}" for case in part[-3:])
        self._tally.findings.append(f"{what}; the last cases:\n  {frames}")


def _thirds(count: int) -> tuple[int, int, int]:
    third = count // 3
    return count - 2 * third, third, third
