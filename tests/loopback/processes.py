"""`mosaic` as other people run it: commands and serving nodes as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

SOURCE = Path(__file__).parents[2] / "src"
PATIENCE_S = 60.0

_T = TypeVar("_T")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "MOSAIC_KEYRING": "no", "PYTHONWARNINGS": "error"}


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mosaic", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )


def objects(*arguments: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
    """What a command that must succeed prints with --json."""
    done = run(*arguments, "--json", stdin=stdin)
    assert done.returncode == 0, (arguments, done)
    return [json.loads(line) for line in done.stdout.splitlines()]


def one(*arguments: str | Path) -> dict[str, Any]:
    (item,) = objects(*arguments)
    return item


class Log:
    """What a process writes to stderr, kept in a file; who waits for words is told when they come.

    Args:
        file: Is written on.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._more = threading.Condition()
        from_it, self._end = os.pipe()
        self._reader = threading.Thread(target=self._keep, args=(from_it,), daemon=True)
        self._reader.start()

    def _keep(self, from_it: int) -> None:
        with open(from_it, "rb", buffering=0) as lines, self.file.open("ab", buffering=0) as kept:
            while data := lines.read(65_536):
                with self._more:
                    kept.write(data)
                    self._more.notify_all()

    @contextlib.contextmanager
    def end(self) -> Iterator[int]:
        """What the process gets as its stderr; only the process has it afterwards."""
        try:
            yield self._end
        finally:
            os.close(self._end)

    @property
    def text(self) -> str:
        return self.file.read_text()

    def says(self, words: str) -> None:
        """Waits until it says something."""
        with self._more:
            assert self._more.wait_for(lambda: words in self.text, PATIENCE_S), self.text

    def whole(self) -> None:
        """Waits until the process, which has ended, has nothing more to say."""
        self._reader.join(PATIENCE_S)


class Node:
    """A home that is served by a process."""

    def __init__(
        self,
        home: Path,
        name: str,
        *,
        over: Sequence[str] = ("tcp",),
        dht: str = "off",
        more: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.key = str(one("init", "--home", home, "--name", name)["key"])
        self.process: subprocess.Popen[bytes] | None = None
        self.line: dict[str, Any] = {}
        self.ports = dict.fromkeys(over, 0)
        self.dht = dht
        self.more = more

    def start(self) -> None:
        listening = ["--web", "127.0.0.1:0", *self.more]
        if self.dht:
            listening += ["--dht", self.dht]
        for transport in ("tcp", "quic", "ws"):
            port = self.ports.get(transport)
            listening += [f"--{transport}", "off" if port is None else f"127.0.0.1:{port}"]
        self.told = Log(self.home.parent / f"{self.home.name}.log")
        with self.told.end() as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mosaic", "serve", "--home", str(self.home), *listening],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            # What is left running or open would be complained of in another test.
            self.stop()
        assert text, self.log
        self.line = json.loads(text)
        for transport in self.ports:
            self.ports[transport] = int(self.line[transport].rstrip("/").rpartition(":")[2])

    def move(self) -> None:
        """Stops, and starts again on other ports."""
        before = dict(self.ports)
        self.stop()
        self.ports = dict.fromkeys(self.ports, 0)
        self.start()
        assert all(self.ports[transport] != before[transport] for transport in before)

    @property
    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    @property
    def page(self) -> str:
        """The whole address of its page, with the token that opens it."""
        return str(self.do("page")[0]["address"])

    @property
    def where(self) -> list[str]:
        return ["--server", str(self.line["tcp"]), "--key", str(self.line["server"])]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.told.whole()
        self.process = None
        return code

    def kill(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)

    def do(self, command: str, *arguments: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
        return objects(*command.split(), "--home", self.home, *arguments, stdin=stdin)

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Testnet:
    """`mosaic dht testnet`: a DHT of its own, in a process. `entry` is HOST:PORT to enter it by."""

    __test__ = False

    def __init__(self, nodes: int = 8) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mosaic", "dht", "testnet", "--nodes", str(nodes)],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        assert self._process.stdout is not None
        self.entry = self._process.stdout.readline().decode().strip()
        assert self.entry

    def stop(self) -> None:
        """Ends it; may be called again."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Testnet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Watch:
    """`mosaic watch --json` (or another command) in a process; its lines come as they are printed."""

    def __init__(self, *arguments: str | Path, command: str = "watch") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mosaic", command, "--json", *map(str, arguments)],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        return self._lines.get(timeout=PATIENCE_S)

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        while not wanted(item := self.next()):
            pass
        return item

    def stop(self) -> int:
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def status_when(node: Node, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The status of a node as soon as something holds of it."""
    watch = Watch("--home", node.home, "--watch", command="status")
    try:
        return watch.until(holds)
    finally:
        assert watch.stop() == 0


@contextlib.contextmanager
def watching(*arguments: str | Path) -> Iterator[Watch]:
    watch = Watch(*arguments)
    try:
        watch.until(lambda item: item.get("live"))
        yield watch
    finally:
        assert watch.stop() == 0


def arrived(node: Node, look: Callable[[], _T]) -> _T:
    """What `look` gives as soon as it is true, looked at with each record that comes to a node's reader."""
    watch = Watch("--home", node.home, "--stored")
    try:
        watch.next()
        while not (found := look()):
            watch.next()
        return found
    finally:
        assert watch.stop() == 0
