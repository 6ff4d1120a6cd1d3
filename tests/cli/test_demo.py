"""`mosaic demo` as somebody tries it who has just come."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.loopback.processes import PATIENCE_S, environment

from mosaic.cli.demo_story import LATER, OPENING, PEOPLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mosaic", "demo", "--no-browse", "--every", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "TMPDIR": str(tmp_path / "tmp")},
    )
    with process:
        yield process
        process.kill()


def ended(demo: subprocess.Popen[str], folder: Path) -> str:
    """What it said last; it has ended well, and nothing is left of it."""
    out, err = demo.communicate(timeout=PATIENCE_S)
    assert (demo.returncode, err) == (0, "")
    assert list((folder / "tmp").iterdir()) == []
    return out


def told(demo: subprocess.Popen[str]) -> list[str]:
    """What it says until it invites to look."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if "Ctrl+C" in line:
            break
    return lines


def test_three_people_are_read_live_and_nothing_is_left(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    lines = told(demo)
    text = "".join(lines)
    for name in PEOPLE:
        assert re.search(rf"^{name}: +mopub0\w{{52}}$", text, re.MULTILINE)
    (page,) = re.findall(r"^Look at ana's page: (\S+)$", text, re.MULTILINE)
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as client:
        feed = client.get(page).text
        for line in OPENING:
            assert line.text.split("'")[0] in feed
        assert {name for name in PEOPLE if f"<span>{name}</span>" in feed} == set(PEOPLE)
        assert "connected to both servers you read" in feed
        assert "people are found by their key" in feed
        # Whoever has the page open sees the rest of it come.
        base = page.partition("/?")[0]
        with client.stream("GET", f"{base}/changes") as changes:
            for event in changes.iter_lines():
                if event and LATER[-1].text in client.get(f"{base}/feed").text:
                    break
    demo.send_signal(signal.SIGINT)
    assert "All of it is gone." in ended(demo, tmp_path)


def test_it_can_be_stopped_while_it_begins(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert demo.stdout is not None
    assert "Starting" in demo.stdout.readline()
    demo.send_signal(signal.SIGTERM)
    assert "All of it is gone." in ended(demo, tmp_path)
