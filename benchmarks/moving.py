"""How long a follower waits after somebody's only server is gone for good.

Nodes are processes, and so is their DHT. `moving.move_s` is the command that moves to
another server from the copy of the home; `moving.next_post_s` is the time from its end
until a follower, who was told nothing, has the next post. The limit is the promise: 60 s.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.load_client import ROOT
from benchmarks.processes import DISK
from benchmarks.rows import Row, row

PROMISE_S = 60.0
PATIENCE_S = 90.0
_MOSAIC = [sys.executable, "-m", "mosaic"]


def run(quick: bool) -> list[Row]:
    """Measures both, in seconds for each round.

    Args:
        quick: One round.

    Raises:
        RuntimeError: a command failed, or the post did not come in time.
    """
    rounds = [_round() for _ in range(1 if quick else 5)]
    return [
        row("moving.move_s", "s", [move for move, _ in rounds], PROMISE_S),
        row("moving.next_post_s", "s", [post for _, post in rounds], PROMISE_S),
    ]


def _round() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=DISK) as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        entry = _begun(stack, ["dht", "testnet", "--nodes", "8"]).strip()
        config = root / "hub.toml"
        config.write_text('[serves]\nwho = "everyone"\n')
        public = ["--config", str(config)]
        first, second = (_node(stack, root / name, name, entry, public) for name in ("first", "second"))
        ben = _node(stack, root / "ben", "ben", entry, [])
        anna = _node(stack, root / "anna", "anna", entry, [], listens=False)
        first_process: subprocess.Popen[str] = first["process"]
        _do(root / "anna", "servers", "add", first["server"], "--url", first["tcp"])
        _do(root / "anna", "post", "before")
        _do(root / "ben", "follow", anna["key"])
        watch = _watch(stack, root / "ben", anna["key"])
        _until(watch, "before")
        first_process.kill()
        first_process.wait()
        begun = time.monotonic()
        _do(root / "anna", "servers", "move", first["server"], second["server"], "--url", second["tcp"])
        moved = time.monotonic()
        _do(root / "anna", "post", "after")
        _until(watch, "after")
        assert ben["key"]
        return moved - begun, time.monotonic() - moved


def _process(stack: contextlib.ExitStack, arguments: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*_MOSAIC, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    )
    stack.callback(process.wait, 10)
    stack.callback(process.kill)
    return process


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "MOSAIC_KEYRING": "no"}


def _begun(stack: contextlib.ExitStack, arguments: list[str]) -> str:
    process = _process(stack, arguments)
    assert process.stdout is not None
    return process.stdout.readline()


def _node(
    stack: contextlib.ExitStack, home: Path, name: str, entry: str, more: list[str], *, listens: bool = True
) -> dict[str, Any]:
    (made,) = _do(home, "init", "--name", name)
    tcp = "127.0.0.1:0" if listens else "off"
    listening = ["--tcp", tcp, "--quic", "off", "--ws", "off", "--web", "127.0.0.1:0", "--dht", entry]
    process = _process(stack, ["serve", "--home", str(home), *listening, *more])
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    return {**line, "key": made["key"], "process": process}


def _do(home: Path, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*_MOSAIC, *arguments, "--home", str(home), "--json"],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _watch(stack: contextlib.ExitStack, home: Path, author: str) -> Iterator[str]:
    what = ["watch", "--json", "--home", str(home), "--author", author, "--kind", "post", "--stored"]
    process = _process(stack, what)
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


def _until(lines: Iterator[str], text: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    for line in lines:
        if json.loads(line).get("text") == text:
            return
        if time.monotonic() > give_up:
            break
    raise RuntimeError(f"{text!r} did not come")
