"""How long a follower waits after somebody's only server is gone for good.

Nodes are processes, and so is their DHT. Server and laptop are deleted with all that is on
them; only a backup is left. `moving.restore_s` restores it and starts the node,
`moving.move_s` is the command that moves to another server from that copy, and
`moving.next_post_s` is the time from its end until a follower, who was told nothing, has
the next post. `moving.whole_s` is all of it; its limit is the promise: 60 s.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.load_client import ROOT
from benchmarks.processes import DISK
from benchmarks.rows import Row, row

PROMISE_S = 60.0
PATIENCE_S = 90.0
_MOSAIC = [sys.executable, "-m", "mosaic"]


def run(quick: bool) -> list[Row]:
    """Measures each step and the whole, in seconds for each round.

    Args:
        quick: One round.

    Raises:
        RuntimeError: a command failed, or the post did not come in time.
    """
    rounds = [_round() for _ in range(1 if quick else 5)]
    return [
        row("moving.restore_s", "s", [restore for restore, _, _ in rounds], PROMISE_S),
        row("moving.move_s", "s", [move for _, move, _ in rounds], PROMISE_S),
        row("moving.next_post_s", "s", [post for _, _, post in rounds], PROMISE_S),
        row("moving.whole_s", "s", [sum(steps) for steps in rounds], PROMISE_S),
    ]


class _Lines:
    """The lines of a process as they come; never waited for without end.

    Args:
        process: Its output is a pipe of text.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def next(self, give_up: float) -> str:
        """The next line, until a time (`time.monotonic`). Raises RuntimeError: none came."""
        try:
            line = self._lines.get(timeout=max(0.0, give_up - time.monotonic()))
        except queue.Empty:
            line = ""
        if not line:
            raise RuntimeError(f"{self._process.args!r} told nothing more in time")
        return line


def _round() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory(dir=DISK) as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        entry = _begun(_process(stack, ["dht", "testnet", "--nodes", "8"])).strip()
        config = root / "hub.toml"
        config.write_text('[serves]\nwho = "everyone"\n')
        public = ["--config", str(config)]
        first, second = (_node(stack, root / name, name, entry, public) for name in ("first", "second"))
        ben = _node(stack, root / "ben", "ben", entry, [])
        anna = _node(stack, root / "anna", "anna", entry, [], listens=False)
        backup, password = root / "laptop.mosaic-backup", root / "password"
        password.write_text("of the backup\n")
        _do(root / "anna", "servers", "add", first["server"], "--url", first["tcp"])
        _do(root / "anna", "post", "before")
        _do(root / "ben", "follow", anna["key"])
        watch = _watch(stack, root / "ben", anna["key"])
        _until(watch, "before")
        _do(root / "anna", "backup", str(backup), "--password-file", str(password))
        for gone, name in ((first, "first"), (anna, "anna")):
            gone["process"].kill()
            gone["process"].wait()
            shutil.rmtree(root / name)
        begun = time.monotonic()
        back = root / "back"
        _do(back, "restore", str(backup), "--password-file", str(password))
        _serving(stack, back, entry, [], listens=False)
        restored = time.monotonic()
        _do(back, "servers", "move", first["server"], second["server"], "--url", second["tcp"])
        moved = time.monotonic()
        _do(back, "post", "after")
        _until(watch, "after")
        assert ben["key"]
        return restored - begun, moved - restored, time.monotonic() - moved


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


def _begun(process: subprocess.Popen[str]) -> str:
    return _Lines(process).next(time.monotonic() + PATIENCE_S)


def _node(
    stack: contextlib.ExitStack, home: Path, name: str, entry: str, more: list[str], *, listens: bool = True
) -> dict[str, Any]:
    (made,) = _do(home, "init", "--name", name)
    return {**_serving(stack, home, entry, more, listens=listens), "key": made["key"]}


def _serving(
    stack: contextlib.ExitStack, home: Path, entry: str, more: list[str], *, listens: bool = True
) -> dict[str, Any]:
    tcp = "127.0.0.1:0" if listens else "off"
    listening = ["--tcp", tcp, "--quic", "off", "--ws", "off", "--web", "127.0.0.1:0", "--dht", entry]
    process = _process(stack, ["serve", "--home", str(home), *listening, *more])
    return {**json.loads(_begun(process)), "process": process}


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


def _watch(stack: contextlib.ExitStack, home: Path, author: str) -> _Lines:
    what = ["watch", "--json", "--home", str(home), "--author", author, "--kind", "post", "--stored"]
    return _Lines(_process(stack, what))


def _until(lines: _Lines, text: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while json.loads(lines.next(give_up)).get("text") != text:
        pass
