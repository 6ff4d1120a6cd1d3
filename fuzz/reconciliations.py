"""First words of a comparison of two stores: ranges, fingerprints and ids that need not mean anything."""

from __future__ import annotations

from random import Random

_VERSION = b"\x61"
_SKIP, _FINGERPRINT, _IDS = 0, 1, 2


def reconciliation(random: Random) -> bytes:
    """A message in the form of Negentropy, from one that anybody could send to one that asks for too much."""
    ranges = (_range(random) for _ in range(random.choice((0, 1, 1, 2, 16, 200))))
    return _VERSION + b"".join(ranges)


def _range(random: Random) -> bytes:
    head = _bound(random)
    mode = random.choice((_SKIP, _FINGERPRINT, _FINGERPRINT, _IDS, _IDS, 3, 127))
    if mode == _FINGERPRINT:
        return head + varint(mode) + random.randbytes(16)
    if mode == _IDS:
        count = random.choice((0, 1, 5, 15))
        said = count if random.random() < 0.8 else random.choice((count + 1, 1 << 20, (1 << 63) - 1))
        return head + varint(mode) + varint(said) + random.randbytes(32 * count)
    return head + varint(mode)


def _bound(random: Random) -> bytes:
    """The end of a range: what its time is more than that of the one before, and the beginning of an id."""
    more = random.choice((0, 1, random.getrandbits(40), random.getrandbits(64)))
    length = random.choice((0, 0, 1, 8, 32, 33))
    return varint(more) + varint(length) + random.randbytes(length)


def varint(number: int) -> bytes:
    """A number in base 128, the highest digit first; all digits but the last have their top bit set."""
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))
