"""Each example does what its first line says, run as a person would run it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import PATIENCE_S, Node, environment, objects, watching

from mosaic.core.kind import Kind
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.node.plugin import Program, load
from mosaic.policy.label import Label
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Refuse
from mosaic.server.batch import DirectBearer
from mosaic.testing import FakeClock, Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode

EVE, NOW = Person("eve"), FakeClock().now_ns()
EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "bot.py",
        "policy_program.py",
        "policy_rule.py",
        "read_a_wall.py",
        "sign_a_record.py",
    }


def test_sign_a_record() -> None:
    key, text, as_json = run("sign_a_record.py", "Good morning")
    record = Record.parse_text(text)
    assert (record.author.user_text, record.content()) == (key, b"Good morning")
    assert "Good morning" in json.dumps(json.loads(as_json))


class Nobody:
    """Somebody without a key."""

    viewers: tuple[bytes, ...] = ()
    way = Way.LINK
    received_by_ns = None
    standing = Standing.ANONYMOUS
    address = "192.0.2.1"
    suspect = tried = favoured = gone = False

    def answer(self, records: object, results: bytes) -> None: ...

    def caught(self) -> None: ...


def said(text: str, kind: Kind = MICROBLOG) -> bytes:
    return EVE.record(NOW, kind=kind, payload=text.encode()).data


async def test_policy_program() -> None:
    program = Program(lambda: 0.0)
    program.use([sys.executable, str(EXAMPLES / "policy_program.py")], PATIENCE_S)
    try:
        records = [
            said("hello"),
            said("I AM VERY VERY LOUD TODAY"),
            said("see http://spam"),
            said("x", kind_of()),
        ]
        found = await program.screen(records, DirectBearer(Way.LINK))
        assert found == [
            ACCEPT,
            Refuse(ResultCode.UNAUTHORIZED, "please don't shout"),
            ACCEPT,
            ACCEPT,
        ]
        assert await program.screen(records[2:3], Nobody()) == [Accept(Label.WITHHELD)]
    finally:
        await program.stop()


def test_policy_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "members.txt").write_text(f"{EVE.key.user_text}\n")
    is_member, rule = load("policy_rule:is_a_member"), load("policy_rule:no_long_records_at_night")
    assert is_member(EVE.key_bytes)
    assert not is_member(Person("somebody else").key_bytes)
    night = NOW - NOW % 86_400_000_000_000
    for hours, length, wanted in ((0, 10, None), (0, 200_000, ResultCode.TOO_LARGE), (7, 200_000, None)):
        record = EVE.record(night + hours * 3_600_000_000_000, payload=bytes(length)).data
        verdict = rule(Submission(record))
        assert (verdict.result if isinstance(verdict, Refuse) else None) == wanted


@pytest.mark.slow
def test_read_a_wall(tmp_path: Path) -> None:
    with Node(tmp_path / "anna", "anna") as anna:
        for text in ("first", "second"):
            objects("post", text, "--home", anna.home)
        lines = run("read_a_wall.py", anna.line["tcp"], anna.line["server"], anna.key)
        assert [line.split("  ", 1)[1] for line in lines] == ["second", "first"]
        assert (
            run(
                "read_a_wall.py",
                anna.line["tcp"],
                anna.line["server"],
                anna.line["server"].replace("mosrv0", "mopub0"),
            )
            == []
        )


@contextlib.contextmanager
def bot_at(home: Path) -> Iterator[str]:
    """The example's bot; its key."""
    bot = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "bot.py"), str(home)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert bot.stdout is not None
    try:
        yield bot.stdout.readline().strip()
    finally:
        bot.terminate()
        bot.wait(PATIENCE_S)
        bot.stdout.close()


@pytest.mark.slow
def test_bot(tmp_path: Path) -> None:
    lines = (EXAMPLES / "bot.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 20
    home = tmp_path / "home"
    with Node(home, "anna") as anna, bot_at(home) as key, watching("--home", home, "--author", key) as watch:
        (asked,) = anna.do("post", f"good morning @{key} how are you")
        answer = watch.until(lambda item: item.get("text"))
        assert answer["text"] == "anna, that were 6 words."
        assert [post["text"] for post in anna.do("thread", asked["address"])][1:] == [answer["text"]]


@pytest.mark.slow
def test_bot_with_a_server_of_its_own(tmp_path: Path) -> None:
    home = tmp_path / "bot"
    objects("init", "--home", home, "--name", "bot")
    (home / "mosaic.toml").write_text(
        '[dht]\nmode = "off"\n\n[listen]\ntcp = "127.0.0.1:0"\nquic = "off"\nws = "off"\n'
    )
    with Node(tmp_path / "anna", "anna") as anna, bot_at(home) as key:
        (status,) = objects("status", "--home", home)
        anna.do("follow", key, "--server", status["urls"][0], "--key", status["server"])
        with watching("--home", anna.home, "--author", key) as watch:
            anna.do("post", f"good morning @{key}")
            answer = watch.until(lambda item: item.get("text"))
        assert answer["text"] == "anna, that were 3 words."
