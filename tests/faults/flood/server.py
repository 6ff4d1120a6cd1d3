"""The attacked server: `mosaic serve --preset public` with a home of its own, as an operator runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.faults.flood import frames

ROOT = Path(__file__).resolve().parents[3]
MEMORY_BYTES = 268_435_456
"""The bound that is set for the server: a third of what the preset allows."""
PATIENCE_S = 60
SETTINGS = f"""
[listen]
tcp = "127.0.0.1:0"
quic = "127.0.0.1:0"
ws = "127.0.0.1:0"

[dht]
mode = "off"

[metrics]
address = "127.0.0.1:0"

[server]
memory_bytes = {MEMORY_BYTES}
"""
"""Where it listens, so that several may run, and less memory. All limits are the preset's."""


def environment() -> dict[str, str]:
    """Variables of a process that runs what stands here."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return os.environ | {"PYTHONPATH": path, "MOSAIC_KEYRING": "no"}


class Attacked:
    """A public server in a process of its own; `honest` is on its list.

    Args:
        folder: Its home is made in there.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._log = folder / "log"
        self._process: subprocess.Popen[str] | None = None
        self._line: dict[str, Any] = {}

    def __enter__(self) -> Attacked:
        self._run("init", "--name", "operator")
        self._run("admin", "serve", frames.person("honest")[0].public.user_text)
        (self._home / "mosaic.toml").write_text(SETTINGS)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*self._command("serve"), "--preset", "public"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(),
            )
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise RuntimeError(f"the server ended: {self._log.read_text()}")
        self._line = json.loads(text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.kill()
        with process:  # closes its pipe and waits
            pass

    def stop(self) -> int:
        """Stops it in order; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it takes TCP."""
        return int(str(self._line["tcp"]).rstrip("/").rpartition(":")[2])

    def counts(self) -> Mapping[str, int]:
        """Its numbers as its metrics tell them, those at the door by what became of connections."""
        with urllib.request.urlopen(f"http://{self._line['metrics']}/metrics", timeout=PATIENCE_S) as answer:
            lines = answer.read().decode().splitlines()
        found = {}
        for line in lines:
            name, _, value = line.rpartition(" ")
            if name.startswith("mosaic_door_total{"):
                found[name.split('"')[1]] = int(float(value))
            elif name.startswith("mosaic_") and "{" not in name:
                found[name.removeprefix("mosaic_").removesuffix("_total")] = int(float(value))
        return found

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "mosaic", *command, "--home", str(self._home)]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            self._command(*command), capture_output=True, env=environment(), timeout=PATIENCE_S, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
