"""Proof of work: a record is made again with a Work tag that gives its id zero bits.

    [4:12] free bytes, varied    [12] the bits claimed    [13:16] zero

The tag stands before all others, where varying it costs least; a former one is
left out. What is varied is signed, so the search comes before the signature,
and whoever has no key of the record can do no work for it.

Source: edition §4 (proof of work).
"""

from __future__ import annotations

from typing import Final

from mosaic._kernel import _rust
from mosaic.core import builder
from mosaic.core import tag as tags
from mosaic.core.community_tags import CommunityTag
from mosaic.core.keys import SecretKey
from mosaic.core.record import HEADER_BYTES, Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidSecretKey, UsageError

MOST_BITS: Final = 64
"""More zero bits than anybody will ever find."""
_FREE: Final = 8
_UNSIGNED: Final = 48
_TAG_HEAD: Final = 4
_AT: Final = HEADER_BYTES - _UNSIGNED + _TAG_HEAD
"""Where the free bytes stand in what is signed."""


def work_tag(free: bytes, bits: int) -> Tag:
    """A Work tag: 8 free bytes, and how many zero bits (0 to 255) it claims."""
    return Tag(CommunityTag.WORK, free + bytes((bits, 0, 0, 0)))


class Search:
    """A search for the Work tag of a record; the same search always finds the same.

    Args:
        record: What is to be made again; it stays as it is.
        bits: How many zero bits its id is to have, 1 to 64.
        timestamp: The time of the new record, ns; work counts for 72 hours around it.

    Raises:
        UsageError: the bits are none that can be searched for.
        RecordTooLong: with the tag it would be too long.
    """

    def __init__(self, record: Record, bits: int, timestamp: Timestamp) -> None:
        if not 1 <= bits <= MOST_BITS:
            raise UsageError(f"proof of work is of 1 to {MOST_BITS} bits, not {bits}")
        self._record = record
        self._bits = bits
        self._timestamp = timestamp
        self._others = [each for each in record.tags if each.type != CommunityTag.WORK]
        self._data = builder.signed_data(
            record.author,
            record.signer,
            record.kind,
            record.nonce,
            timestamp,
            record.flags,
            self._section(bytes(_FREE)),
            record.payload,
        )
        self._next = 0
        self._found: bytes | None = None

    def look(self, tries: int) -> bool:
        """Tries so many more; whether it is found. Another thread may run meanwhile."""
        if self._found is None:
            self._found = _rust.search_work(self._data, _AT, self._bits, self._next, tries)
            self._next += tries
        return self._found is not None

    def sealed(self, secret: SecretKey) -> Record:
        """The record with what was found, signed.

        Args:
            secret: The key that signed the record.

        Raises:
            UsageError: nothing was found yet.
            InvalidSecretKey: it is another key.
        """
        if self._found is None:
            raise UsageError("the work is not done yet", hint="Call `look` until it says that it is.")
        record = self._record
        if secret.public != record.signer:
            raise InvalidSecretKey("the secret key is not that of the key that signed the record")
        return builder.seal(
            secret,
            author=record.author,
            kind=record.kind,
            nonce=record.nonce,
            timestamp=self._timestamp,
            flags=record.flags,
            section=self._section(self._found),
            payload=record.payload,
        )

    def _section(self, free: bytes) -> bytes:
        return tags.section((work_tag(free, self._bits), *self._others))
