"""Whom a server serves: everybody, or the keys of a list.

The answer is asked for with every record, so it takes the same time however
long the list is.

Source: network.md (the people that a server serves).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Served(Protocol):
    """Whether a master key (32 bytes) is that of somebody whom the server serves."""

    def __call__(self, key: bytes, /) -> bool:
        """Whether it is."""


def everyone() -> Served:
    """Serves whoever comes."""

    def served(key: bytes) -> bool:
        return len(key) == 32

    return served


def listed(keys: Callable[[], frozenset[bytes]]) -> Served:
    """Serves the keys (32 bytes each) of a list.

    Args:
        keys: The list as it is now.
    """

    def served(key: bytes) -> bool:
        return key in keys()

    return served
