"""Deletions: an author takes back records of his own, and the recipient of a private message his copy.

Target tags name ids or addresses. An id is refused for good wherever the
Deletion counts; an address covers what has a timestamp up to the Deletion's,
so that what is written there later lives. Some kinds no Deletion touches: those
of the core application, Deletions, and the acts of a server's log, which a
moderator could silence otherwise.

Source: edition §4 (Deletion, kinds 1 and 23); Server Acts: this project's own design, docs/architecture.md
"Operations".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mosaic.core import builder, community_tags
from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION, SERVER_ACT
from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import APPLICATION_CORE
from mosaic.core.record import Record
from mosaic.errors import UsageError

KINDS: Final = frozenset({DELETION.bytes, PRIVATE_DELETION.bytes})
MOST_TARGETS: Final = 1_023
"""So many Target tags (64 bytes each) fit in a record."""
_LASTING: Final = KINDS | {SERVER_ACT.bytes}


def can_be_deleted(kind: Kind) -> bool:
    """Whether a Deletion by their author removes records of a kind."""
    return kind.application != APPLICATION_CORE and kind.bytes not in _LASTING


def build(
    secret: SecretKey,
    targets: Iterable[Target],
    timestamp: int,
    *,
    nonce: bytes,
    author: PublicKey | None = None,
    private: bool = False,
) -> Record:
    """A Deletion of some records.

    Args:
        secret: The signing key: the author's master key or an active subkey.
        targets: Kind and reference of each.
        timestamp: When it is made, ns; of an address it covers what is not later.
        nonce: 8 bytes that begin with a 1 bit.
        author: The author's master key; that of `secret` if not given.
        private: Only the author reads it: for private messages to him.

    Raises:
        UsageError: no target, more than fit in one record, or one of a kind that no Deletion touches.
    """
    targets = tuple(targets)
    for target in targets:
        if not can_be_deleted(target.kind):
            raise UsageError(
                f"records of the kind {target.kind.bytes.hex()} can't be deleted",
                hint="Key schedules, profiles, Deletions and acts of a server's log stay.",
            )
    tags = [community_tags.target(kind, reference) for kind, reference in dict.fromkeys(targets)]
    if not 1 <= len(tags) <= MOST_TARGETS:
        raise UsageError(
            f"a Deletion names 1 to {MOST_TARGETS} records, not {len(tags)}",
            hint="Make several Deletions.",
        )
    kind = PRIVATE_DELETION if private else DELETION
    return builder.build(secret, author=author, kind=kind, nonce=nonce, timestamp=timestamp, tags=tags)
