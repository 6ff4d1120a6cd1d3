"""Nodes and a DHT for browsers to look at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import PATIENCE_S, Tab, chromium, executable
from tests.loopback.processes import environment, objects


class Serving:
    """`mosaic …` that runs until it is stopped, in a home where nobody lives yet."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mosaic", *arguments],
                stdout=subprocess.PIPE,
                stderr=err,
                env=environment(),
                text=True,
            )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline().strip()
        assert self.first, self.log

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def line(self) -> dict[str, Any]:
        told = json.loads(self.first)
        assert isinstance(told, dict)
        return told

    @property
    def page(self) -> str:
        """The whole address of its page, with the token that opens it."""
        (told,) = objects("page", "--home", self.line["home"])
        return str(told["address"])

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


Serve = Callable[..., Serving]
Browse = Callable[..., Tab]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a node in a home without people; all of them are stopped at the end, and must end well."""
    running: list[Serving] = []

    def start(name: str, *, dht: str = "off", web: str = "127.0.0.1:0") -> Serving:
        where = ["--tcp", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--web", web, "--dht", dht]
        running.append(
            Serving(
                tmp_path / f"{name}.log",
                "run",
                "--no-browse",
                "--home",
                str(tmp_path / name),
                "--json",
                *where,
            )
        )
        return running[-1]

    yield start
    codes = [node.stop() for node in running]
    assert codes == [0] * len(codes)
    assert "Traceback" not in "".join(node.log for node in running)


@pytest.fixture
def testnet(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT by which a DHT on this machine is entered."""
    net = Serving(tmp_path / "testnet.log", "dht", "testnet", "--nodes", "8")
    yield net.first
    net.stop()


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Browse]:
    """Starts a Chromium of its own for each person."""
    executable()
    with ExitStack() as stack:
        number = 0

        def start(*flags: str) -> Tab:
            nonlocal number
            number += 1
            return stack.enter_context(chromium(tmp_path / f"profile-{number}", *flags))

        yield start
