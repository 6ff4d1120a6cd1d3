"""Records that the server must take, and ones to be spoiled."""

from __future__ import annotations

import time
from random import Random

from mosaic.core import builder, core_tags, nonce
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.kinds import APPLICATION_EXAMPLES, EXAMPLE, MICROBLOG
from mosaic.core.timestamp import Timestamp


def _kind(number: int, duplicates: Duplicates, readers: Readers) -> Kind:
    return Kind.from_parts(
        APPLICATION_EXAMPLES, number, duplicates=duplicates, readers=readers, printable=False
    )


EPHEMERAL = _kind(7, Duplicates.EPHEMERAL, Readers.EVERYBODY)
REPLACEABLE = _kind(8, Duplicates.REPLACEABLE, Readers.EVERYBODY)
PRIVATE = _kind(9, Duplicates.VERSIONED, Readers.AUTHOR_AND_TAGGED)


class Author:
    """A stranger to the server, with a key of its own.

    Args:
        random: Where its key and nonces come from.
        person: Whom its records notify, so that the server takes them.
    """

    def __init__(self, random: Random, person: PublicKey) -> None:
        self._random = random
        self._person = person
        self._secret = SecretKey.generate(random.randbytes(32))

    @property
    def key(self) -> PublicKey:
        """The author's key."""
        return self._secret.public

    def record(
        self, kind: Kind = MICROBLOG, *, notify: bool = True, length: int = 60, age_s: int = 1
    ) -> bytes:
        """A valid record, different from all others.

        Args:
            kind: Its kind.
            notify: Whether it notifies the person of this server.
            length: Of its text, in bytes.
            age_s: How long ago it was made.
        """
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        content = self._random.randbytes((length + 1) // 2).hex()[:length]
        return builder.build(
            self._secret,
            kind=kind,
            nonce=nonce.random(self._random.randbytes(8)),
            timestamp=Timestamp.from_unix(seconds - age_s, rest),
            tags=[core_tags.notify(self._person)] if notify else [],
            payload=content.encode(),
        ).data

    def samples(self) -> list[bytes]:
        """Valid records of many shapes that this server does not take, or does not keep."""
        shapes = [
            (kind, length) for kind in (MICROBLOG, EXAMPLE, REPLACEABLE, PRIVATE) for length in (0, 60, 3000)
        ]
        refused = [self.record(kind, notify=False, length=length) for kind, length in shapes]
        future = [self.record(age_s=-3600), self.record(EPHEMERAL, age_s=-600)]
        return [*refused, *future, self.record(EPHEMERAL, age_s=3600)]
