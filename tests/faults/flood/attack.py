"""The attackers: `python -m tests.faults.flood.attack --port PORT`. Prints what it did as one line of JSON.

Each link comes from an address of its own in 127.1.0.0/16, half of them with a key. Whoever is thrown out
comes back from another one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from fuzz.identity import NOBODY, Identity
from tests.faults.flood import frames

IDENTITIES = 64
BURST = 50
"""False signatures that one link sends at least at once."""
MOST_BURSTS = 40
"""So many of these at once where the attackers are behind, since most links are soon cut."""
VARIETY = 40
"""Different bursts."""
GREETS_AT_ONCE = 64
"""Handshakes that the attackers have under way themselves; the silent ones come on top."""
BACK_S = 0.2
"""How long one who was thrown out waits before he comes back."""
SLOW_BUFFER = 4_096


class Attack:
    """All attackers.

    Args:
        options: What the command line says.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.host: str = options.host
        self.port: int = options.port
        self.end: float = time.monotonic() + options.seconds
        self.records: int = options.records
        self.filters: int = options.filters
        self.random = Random(options.seed)
        self.tally: Counter[str] = Counter()
        self.open = 0
        self.most_open = 0
        self.greeting = asyncio.Semaphore(GREETS_AT_ONCE)
        keys = [Identity.of(self.random).tls for _ in range(IDENTITIES)]
        self.contexts = [*keys, *([NOBODY.tls] * IDENTITIES)]
        self.bursts = [frames.false_signatures(self.random, BURST) for _ in range(VARIETY)]
        # Spread over nine tenths of the time, whatever of it is refused.
        self.seconds_a_burst = options.seconds * 0.9 * BURST / max(1, self.records)
        self.began = time.monotonic()

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    def address(self) -> str:
        return f"127.1.{self.random.randrange(256)}.{self.random.randrange(1, 255)}"

    async def socket(self, *, slow: bool = False) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if slow:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
            made.setblocking(False)
            made.bind((self.address(), 0))
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().sock_connect(made, (self.host, self.port))
        except BaseException:
            made.close()
            raise
        return made

    # --- one attacker each

    async def half_open(self) -> None:
        """Connects and says nothing, or begins a message of TLS that never ends."""
        made = await self.socket()
        self.tally["half_open"] += 1
        try:
            loop = asyncio.get_running_loop()
            if self.random.random() < 0.5:
                await loop.sock_sendall(made, b"\x16\x03\x01\x02\x00\x01\x00")
            async with asyncio.timeout(max(0.01, self.end - time.monotonic())):
                await loop.sock_recv(made, 1)
        finally:
            made.close()

    async def link(
        self,
        behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        *,
        slow: bool = False,
    ) -> None:
        async with self.greeting:
            if self.over:
                return
            made = await self.socket(slow=slow)
            try:
                async with asyncio.timeout(15):
                    reader, writer = await asyncio.open_connection(
                        sock=made,
                        ssl=self.random.choice(self.contexts),
                        server_hostname="mosaic",
                        limit=SLOW_BUFFER,
                    )
            except BaseException:
                made.close()
                raise
        self.tally["links"] += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            writer.write(frames.HELLO)
            await behave(reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()

    async def lie(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends false signatures as its share of all, reads the answers."""

        async def read() -> None:
            while await reader.read(65_536):
                pass

        reading = asyncio.create_task(read())
        try:
            while not self.over and not reading.done():
                due = (time.monotonic() - self.began) / self.seconds_a_burst * BURST
                behind = min(due, self.records) - self.tally["records"]
                if behind > 0:
                    bursts = min(MOST_BURSTS, 1 + int(behind / BURST))
                    self.tally["records"] += BURST * bursts
                    writer.write(b"".join(self.random.choices(self.bursts, k=bursts)))
                    await writer.drain()
                await asyncio.wait({reading}, timeout=0.05 + self.random.random())
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Asks for everything, again and again, and reads it."""
        query_id = 0
        while not self.over:
            for _ in range(8):
                query_id = query_id % 60_000 + 1
                if self.tally["filters"] < self.filters:
                    self.tally["filters"] += 1
                    writer.write(frames.broad_query(query_id))
            await writer.drain()
            pause = time.monotonic() + 0.5
            while (left := pause - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        if not await reader.read(65_536):
                            return

    async def read_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Asks for everything and reads none of it."""
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(1, 9):
            self.tally["unread"] += 1
            writer.write(frames.broad_query(number) + frames.broad_subscription(100 + number))
        while not self.over and not reader.at_eof():
            await asyncio.sleep(1)
            writer.write(frames.broad_query(50))
            await writer.drain()

    # --- all

    async def again(self, attacker: Callable[[], Awaitable[None]]) -> None:
        """Comes back for as long as the attack goes on."""
        while not self.over:
            try:
                async with asyncio.timeout(max(0.01, self.end - time.monotonic())):
                    await attacker()
                self.tally["sent_off"] += 1
            except (OSError, ssl.SSLError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.tally[type(error).__name__] += 1
            await asyncio.sleep(BACK_S * (0.5 + self.random.random()))

    async def run(self, links: int, half_open: int) -> None:
        self.began = time.monotonic()
        tasks = [asyncio.create_task(self.again(self.half_open)) for _ in range(half_open)]
        for number in range(links):
            match number % 10:
                case 0:
                    act = self.link_of(self.ask)
                case 1:
                    act = self.link_of(self.read_nothing, slow=True)
                case _:
                    act = self.link_of(self.lie)
            tasks.append(asyncio.create_task(self.again(act)))
        await asyncio.gather(*tasks, return_exceptions=True)

    def link_of(
        self,
        behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        *,
        slow: bool = False,
    ) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            await self.link(behave, slow=slow)

        return act


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--links", type=int, default=10_000)
    parser.add_argument("--half-open", type=int, default=2_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--filters", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()
    attack = Attack(options)
    print(json.dumps({"ready": True}), flush=True)
    asyncio.run(attack.run(options.links, options.half_open))
    print(json.dumps(dict(attack.tally) | {"most_open": attack.most_open}), flush=True)


if __name__ == "__main__":
    main()
