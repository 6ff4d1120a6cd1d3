"""How the publication of one bootstrap stands, for people to be told.

Source: bootstrap.md (refreshed every hour); this project's own design, docs/architecture.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mosaic.core.keys import PublicKey


class PublicationState(Enum):
    """How it stands."""

    WAITING = "not published yet"
    PUBLISHED = "published"
    REPLACED = "another device has published another one"
    FAILED = "could not be published"


@dataclass(frozen=True, slots=True)
class Publication:
    """How the publication of one bootstrap stands.

    Args:
        key: Whose it is.
        salt: `USER_SALT` or `SERVER_SALT`.
        state: How it stands.
        detail: Plain words: what happened, and what to do if something is to be done.
        seq: The sequence number that stands in the DHT (i64), 0 if none is known.
        published_ns: When it last succeeded, ns; 0 = never in this run.
        next_ns: When it is tried or refreshed again, ns.
    """

    key: PublicKey
    salt: bytes
    state: PublicationState
    detail: str
    seq: int = 0
    published_ns: int = 0
    next_ns: int = 0
