"""How often one key may be asked about: at once, then after growing pauses.

Somebody whose server has moved is found again within seconds of its
republish; somebody who stays away costs ever fewer look-ups.

Source: bootstrap.md (look-ups should not be too frequent).
"""

from __future__ import annotations

from typing import Final

SECOND: Final = 1_000_000_000
FIRST_PAUSES_S: Final = (1, 2, 4)
PAUSES_S: Final = ((5 * 60, 5), (60 * 60, 30))
"""(how long a row of look-ups lasts already, the pause then), in seconds."""
LAST_PAUSE_S: Final = 5 * 60
LONGEST_WAIT_S: Final = 5
"""Who asks too early waits for so long at most."""
FORGOTTEN_S: Final = 15 * 60
"""Nobody asked for so long: the next look-up begins a new row."""


class Pace:
    """The look-ups of one key and salt, one after another."""

    __slots__ = ("_begun_ns", "_count", "_last_ns")

    def __init__(self) -> None:
        self._begun_ns = 0
        self._last_ns = 0
        self._count = 0

    def next_ns(self) -> int:
        """From when on the next look-up may begin, ns."""
        return self._last_ns + self._pause_s() * SECOND if self._count else 0

    def _pause_s(self) -> int:
        if self._count <= len(FIRST_PAUSES_S):
            return FIRST_PAUSES_S[self._count - 1]
        lasted_s = (self._last_ns - self._begun_ns) // SECOND
        return next((pause for until, pause in PAUSES_S if lasted_s < until), LAST_PAUSE_S)

    def note(self, now_ns: int) -> None:
        """A look-up begins now."""
        if now_ns - self._last_ns > FORGOTTEN_S * SECOND:
            self.start_over()
        if not self._count:
            self._begun_ns = now_ns
        self._count += 1
        self._last_ns = now_ns

    def start_over(self) -> None:
        """Something new was found: the next look-ups come in quick succession again."""
        self._count = 0
