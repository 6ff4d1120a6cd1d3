"""Address nonces: 8 bytes beginning with a 1 bit, made in one of five ways.

Source: record.md (Address: Unique Nonce), edition §3.
"""

from __future__ import annotations

from typing import Final

from mosaic._kernel import _rust as kernel
from mosaic.core.reference import Address
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidReference

NONCE_LENGTH: Final = 8

# What we write for every kind of which an author has one record, such as profile and key schedule.
FIXED: Final = b"\x80\0\0\0\0\0\0\0"


def marked(data: bytes) -> bytes:
    """8 bytes with their first bit set. Raises InvalidReference on another length."""
    if len(data) != NONCE_LENGTH:
        raise InvalidReference(f"a nonce has {NONCE_LENGTH} bytes, not {len(data)}")
    return bytes((data[0] | 0x80,)) + data[1:]


def random(entropy: bytes) -> bytes:
    """A nonce of 8 fresh random bytes (63 bits count). Raises InvalidReference on another length."""
    return marked(entropy)


def from_time(timestamp: int) -> bytes:
    """A nonce by which addresses sort in time order: the timestamp (ns), first bit set.

    Raises:
        InvalidTimestamp: out of range.
    """
    return marked(Timestamp(timestamp).to_bytes())


def from_string(string: bytes) -> bytes:
    """The nonce of a well-known string: the first 8 bytes of its BLAKE3, first bit set."""
    return marked(kernel.blake3(string)[:NONCE_LENGTH])


def copied(address: Address) -> bytes:
    """The nonce of an existing address, to replace, edit or version what stands there."""
    return address.nonce
