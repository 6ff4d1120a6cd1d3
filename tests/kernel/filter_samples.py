"""Filters and (unsigned) records from small pools of values, so that they often meet."""

from __future__ import annotations

import random

from tests.kernel import samples

KINDS = tuple(bytes.fromhex(kind) for kind in ("000000010001001c", "000000000002000e", "def0843a0011000d"))
TIMES = tuple((1000 + step).to_bytes(8, "big") for step in range(8))
TAGS = (
    samples.tag(1, b"abcd"),
    samples.tag(1, b"abc"),
    samples.tag(1, b"abcde"),
    samples.tag(2, b"abcd"),
    samples.tag(0x4D00, b""),
    samples.tag(2, bytes(60)),
    samples.tag(0, b"skip"),
)


def key(rng: random.Random) -> bytes:
    return samples.public(rng.randrange(5))


def record(rng: random.Random) -> bytes:
    """A record's bytes as far as matching looks at them; id and signature are random."""
    time = rng.choice(TIMES)
    tags = b"".join(rng.choice(TAGS) for _ in range(rng.choice([0, 1, 1, 2, 3])))
    return b"".join(
        (
            time,
            rng.choice(TIMES) * 3 + bytes(16),
            bytes([0x80]) + bytes(7),
            rng.choice(KINDS),
            key(rng),
            key(rng),
            time,
            bytes(8),
            len(tags).to_bytes(2, "little"),
            bytes([64, 0, 0, 0, 0, 0]),
            tags + bytes(-len(tags) % 8),
            bytes(64),
        )
    )


def element(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body) // 8 + 1]) + bytes(6) + body


def whole(elements: bytes) -> bytes:
    return (len(elements) + 8).to_bytes(2, "little") + bytes(6) + elements


def tags_body(tags: list[bytes]) -> bytes:
    body = b"".join(tags)
    return body + bytes(-len(body) % 8)


def random_element(rng: random.Random, kind: int) -> bytes:
    count = rng.choice([0, 1, 1, 2, 3])
    if kind in {0x01, 0x02}:
        return element(kind, b"".join(key(rng) for _ in range(count)))
    if kind == 0x03:
        return element(kind, b"".join(rng.choice(KINDS) for _ in range(count)))
    if kind == 0x04:
        return element(kind, b"".join(rng.choice(TIMES) for _ in range(count)))
    if kind in {0x05, 0x85}:
        return element(kind, tags_body([rng.choice(TAGS) for _ in range(count)]))
    if kind == 0x84:
        return element(kind, b"".join(record(rng)[:32] for _ in range(count)))
    return element(kind, rng.choice(TIMES))


ELEMENTS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85)


def random_filter(rng: random.Random) -> bytes:
    count = rng.choice([0, 1, 1, 1, 2, 2, 3, 4])
    return whole(b"".join(random_element(rng, rng.choice(ELEMENTS)) for _ in range(count)))


def broken_filter(rng: random.Random) -> bytes:
    """A filter with something changed; some stay valid."""
    data = bytearray(random_filter(rng))
    match rng.randrange(7):
        case 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            del data[rng.randrange(len(data)) :]
        case 2:
            data += bytes(rng.choice([1, 4, 8]))
        case 3:
            data = bytearray(whole(bytes(data[8:]) + element(rng.randrange(256), rng.randbytes(8))))
        case 4:
            odd = rng.choice(samples.small_order_keys() + samples.not_canonical() + samples.off_curve())
            data = bytearray(whole(bytes(data[8:]) + element(rng.choice([0x01, 0x02]), odd)))
        case 5:
            loose = b"".join(rng.choice(TAGS) for _ in range(rng.randrange(3)))
            loose += bytes(rng.randrange(12)) + rng.choice([b"", b"\1", b"\3\0", b"\4\0\1\0"])
            body = loose + bytes(-len(loose) % 8)
            data = bytearray(whole(bytes(data[8:]) + element(rng.choice([0x05, 0x85]), body)))
        case _:
            if len(data) > 9:
                data[rng.choice([8, 9])] = rng.randrange(256)
    return bytes(data)
