"""BLAKE3, unkeyed, any output length, as its specification describes it (section 2)."""

from __future__ import annotations

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF


def _mix(state: list[int], a: int, b: int, c: int, d: int, x: int, y: int) -> None:
    va, vb, vc, vd = state[a], state[b], state[c], state[d]
    va = (va + vb + x) & MASK
    vd ^= va
    vd = (vd >> 16 | vd << 16) & MASK
    vc = (vc + vd) & MASK
    vb ^= vc
    vb = (vb >> 12 | vb << 20) & MASK
    va = (va + vb + y) & MASK
    vd ^= va
    vd = (vd >> 8 | vd << 24) & MASK
    vc = (vc + vd) & MASK
    vb ^= vc
    vb = (vb >> 7 | vb << 25) & MASK
    state[a], state[b], state[c], state[d] = va, vb, vc, vd


def compress(chaining: tuple[int, ...], block: bytes, counter: int, flags: int) -> tuple[int, ...]:
    """All 16 words of the compression function's output."""
    padded = block.ljust(64, b"\0")
    words = [int.from_bytes(padded[i : i + 4], "little") for i in range(0, 64, 4)]
    tail = (counter & MASK, counter >> 32, len(block), flags)
    state = [*chaining, *IV[:4], *tail]
    for _ in range(7):
        _mix(state, 0, 4, 8, 12, words[0], words[1])
        _mix(state, 1, 5, 9, 13, words[2], words[3])
        _mix(state, 2, 6, 10, 14, words[4], words[5])
        _mix(state, 3, 7, 11, 15, words[6], words[7])
        _mix(state, 0, 5, 10, 15, words[8], words[9])
        _mix(state, 1, 6, 11, 12, words[10], words[11])
        _mix(state, 2, 7, 8, 13, words[12], words[13])
        _mix(state, 3, 4, 9, 14, words[14], words[15])
        words = [words[i] for i in PERMUTATION]
    low = [state[i] ^ state[i + 8] for i in range(8)]
    high = [state[i + 8] ^ chaining[i] for i in range(8)]
    return (*low, *high)


Node = tuple[tuple[int, ...], bytes, int, int]  # what the last compression of a subtree is given


def _value(node: Node) -> tuple[int, ...]:
    return compress(*node)[:8]


def _chunk(data: bytes, index: int) -> Node:
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    chaining: tuple[int, ...] = IV
    for number, block in enumerate(blocks):
        flags = CHUNK_START if number == 0 else 0
        if number == len(blocks) - 1:
            return chaining, block, index, flags | CHUNK_END
        chaining = compress(chaining, block, index, flags)[:8]
    raise AssertionError("there is a last block")


def _tree(data: bytes, index: int) -> Node:
    if len(data) <= 1024:
        return _chunk(data, index)
    chunks = -(-len(data) // 1024)
    left = 1 << (chunks - 1).bit_length() - 1
    halves = _tree(data[: left * 1024], index), _tree(data[left * 1024 :], index + left)
    words = (*_value(halves[0]), *_value(halves[1]))
    return IV, b"".join(word.to_bytes(4, "little") for word in words), 0, PARENT


def blake3(data: bytes, length: int = 32) -> bytes:
    """The hash, extended to `length` bytes."""
    chaining, block, _, flags = _tree(data, 0)
    out = b""
    counter = 0
    while len(out) < length:
        words = compress(chaining, block, counter, flags | ROOT)
        out += b"".join(word.to_bytes(4, "little") for word in words)
        counter += 1
    return out[:length]
