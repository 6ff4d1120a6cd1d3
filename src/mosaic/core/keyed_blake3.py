"""Keyed BLAKE3 of at most one block: what makes the addresses of encrypted lists.

The kernel hashes without a key; this is the rest that is needed, one
compression of 64 bytes.

Source: BLAKE3 specification, section 2 (keyed_hash); edition §4 (lists).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from mosaic.errors import UsageError

KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 64

_WORD: Final = 0xFFFFFFFF
_IV: Final = (
    0x6A09E667,
    0xBB67AE85,
    0x3C6EF372,
    0xA54FF53A,
    0x510E527F,
    0x9B05688C,
    0x1F83D9AB,
    0x5BE0CD19,
)
_NEXT: Final = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
"""Which word of a round's message comes at each place in the next round."""
_COLUMNS_AND_DIAGONALS: Final = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
_ROUNDS: Final = 7
_WHOLE: Final = 1 | 2 | 8
"""Flags of a block that begins and ends a chunk and is the root."""
_KEYED: Final = 16


def keyed_hash(key: bytes, data: bytes) -> bytes:
    """The keyed BLAKE3 of `data`, 32 bytes.

    Args:
        key: 32 bytes.
        data: At most 64 bytes.

    Raises:
        UsageError: the key has another length, or the data are longer.
    """
    if len(key) != KEY_BYTES or len(data) > BLOCK_BYTES:
        raise UsageError(f"this hash takes a key of {KEY_BYTES} bytes and at most {BLOCK_BYTES} bytes")
    return compressed(struct.unpack("<8I", key), data, _KEYED)


def compressed(begin: Sequence[int], data: bytes, flags: int = 0) -> bytes:
    """One block that is all there is, 32 bytes of output.

    Args:
        begin: 8 words of 32 bits with which it begins.
        data: At most 64 bytes.
        flags: Beside those of a single block.
    """
    state = [*begin, *_IV[:4], 0, 0, len(data), _WHOLE | flags]
    message: Sequence[int] = struct.unpack("<16I", data.ljust(BLOCK_BYTES, b"\0"))
    for _ in range(_ROUNDS):
        for place, (a, b, c, d) in enumerate(_COLUMNS_AND_DIAGONALS):
            _mix(state, a, b, c, d, message[2 * place], message[2 * place + 1])
        message = [message[each] for each in _NEXT]
    return struct.pack("<8I", *(state[each] ^ state[each + 8] for each in range(8)))


def _mix(state: list[int], a: int, b: int, c: int, d: int, first: int, second: int) -> None:
    for word, by_d, by_b in ((first, 16, 12), (second, 8, 7)):
        state[a] = (state[a] + state[b] + word) & _WORD
        state[d] = _turned(state[d] ^ state[a], by_d)
        state[c] = (state[c] + state[d]) & _WORD
        state[b] = _turned(state[b] ^ state[c], by_b)


def _turned(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & _WORD
