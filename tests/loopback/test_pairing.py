"""`mosaic pair` and `mosaic pair join`, each a process of its own, with a person who compares the digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.loopback.processes import PATIENCE_S, Node, environment, objects, one


@pytest.mark.slow
@pytest.mark.claim("C2", "C66")
def test_a_second_device_is_paired_by_two_commands(tmp_path: Path) -> None:
    phone = tmp_path / "phone"
    with Node(tmp_path / "laptop", "anna") as laptop:
        laptop.do("post", "before the phone")
        shows = _started("pair", "--home", str(laptop.home), "--json")
        while not (code := json.loads(_line(shows)).get("code")):
            pass
        joins = _started("pair", "join", "--label", "phone", "--home", str(phone), "--json")
        # The code goes in by standard input: nobody sees it in a list of processes.
        _write(joins, code)
        assert code not in Path(f"/proc/{joins.pid}/cmdline").read_text()
        numbers = {_until(each, "compare")["number"] for each in (shows, joins)}
        assert len(numbers) == 1
        for each in (shows, joins):
            _write(each, "y")
        ready = [_until(each, "ready") for each in (shows, joins)]
        assert [each["other"] for each in ready] == ["phone", "anna"]
        for each in (shows, joins):
            assert each.wait(PATIENCE_S) == 0
            for pipe in (each.stdin, each.stdout):
                assert pipe is not None
                pipe.close()
    assert one("key", "list", "--home", phone)["key"] == laptop.key
    assert [each["text"] for each in objects("feed", "--home", phone)] == ["before the phone"]


def _started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mosaic", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    )


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line
    return line


def _until(process: subprocess.Popen[str], state: str) -> dict[str, str]:
    while (item := json.loads(_line(process)))["state"] != state:
        pass
    assert isinstance(item, dict)
    return item
