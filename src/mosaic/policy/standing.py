"""How a server stands to somebody, which decides his limits.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

from enum import IntEnum


class Standing(IntEnum):
    """From the narrowest limits to the widest; whoever counts as several keys has the greatest of theirs."""

    ANONYMOUS = 0
    """Has proven no key."""
    STRANGER = 1
    """Has proven a key that nobody here knows."""
    CONTACT = 2
    """Somebody whom this server serves follows this person, or has this person among the contacts."""
    SERVED = 3
    """One of the people whom this server serves."""
