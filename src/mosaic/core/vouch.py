"""Vouch: the master key says which records of keys that were since revoked stay valid.

The payload is the 48-byte ids of records of the author's own. Who receives one
of them later takes it as received before the revocation.

Source: edition §4 (Vouch), §3 (Revocation).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mosaic.core import builder
from mosaic.core.community_kinds import VOUCH
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.errors import InvalidContent

ID_LENGTH: Final = 48


def build(master: SecretKey, ids: Iterable[Id], timestamp: int, *, nonce: bytes) -> Record:
    """A Vouch for some of the master's own records.

    Args:
        master: The author's master key.
        ids: The records.
        timestamp: When it is made, ns; readers look at the author's newest ones.
        nonce: 8 bytes that begin with a 1 bit.

    Raises:
        RecordTooLong: more ids than a record holds (21,840).
    """
    payload = b"".join(each.bytes for each in dict.fromkeys(ids))
    return builder.build(master, kind=VOUCH, nonce=nonce, timestamp=timestamp, payload=payload)


def parse(record: Record) -> frozenset[bytes]:
    """The ids (48 bytes each) that a valid Vouch names.

    Raises:
        InvalidContent: another kind, not signed by the master, or the payload is no row of ids.
    """
    if record.kind != VOUCH or record.signer_bytes != record.author_bytes:
        raise InvalidContent("the record is no Vouch of its author's master key")
    payload = record.content()
    if len(payload) % ID_LENGTH:
        raise InvalidContent("the payload of a Vouch is not a row of 48-byte ids")
    return frozenset(payload[at : at + ID_LENGTH] for at in range(0, len(payload), ID_LENGTH))
