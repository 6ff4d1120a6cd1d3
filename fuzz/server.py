"""A server in a process of its own, in a home made for it."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import mosaic
from fuzz.address import Address
from mosaic.core.keys import PublicKey
from mosaic.transport import Transport

START_SECONDS = 60


class ServerDied(Exception):
    """The server ended by itself, or never began to listen."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the server's process holds, in bytes.

    Args:
        resident: In memory now, with what other processes share.
        anonymous: Of that, what belongs to no file.
    """

    resident: int
    anonymous: int


class LiveServer:
    """`mosaic init` and `mosaic serve` in a folder; a context manager.

    Args:
        folder: An empty folder for the home and the server's output.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._output = folder / "server.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self.person: PublicKey = PublicKey(bytes(32))
        self.addresses: dict[Transport, Address] = {}
        """Where it listens, over each transport."""

    def __enter__(self) -> Self:
        # The same code as here, and no password in the keyring of whoever runs this.
        path = os.pathsep.join(
            filter(None, (str(Path(mosaic.__file__).parents[1]), os.environ.get("PYTHONPATH")))
        )
        keyring = "keyring.backends.null.Keyring"
        environment = dict(os.environ, PYTHONPATH=path, PYTHON_KEYRING_BACKEND=keyring)
        made = subprocess.run(
            [sys.executable, "-m", "mosaic", "init", "--home", str(self.home), "--name", "fuzz"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        found = re.search(r"mopub0\w+", made.stdout)
        if made.returncode or not found:
            raise ServerDied(f"mosaic init failed: {made.stdout}{made.stderr}")
        self.person = PublicKey.parse_user(found[0])
        serve = ["-m", "mosaic", "serve", "--home", str(self.home)]
        addresses = ["--dht", "off", "--web", "127.0.0.1:0"]
        for transport in Transport:
            addresses += [f"--{transport.value}", "127.0.0.1:0"]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *serve, *addresses],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        line = json.loads(self._first_line())
        for transport in Transport:
            parts = urlsplit(line[transport.value])
            self.addresses[transport] = Address(parts.hostname or "", parts.port or 0)
        return self

    def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(START_SECONDS):
                raise ServerDied(f"the server did not listen within {START_SECONDS} s: {self.output()}")
        line = self._process.stdout.readline()
        if not line:
            raise ServerDied(f"the server ended: {self.output()}")
        return line

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """The end of what the server wrote to stderr."""
        return self._output.read_text(errors="replace")[-4000:]

    def complaints(self) -> list[str]:
        """Lines of stderr that tell of an exception or a panic."""
        lines = self._output.read_text(errors="replace").splitlines()
        return [line for line in lines if re.search(r"Traceback|panicked|Exception|Error\b", line)]

    def memory(self) -> Memory:
        """What the process holds now."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            kib = subprocess.check_output(["ps", "-o", "rss=", "-p", str(self.pid)], text=True)
            return Memory(int(kib) * 1024, int(kib) * 1024)
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return Memory(*(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon")))

    def left_over_files(self) -> list[Path]:
        """Files in the home's folder for bodies under way; none when no link is open."""
        return [path for path in self.home.rglob("*") if path.is_file() and "spool" in str(path.parent)]

    def stop(self) -> int:
        """Ends the server as an operator would; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return -signal.SIGKILL

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()
            if self._process.stdout is not None:
                self._process.stdout.close()
