"""What the first page shows works as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback.processes import PATIENCE_S, environment, one

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_fits_a_first_look() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    (picture,) = re.findall(r"!\[.{40,}\]\((.*?)\)", README)
    assert (ROOT / picture).read_bytes()[:4] == b"\x89PNG"
    assert (ROOT / picture).stat().st_size < 150_000
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z]+)", README):
        assert f"\n{target}:" in makefile


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("echo rustc 1.88.0", ""),
        ("echo rustc 1.100.0", ""),
        ("echo rustc 1.63.0", "rustc 1.63.0 is there; try: rustup update"),
        ("echo no toolchain is set >&2; exit 1", "rustup default stable"),
    ],
)
def test_a_compiler_that_is_too_old_or_none_at_all_is_told_before_anything_is_built(
    tmp_path: Path, says: str, told: str
) -> None:
    for name in ("rustc", "cargo"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / name).chmod(0o700)
    with_it = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["make", "-s", "tools"], cwd=ROOT, env=with_it, capture_output=True, text=True, check=False
    )
    assert told in done.stderr
    assert bool(done.returncode) == bool(told)


def found(key: str, entry: str) -> None:
    """Asks the DHT until it knows of a key, which it does a moment after the node's start."""
    command = [sys.executable, "-m", "mosaic", "dht", "resolve", key, "--dht", entry]
    while subprocess.run(
        command, capture_output=True, env=environment(), timeout=PATIENCE_S, check=False
    ).returncode:
        pass


@pytest.mark.slow
def test_its_lines_read_what_somebody_posted_by_the_key_alone(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    home = tmp_path / "ana"
    key = str(one("init", "--home", home, "--name", "ana")["key"])
    with subprocess.Popen(
        [sys.executable, "-m", "mosaic", "dht", "testnet", "--nodes", "8"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as net:
        assert net.stdout is not None
        entry = net.stdout.readline().strip()
        where = ["--tcp", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--ws", "off", "--dht", entry]
        with subprocess.Popen(
            [sys.executable, "-m", "mosaic", "serve", "--home", str(home), *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        ) as node:
            assert node.stdout is not None
            server = json.loads(node.stdout.readline())["server"]
            for text in ("Good morning", "And good night"):
                one("post", text, "--home", home)
            for published in (key, server):
                found(published, entry)
            mine = code.replace("mopub0…", key).replace("Client()", f"Client(dht={entry!r})")
            done = subprocess.run(
                [sys.executable, "-c", mine],
                capture_output=True,
                text=True,
                env=environment(),
                timeout=PATIENCE_S,
                check=False,
            )
            node.terminate()
        net.terminate()
    assert done.returncode == 0, done.stderr
    assert [line.split(" ", 1)[1] for line in done.stdout.splitlines()] == ["And good night", "Good morning"]
