"""The honest people: `python -m tests.faults.flood.honest --port PORT`. Prints as JSON what they met.

Somebody posts over a link that stands; once a second a fresh link is made for one post more.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import threading
import time
from random import Random

from tests.faults.flood import frames

from mosaic.wire.client_messages import Submission
from mosaic.wire.result_code import ResultCode

EVERY_S = 0.05
ANEW_S = 1.0
PATIENCE_S = 30


class Link:
    """A link of an honest person's."""

    def __init__(self, name: str, host: str, port: int, source: str, notify: str) -> None:
        self.author, identity = frames.person(name)
        self.notify = [frames.person(notify)[0].public] if notify else []
        self.random = Random(f"{name} {time.time_ns()}")
        raw = socket.create_connection((host, port), PATIENCE_S, source_address=(source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls: ssl.SSLSocket = identity.tls.wrap_socket(raw, server_hostname="mosaic")
        self.tls.sendall(frames.HELLO)
        kind, _ = self.message()
        if kind != frames.GREETED:
            raise ConnectionError(f"HELLO was answered by {kind:#x}")

    def message(self) -> tuple[int, bytes]:
        head = self._exactly(8)
        return head[0], head + self._exactly(int.from_bytes(head[4:8], "little") - 8)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.tls.recv(count - len(data))
            if not more:
                raise ConnectionError("the server closed the link")
            data += more
        return data

    def submit(self) -> ResultCode:
        """What became of one post."""
        record = frames.post(self.author, self.random, self.notify)
        self.tls.sendall(Submission(record).encode())
        kind, answer = self.message()
        if kind != frames.ANSWERED or answer[8:40] != record[:32]:
            raise ConnectionError(f"a post was answered by {kind:#x} {answer[:16].hex()}")
        return ResultCode(answer[1])

    def close(self) -> None:
        self.tls.close()


class Honest:
    """One person, with a link that stands and links that are made."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.times: list[float] = []
        self.dialled: list[float] = []
        self.refused: list[str] = []
        self.end = time.monotonic() + options.seconds

    def open(self) -> Link:
        given = self.options
        return Link(given.name, given.host, given.port, given.source, given.notify)

    def note(self, result: ResultCode) -> None:
        if not result.is_success:
            self.refused.append(result.name)

    def stand(self) -> None:
        try:
            link = self.open()
            while time.monotonic() < self.end:
                began = time.monotonic()
                self.note(link.submit())
                self.times.append(time.monotonic() - began)
                time.sleep(EVERY_S)
            link.close()
        except OSError as error:
            self.refused.append(f"the standing link: {error}")

    def come_anew(self) -> None:
        while time.monotonic() < self.end:
            began = time.monotonic()
            try:
                link = self.open()
                self.note(link.submit())
                link.close()
            except OSError as error:
                self.refused.append(f"a new link: {error}")
            self.dialled.append(time.monotonic() - began)
            time.sleep(ANEW_S)

    def run(self) -> dict[str, object]:
        threads = [threading.Thread(target=each) for each in (self.stand, self.come_anew)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return {
            "posts": len(self.times),
            "refused": self.refused,
            "post_ms": of(self.times),
            "new_links": len(self.dialled),
            "new_link_ms": of(self.dialled),
        }


def of(times: list[float]) -> dict[str, float]:
    """The percentiles of times, in milliseconds."""
    ordered = sorted(times) or [0.0]
    return {
        name: round(1_000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--source", default="127.2.0.1")
    parser.add_argument("--name", default="honest")
    parser.add_argument("--notify", default="", help="to whom each post is, by name")
    parser.add_argument("--seconds", type=float, default=60)
    print(json.dumps(Honest(parser.parse_args()).run()), flush=True)


if __name__ == "__main__":
    main()
