"""Each example does what its first line says, run as a person would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.loopback.processes import PATIENCE_S, Node, environment, objects

from mosaic.core.record import Record

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
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"read_a_wall.py", "sign_a_record.py"}


def test_sign_a_record() -> None:
    key, text, as_json = run("sign_a_record.py", "Good morning")
    record = Record.parse_text(text)
    assert (record.author.user_text, record.content()) == (key, b"Good morning")
    assert "Good morning" in json.dumps(json.loads(as_json))


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
