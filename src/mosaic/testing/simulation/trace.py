"""What happened in a simulated network, in its order: one number for all of it, and lines to compare.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import hashlib
from typing import IO


class Trace:
    """Takes all that passes the links, to the byte and the nanosecond.

    Args:
        lines: Where a line for each event goes as well, to find out where two runs part.
    """

    def __init__(self, lines: IO[str] | None = None) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines = lines
        self.events = 0

    def note(self, now_ns: int, where: str, what: str, data: bytes = b"") -> None:
        """Takes an event.

        Args:
            now_ns: When, ns.
            where: Between whom, or at whom.
            what: What happened, a word.
            data: The bytes that passed.
        """
        self.events += 1
        head = f"{now_ns} {where} {what} {len(data)} "
        self._hash.update(head.encode())
        self._hash.update(data)
        if self._lines is not None:
            digest = hashlib.blake2b(data, digest_size=6).hexdigest()
            self._lines.write(f"{head}{data[:1].hex()} {digest}\n")

    @property
    def digest(self) -> str:
        """32 hex digits that stand for all events so far."""
        return self._hash.hexdigest()
