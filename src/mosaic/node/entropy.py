"""The one source of randomness: the operating system's.

Everything that needs random bytes takes them as an argument; this is where
those arguments come from.

Source: this project's own design, docs/architecture.md "Layers".
"""

from __future__ import annotations

import secrets


def entropy(length: int) -> bytes:
    """`length` random bytes that nobody can predict, from the operating system."""
    return secrets.token_bytes(length)
