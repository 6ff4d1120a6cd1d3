"""What an idle link costs: resident memory of our listener beside that of TLS alone.

Both run in processes of their own in the same run, on the same machine, with
the same client; the limit is 1.5 times the bare link and 4 KiB.
"""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.load_client import load_client
from benchmarks.processes import process
from benchmarks.rows import Row, row

FACTOR = 1.5
EXTRA_BYTES = 4_096
WARM_LINKS = 200
ACCEPT = "kdwmL4n/SUD6ugS/mDOmFy+p5Dc="
"""What belongs to the key of the load client's upgrade."""

TRANSPORTS = ("quic", "tcp", "ws")

LISTENER = """
import select, sys
from mosaic._kernel._rust import LINK_UPGRADE, Net
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" \\
    b"Sec-WebSocket-Accept: %s\\r\\nSec-WebSocket-Protocol: mosaic2025\\r\\n\\r\\n" % sys.argv[3].encode()
net = Net(frame_limits=[1_048_584] * 256, spool_prefix=[0] * 256, spool_folder=sys.argv[1])
listen = {"quic": net.listen_quic, "tcp": net.listen_tcp, "ws": net.listen_ws}[sys.argv[2]]
print('{"port": %d}' % listen("127.0.0.1", 0, bytes(32)), flush=True)
while True:
    ready, _, _ = select.select([net.fileno(), sys.stdin], [], [])
    for link, what, _ in net.poll():
        if what == LINK_UPGRADE:
            net.answer_upgrade(link, ACCEPTED, True)
    if sys.stdin in ready:
        break
net.shutdown(0)
"""


def run(quick: bool) -> list[Row]:
    """Measures `idle_link.*` in bytes for each link. A WebSocket is compared with a link of TLS alone.

    Args:
        quick: Fewer links and one round.

    Raises:
        RuntimeError: a process ended before it was ready.
    """
    links, rounds = (300, 1) if quick else (2_000, 3)
    bare = {
        transport: [_link_bytes(_bare(transport), transport, links) for _ in range(rounds)]
        for transport in ("quic", "tcp")
    }
    rows = []
    for transport in TRANSPORTS:
        ours = [_link_bytes(_ours(transport), transport, links) for _ in range(rounds)]
        beside = median(bare.get(transport, bare["tcp"]))
        rows.append(row(f"idle_link.{transport}", "bytes", ours, FACTOR * beside + EXTRA_BYTES))
    return rows


def _bare(transport: str) -> list[str]:
    return [load_client(), "bare", "--transport", transport]


def _ours(transport: str) -> list[str]:
    return [sys.executable, "-c", LISTENER, tempfile.gettempdir(), transport, ACCEPT]


def _link_bytes(listener: list[str], transport: str, links: int) -> float:
    """The growth of a listener's resident memory for each of so many links."""
    with process(listener) as (pid, ready):
        hold = [load_client(), "idle", "--port", str(ready["port"]), "--transport", transport]
        hold += ["--hello", "0", "--links"]
        with process([*hold, str(WARM_LINKS)]):
            before = resident(pid)
            with process([*hold, str(links)]):
                return (resident(pid) - before) / links


def resident(pid: int) -> int:
    """Bytes of memory that the process with the number `pid` holds.

    Raises:
        RuntimeError: the system does not tell it.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise RuntimeError(f"/proc/{pid}/status does not tell the resident memory")


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
