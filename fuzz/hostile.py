"""The campaign: hostile links beside each other, each case followed by proof that the server goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from fuzz.cases import Case, Cases
from fuzz.identity import Identities
from fuzz.link import Link, LinkEnded, NoAnswer
from fuzz.server import LiveServer
from mosaic.errors import InvalidMessage
from mosaic.wire.header import encode_header

BURST = 64
LINKS = 8
DEAF_EVERY = 400
"""Every so many bursts a link sends without ever reading, and connections come that don't speak TLS."""


@dataclass(slots=True)
class Tally:
    """What became of the cases.

    Attributes:
        cases: How many were sent, of each kind.
        answers: How many messages came back, of each kind with its result.
        links: How many links were opened.
        findings: What should not have happened, in words.
    """

    cases: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    links: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """All cases."""
        return sum(self.cases.values())


class Campaign:
    """Sends cases to a server and watches how it answers.

    Args:
        server: The server.
        cases: The supply.
        random: Decides what else happens.
        tally: Where it is written down.
    """

    def __init__(self, server: LiveServer, cases: Cases, random: Random, tally: Tally) -> None:
        self._server = server
        self._cases = cases
        self._random = random
        self._tally = tally
        self._identities = Identities(random, anonymous=0.1)
        self._bursts = 0

    async def run(self, count: int) -> None:
        """Sends `count` cases over several links; all links are closed afterwards."""
        goal = self._tally.sent + count
        await asyncio.gather(*(self._work(goal) for _ in range(LINKS)))

    async def _work(self, goal: int) -> None:
        link: Link | None = None
        while (left := goal - self._tally.sent) > 0 and not self._tally.findings:
            burst = self._cases.take(min(BURST, left))
            while burst and not self._tally.findings:
                if link is None:
                    link = await self._open(greet=self._random.random() < 0.97)
                part, burst = self._split(burst)
                if part[0].closes and link.greeted:
                    await self._settle(link)
                self._tally.cases.update(case.name for case in part)
                if not await self._play(link, part):
                    link.drop()
                    link = None
            self._bursts += 1
            if self._bursts % DEAF_EVERY == 0:
                await self._be_deaf()
                await self._speak_no_tls()
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

    async def _open(self, *, greet: bool) -> Link:
        link = await Link.open(self._server.host, self._server.port, self._identities.take())
        self._tally.links += 1
        if greet:
            await link.hello()
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
            self._tally.answers[
                str(ended) if str(ended).startswith("CLOSING") else "closed without a word"
            ] += 1
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

    async def _be_deaf(self) -> None:
        """Asks for answers without reading them, until the server reads no more or cuts the link."""
        link = await self._open(greet=True)
        frames = encode_header(0x7F, 8) * 10_000
        try:
            for _ in range(20):
                await asyncio.wait_for(link.send(frames), 0.5)
        except (TimeoutError, OSError):
            pass
        finally:
            link.drop()

    async def _speak_no_tls(self) -> None:
        """Connections that send noise, half a ClientHello, or nothing."""
        for opening in (self._random.randbytes(500), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""):
            _, writer = await asyncio.open_connection(self._server.host, self._server.port)
            writer.write(opening)
            await asyncio.sleep(0)
            writer.transport.abort()
