"""The few messages that attackers and honest people need, made once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

from fuzz.identity import Identity

from mosaic.core import builder, core_tags, nonce
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.timestamp import Timestamp
from mosaic.wire.client_messages import Hello, Query, Submission, Subscribe
from mosaic.wire.header import MessageType

HELLO = Hello(0, (0, 1)).encode()
ANSWERED = int(MessageType.SUBMISSION_RESULT)
"""The type of what answers a record."""
GREETED = int(MessageType.HELLO_ACK)
"""The type of what answers HELLO."""


def person(name: str) -> tuple[SecretKey, Identity]:
    """The key of somebody in a flood, and what he shows of it; the same for the same name."""
    # The first draw of a seed is its identity's key.
    return SecretKey.from_seed(Random(name).randbytes(32)), Identity.of(Random(name))


def post(author: SecretKey, random: Random, notify: Sequence[PublicKey] = ()) -> bytes:
    """A new record of somebody's, made a second ago."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return builder.build(
        author,
        kind=MICROBLOG,
        nonce=nonce.random(random.randbytes(8)),
        timestamp=Timestamp.from_unix(seconds - 1, rest),
        tags=[core_tags.notify(key) for key in notify],
        payload=random.randbytes(100).hex().encode(),
    ).data


def false_signatures(random: Random, count: int) -> bytes:
    """Submissions, joined, whose layout and hash are right and whose signatures are not."""
    author = SecretKey.from_seed(random.randbytes(32))
    frames = bytearray()
    for _ in range(count):
        record = bytearray(post(author, random))
        record[-40] ^= 1 + random.randrange(255)
        frames += Submission(bytes(record)).encode()
    return bytes(frames)


def broad_query(query_id: int) -> bytes:
    """A question that all records match, with the largest limit that is not refused outright."""
    return Query(query_id, 500, Filter.of().encode()).encode()


def broad_subscription(query_id: int) -> bytes:
    """A subscription of the same."""
    return Subscribe(query_id, 500, Filter.of().encode()).encode()
