"""Which servers a node is kept in step with.

Source: edition §4 (sync).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """One server to be kept in step with; one table [[mirror]] each."""

    url: str = field(metadata={"help": "where it is: mosaic://HOST/, mosaictcp://… or mosaicwss://…"})
    key: str = field(metadata={"help": "the key that it has to prove, mosrv0…"})
    dir: Literal["up", "down", "both"] = field(
        default="both",
        metadata={"help": "down: fetch what it has; up: hand in what is here; or both"},
    )
    person: str = field(default="", metadata={"help": "as which person of this home; as nobody without it"})
    authors: tuple[str, ...] = field(
        default=(), metadata={"help": "only what these people wrote, mopub0…, 63 at most"}
    )
    kinds: tuple[str, ...] = field(
        default=(), metadata={"help": "only these kinds: names such as post, or 16 hexadecimal digits"}
    )
