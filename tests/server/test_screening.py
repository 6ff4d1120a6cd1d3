"""A judge outside of the server: whom it is asked about, and that nobody waits for it but those."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.policy.label import Label
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Refuse, Verdict
from mosaic.server.batch import Bearer
from mosaic.testing import Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import running

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
ACCEPTED = ResultCode.ACCEPTED
SPAM = Refuse(ResultCode.UNAUTHORIZED, "spam")


class Screener:
    """Answers with what it was given, as soon as it may."""

    def __init__(self, verdict: Verdict | Exception = ACCEPT) -> None:
        self.verdict = verdict
        self.seen: list[bytes] = []
        self.may = asyncio.Event()
        self.may.set()
        self.is_active = True

    async def screen(self, records: Sequence[bytes], bearer: Bearer) -> list[Verdict]:
        self.seen += records
        await self.may.wait()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return [self.verdict] * len(records)


async def test_strangers_are_screened_and_those_served_are_not(tmp_path: Path) -> None:
    screener = Screener(SPAM)
    async with running(tmp_path, ANNA, screener=screener) as world:
        anna, eve = await world.connect(ANNA.master), await world.connect(EVE.master)
        own = ANNA.record(world.now())
        reply = EVE.record(world.now(), notify=[ANNA.key])
        assert await anna.submit(own) == [ACCEPTED]
        assert await eve.submit(reply) == [ResultCode.UNAUTHORIZED]
        assert screener.seen == [reply.data]
        for way, result in (
            (Way.OWNER, ACCEPTED),
            (Way.MIRROR, ACCEPTED),
            (Way.SYNC, ResultCode.UNAUTHORIZED),
        ):
            record = EVE.record(world.now(), notify=[ANNA.key])
            assert await world.server.submit([record.data], way) == [result]


async def test_what_is_invalid_is_not_shown_and_what_the_policy_refuses_stays_refused(tmp_path: Path) -> None:
    screener = Screener()
    async with running(tmp_path, ANNA, screener=screener) as world:
        eve = await world.connect(EVE.master)
        good = EVE.record(world.now(), notify=[ANNA.key])
        bad = bytearray(EVE.record(world.now(), notify=[ANNA.key]).data)
        bad[-1] ^= 1
        unwanted = EVE.record(world.now())
        results = await eve.submit(bytes(bad), good, unwanted)
        assert results == [ResultCode.INVALID, ACCEPTED, ResultCode.UNAUTHORIZED]
        assert screener.seen == [good.data, unwanted.data]


async def test_what_it_refuses_uses_up_no_invitation(
    tmp_path: Path,
) -> None:
    asked: list[bytes] = []

    def hook(submission: Submission) -> Verdict:
        asked.append(submission.record)
        return ACCEPT

    async with running(tmp_path, ANNA, screener=Screener(SPAM), hooks=[hook]) as world:
        eve = await world.connect(EVE.master)
        assert await eve.submit(EVE.record(world.now())) == [ResultCode.UNAUTHORIZED]
        assert asked == []


async def test_nobody_waits_for_it_but_those_whom_it_is_asked_about(tmp_path: Path) -> None:
    screener = Screener()
    screener.may.clear()
    async with running(tmp_path, ANNA, screener=screener) as world:
        anna, eve = await world.connect(ANNA.master), await world.connect(EVE.master)
        replies = [EVE.record(world.now(), notify=[ANNA.key]) for _ in range(3)]
        eve.send(*(ask.Submission(reply.data) for reply in replies[:2]))
        await eve.settled()
        eve.send(ask.Submission(replies[2].data))
        assert await anna.submit(ANNA.record(world.now())) == [ACCEPTED]
        assert not [message for message in eve.inbox if isinstance(message, tell.SubmissionResult)]
        screener.may.set()
        answers = [await eve.take(tell.SubmissionResult) for _ in replies]
        assert [answer.prefix for answer in answers] == [reply.data[:32] for reply in replies]
        assert {answer.result for answer in answers} == {ACCEPTED}


async def test_when_it_fails_strangers_are_told_to_come_again(tmp_path: Path) -> None:
    screener = Screener(RuntimeError("dead"))
    async with running(tmp_path, ANNA, screener=screener) as world:
        eve = await world.connect(EVE.master)
        reply = EVE.record(world.now(), notify=[ANNA.key])
        assert await eve.submit(reply) == [ResultCode.TEMPORARY_ERROR]
        screener.is_active = False
        assert await eve.submit(reply) == [ACCEPTED]


async def test_what_is_too_much_for_it_is_refused_for_the_moment(tmp_path: Path) -> None:
    screener = Screener()
    screener.may.clear()
    async with running(tmp_path, ANNA, screener=screener) as world:
        screening = world.server._intake._screening
        assert screening is not None
        screening._most_bytes = 1_000
        eve = await world.connect(EVE.master)
        first = EVE.record(world.now(), notify=[ANNA.key])
        second = EVE.record(world.now(), notify=[ANNA.key], payload=bytes(1_000))
        eve.send(ask.Submission(first.data))
        await eve.settled()
        eve.send(ask.Submission(second.data))
        await eve.settled()
        screener.may.set()
        answers = [await eve.take(tell.SubmissionResult) for _ in range(2)]
        assert [answer.result for answer in answers] == [ACCEPTED, ResultCode.TEMPORARY_ERROR]
        assert screening._bytes == 0


@pytest.mark.claim("C55")
async def test_it_may_hold_back_and_let_disappear(tmp_path: Path) -> None:
    screener = Screener(Accept(Label.WITHHELD))
    async with running(tmp_path, ANNA, screener=screener) as world:
        eve = await world.connect(EVE.master)
        live: list[tuple[bytes, int]] = []
        held = EVE.record(world.now(), notify=[ANNA.key])
        publish = world.server._publisher._hand_on

        async def note(committed: object) -> None:
            live.extend(zip(committed.records, committed.labels, strict=True))  # type: ignore[attr-defined]
            await publish(committed)  # type: ignore[arg-type]

        world.server._publisher._hand_on = note  # type: ignore[method-assign]
        assert await eve.submit(held) == [ACCEPTED]
        await world.server._publisher.drained()
        assert live == [(held.data, Label.WITHHELD)]
        screener.verdict = Refuse(ACCEPTED, "shadow")
        gone = EVE.record(world.now(), notify=[ANNA.key])
        assert await eve.submit(gone) == [ACCEPTED]
        anna = await world.connect(ANNA.master)
        assert gone.data not in (await anna.query(Filter.of(authors=[EVE.key])))[0]
