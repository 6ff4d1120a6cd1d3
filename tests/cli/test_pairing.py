from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.core.keys import SecretKey
from mosaic.core.pairing import PairingCode
from mosaic.core.x25519 import X25519Secret

PERSON = SecretKey.from_seed(b"a" * 32).public


def code(until_ns: int) -> str:
    return PairingCode(PERSON, X25519Secret(b"x" * 32).public, b"s" * 16, until_ns).text


@pytest.mark.claim("C2")
def test_a_code_on_the_command_line_is_not_used(mosaic: Run, tmp_path: Path) -> None:
    done = mosaic("pair", "join", code(1), "--json")
    assert done.code == 2
    assert "can be read by everybody" in done.error["error"]
    assert "mosaic pair join" in done.error["hint"]
    assert code(1) not in done.err
    assert not (tmp_path / "home").exists()


@pytest.mark.claim("C2")
@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_an_old_code_is_told(mosaic: Run, arguments: tuple[str, ...]) -> None:
    done = mosaic("pair", "join", *arguments, "--json", stdin=code(1).encode() + b"\n")
    assert done.error["code"] == "pairing_failed"
    assert "too old" in done.error["error"]
    assert "mosaic pair" in done.error["hint"]
    assert mosaic("key", "list").out == ""


@pytest.mark.parametrize("given", [b"", b"\n", b"mosaic:nothing\n", b"x" * 10_000, code(1)[:-9].encode()])
def test_what_is_no_code_makes_no_home(mosaic: Run, tmp_path: Path, given: bytes) -> None:
    done = mosaic("pair", "join", "--json", stdin=given)
    assert done.error["code"] == "invalid_text"
    assert not (tmp_path / "home").exists()


def test_nobody_can_be_paired_where_nobody_lives(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    done = mosaic("pair", "--json")
    assert done.error["code"] == "pairing_failed"
    assert "mosaic serve" in done.error["hint"]


def test_a_person_who_lives_here_may_join_again_and_stays_if_it_fails(mosaic: Run) -> None:
    key = mosaic("init", "--name", "anna").out.strip()
    before = mosaic("key", "list", "--json").objects
    again = PairingCode.parse(code(2**62)).text.replace(PERSON.user_text, key)
    done = mosaic("pair", "join", "--json", stdin=again.encode())
    assert done.error["code"] == "pairing_failed"
    assert "can be reached" in done.error["error"]
    assert mosaic("key", "list", "--json").objects == before
