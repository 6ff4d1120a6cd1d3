"""How much room what others wrote may take.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What may be read again from others' servers, and goes first when room is short."""

    keep_bytes: int = field(
        default=20_000_000_000,
        metadata={
            "help": "what others wrote may take so much, then the oldest goes, first of people whom nobody"
            " here follows; never what is mine, kept or written to me; 0: no bound"
        },
    )
    disk_free_bytes: int = field(
        default=1_000_000_000,
        metadata={"help": "less is free on the disk: what others wrote gives way; 0: never for that"},
    )
