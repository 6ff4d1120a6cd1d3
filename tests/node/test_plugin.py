"""The operator's own rules: functions, and a program that speaks JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mosaic.core import record_json
from mosaic.core.record import Record
from mosaic.errors import SettingsInvalid
from mosaic.node import plugin
from mosaic.node.plugin import Program, ProgramFailed
from mosaic.policy.label import Label
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Way
from mosaic.policy.verdict import ACCEPT, Accept, Refuse
from mosaic.testing import FakeClock, Person
from mosaic.wire.result_code import ResultCode

EVE = Person("eve")
NOW = FakeClock().now_ns()

# Does what the payload says, and leaves what it was asked in a file.
JUDGE = """
import json, sys
notes = open(sys.argv[1], "a")
for line in sys.stdin:
    asked = json.loads(line)
    notes.write(line); notes.flush()
    said = bytes.fromhex(sys.argv[2]).decode() if len(sys.argv) > 2 else '{"action": "accept"}'
    if said == "die": sys.exit(1)
    if said == "sleep": continue
    if said == "nonsense": print("well", flush=True); continue
    print(json.dumps({"id": asked["id"], **json.loads(said)}), flush=True)
"""


def first_line(fifo: Path) -> str:
    """Waits until another process writes one."""
    with fifo.open() as lines:
        return lines.readline()


class SomeBearer:
    viewers = (EVE.key_bytes,)
    way = Way.LINK
    received_by_ns = None
    standing = Standing.STRANGER
    address = "192.0.2.1"
    suspect = False
    tried = True
    favoured = False
    gone = False

    def answer(self, records: object, results: bytes) -> None: ...

    def caught(self) -> None: ...


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    program = Program(Seconds())
    yield program
    await program.stop()


def judge(folder: Path, says: str = "") -> list[str]:
    return [sys.executable, "-c", JUDGE, str(folder / "notes"), *([says.encode().hex()] if says else [])]


async def test_the_program_sees_the_record_and_who_brings_it(tmp_path: Path, program: Program) -> None:
    program.use(judge(tmp_path), 20)
    assert program.is_active
    records = [EVE.record(NOW + n).data for n in range(3)]
    assert await program.screen(records, SomeBearer()) == [ACCEPT] * 3

    asked = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert [record_json.from_json(each["record"]).data for each in asked] == records
    assert asked[0] == {
        "id": 1,
        "record": record_json.to_json(Record(records[0])),
        "address": "192.0.2.1",
        "keys": [EVE.key.user_text],
        "way": "link",
        "standing": "stranger",
    }


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        ('{"action": "accept"}', ACCEPT),
        ('{"action": "withhold"}', Accept(Label.WITHHELD)),
        ('{"action": "reject", "message": "no"}', Refuse(ResultCode.UNAUTHORIZED, "no")),
        ('{"action": "reject", "result": 39, "message": "slow"}', Refuse(ResultCode.TOO_FAST, "slow")),
    ],
)
async def test_what_the_program_says_counts(
    tmp_path: Path, program: Program, says: str, verdict: Accept | Refuse
) -> None:
    program.use(judge(tmp_path, says), 20)
    assert await program.screen([EVE.record(NOW).data], SomeBearer()) == [verdict]


async def test_what_is_to_disappear_is_answered_with_accepted(tmp_path: Path, program: Program) -> None:
    program.use(judge(tmp_path, '{"action": "shadow"}'), 20)
    (verdict,) = await program.screen([EVE.record(NOW).data], SomeBearer())
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.ACCEPTED


@pytest.mark.parametrize(
    "says", ["die", "nonsense", '{"action": "maybe"}', '{"action": "reject", "result": 2}', '{"id": null}']
)
async def test_a_program_that_dies_or_talks_nonsense_fails_and_is_started_again(
    tmp_path: Path, says: str
) -> None:
    seconds = Seconds()
    program = Program(seconds)
    program.use(judge(tmp_path, says), 20)
    with pytest.raises(ProgramFailed):
        await program.screen([EVE.record(NOW).data], SomeBearer())
    # Not at once: something that always fails must not cost a process for each record.
    with pytest.raises(ProgramFailed, match="in a moment"):
        await program.screen([EVE.record(NOW).data], SomeBearer())
    assert len((tmp_path / "notes").read_text().splitlines()) == 1
    seconds.now += 2
    with pytest.raises(ProgramFailed):
        await program.screen([EVE.record(NOW).data], SomeBearer())
    assert len((tmp_path / "notes").read_text().splitlines()) == 2
    program.use(judge(tmp_path), 20)
    assert await program.screen([EVE.record(NOW).data], SomeBearer()) == [ACCEPT]
    await program.stop()


async def test_of_a_program_that_was_replaced_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    program = Program(Seconds())
    program.use(judge(tmp_path), 20)
    assert await program.screen([EVE.record(NOW).data], SomeBearer()) == [ACCEPT]
    before = program._running
    assert before is not None
    program.use([], 20)
    await program.stop()
    assert before.process.returncode is not None
    assert before.reading.done()


async def test_a_silent_program_is_given_up(tmp_path: Path, program: Program) -> None:
    program.use(judge(tmp_path, "sleep"), 0.5)
    with pytest.raises(ProgramFailed, match="in time"):
        await program.screen([EVE.record(NOW).data], SomeBearer())
    assert program._running is None


async def test_a_program_that_is_given_up_keeps_nobody_waiting(tmp_path: Path, program: Program) -> None:
    program.use(judge(tmp_path, "sleep"), 3_600)
    os.mkfifo(tmp_path / "notes")
    asking = asyncio.create_task(program.screen([EVE.record(NOW).data], SomeBearer()))
    assert await asyncio.to_thread(first_line, tmp_path / "notes")
    program.give_up()
    with pytest.raises(ProgramFailed):
        await asking
    with pytest.raises(ProgramFailed):
        await program.screen([EVE.record(NOW).data], SomeBearer())


async def test_a_program_that_nests_without_end_or_closes_its_output_is_ended(program: Program) -> None:
    program.use([sys.executable, "-c", "import time; print('[' * 60_000, flush=True); time.sleep(3600)"], 20)
    with pytest.raises(ProgramFailed, match="nests too deep"):
        await program.screen([EVE.record(NOW).data], SomeBearer())
    closes = "import os, sys, time; sys.stdin.readline(); os.close(1); time.sleep(3600)"
    program.use([sys.executable, "-c", closes], 20)
    async with program._starting:
        running = await program._started()
    assert running.process.stdin is not None
    running.process.stdin.write(b"\n")
    await running.reading
    async with program._starting:
        assert await program._started() is not running
    assert await running.process.wait() != 0


def test_without_a_command_nothing_is_asked() -> None:
    assert not Program(Seconds()).is_active


async def test_a_program_that_is_missing_fails(program: Program, tmp_path: Path) -> None:
    program.use([str(tmp_path / "no such program")], 20)
    with pytest.raises(ProgramFailed, match="started"):
        await program.screen([EVE.record(NOW).data], SomeBearer())


async def test_two_who_ask_at_once_get_their_own_answers(tmp_path: Path, program: Program) -> None:
    program.use(judge(tmp_path), 20)
    one, two = EVE.record(NOW).data, EVE.record(NOW + 1).data
    found = await asyncio.gather(
        program.screen([one] * 5, SomeBearer()), program.screen([two] * 3, SomeBearer())
    )
    assert [len(each) for each in found] == [5, 3]


def test_rules_are_loaded_by_name() -> None:
    assert plugin.load("mosaic.policy.rules:no_bare_private_kinds").__name__ == "no_bare_private_kinds"
    for name in (
        "no.such:thing",
        "mosaic.policy.rules:nothing",
        "no-entry-point",
        "mosaic.policy.rules:_BARE",
    ):
        with pytest.raises(SettingsInvalid):
            plugin.load(name)
