"""What an idle link costs: resident memory of our listener beside that of TLS alone.

Both run in processes of their own in the same run, on the same machine, with
the same client; the limit is 1.5 times the bare link and 4 KiB.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO

from benchmarks.load_client import load_client
from benchmarks.rows import Row, row

FACTOR = 1.5
EXTRA_BYTES = 4_096
WARM_LINKS = 200

LISTENER = """
import select, sys
from mosaic._kernel._rust import Net
net = Net(frame_limits=[1_048_584] * 256, spool_prefix=[0] * 256, spool_folder=sys.argv[1])
print('{"port": %d}' % net.listen_tcp("127.0.0.1", 0, bytes(32)), flush=True)
while True:
    ready, _, _ = select.select([net.fileno(), sys.stdin], [], [])
    net.poll()
    if sys.stdin in ready:
        break
net.shutdown(0)
"""


def run(quick: bool) -> list[Row]:
    """Measures `idle_link.tcp` in bytes for each link.

    Args:
        quick: Fewer links and one round.

    Raises:
        RuntimeError: a process ended before it was ready.
    """
    links, rounds = (500, 1) if quick else (2_000, 3)
    bare = [_link_bytes(_bare, links) for _ in range(rounds)]
    ours = [_link_bytes(_ours, links) for _ in range(rounds)]
    return [row("idle_link.tcp", "bytes", ours, FACTOR * median(bare) + EXTRA_BYTES)]


@contextmanager
def _process(command: list[str]) -> Iterator[tuple[int, dict[str, int]]]:
    """A process that prints a JSON line when it is ready and ends when its input does: its pid, that line."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.pid, _line(process.stdout)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _line(output: IO[str] | None) -> dict[str, int]:
    assert output is not None
    line = output.readline()
    if not line:
        raise RuntimeError("the process ended before it was ready; what it said stands above")
    found: dict[str, int] = json.loads(line)
    return found


def _bare() -> list[str]:
    return [load_client(), "bare"]


def _ours() -> list[str]:
    return [sys.executable, "-c", LISTENER, tempfile.gettempdir()]


def _link_bytes(listener: Callable[[], list[str]], links: int) -> float:
    """The growth of a listener's resident memory for each of so many links."""
    with _process(listener()) as (pid, ready):
        hold = [load_client(), "idle", "--port", str(ready["port"]), "--hello", "0", "--links"]
        with _process([*hold, str(WARM_LINKS)]):
            before = _resident(pid)
            with _process([*hold, str(links)]):
                return (_resident(pid) - before) / links


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise RuntimeError(f"/proc/{pid}/status does not tell the resident memory")


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
