"""The curve of Ed25519 with Python's integers: RFC 8032, section 5.1."""

from __future__ import annotations

from functools import lru_cache

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, x·y = T/Z

IDENTITY: Point = (0, 1, 1, 0)


def add(one: Point, two: Point) -> Point:
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = two
    a = (y1 - x1) * (y2 - x2) % P
    b = (y1 + x1) * (y2 + x2) % P
    c = 2 * t1 * t2 * D % P
    d = 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def negate(point: Point) -> Point:
    x, y, z, t = point
    return P - x, y, z, P - t


def equal(one: Point, two: Point) -> bool:
    x1, y1, z1, _ = one
    x2, y2, z2, _ = two
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0


@lru_cache(maxsize=256)
def _powers(point: Point) -> list[list[Point]]:
    """For each of 64 hexadecimal digits, the 16 multiples that it may stand for."""
    rows = []
    step = point
    for _ in range(64):
        row = [IDENTITY]
        for _ in range(16):
            row.append(add(row[-1], step))
        step = row.pop()
        rows.append(row)
    return rows


def multiply(number: int, point: Point) -> Point:
    """number · point, for 0 <= number < 2^256; quick for points that come again and again."""
    total = IDENTITY
    for row in _powers(point):
        if number & 15:
            total = add(total, row[number & 15])
        number >>= 4
    return total


def times_eight(point: Point) -> Point:
    for _ in range(3):
        point = add(point, point)
    return point


def compress(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(data: bytes) -> Point | None:
    """The point, or None if the bytes are not the canonical encoding of one."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P != 0:
        x = x * ROOT_OF_MINUS_ONE % P
    if (v * x * x - u) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _base() -> Point:
    point = decompress((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    assert point is not None
    return point


BASE = _base()


def _of_order_eight() -> Point:
    for y in range(2, 100):
        point = decompress(y.to_bytes(32, "little"))
        if point is not None:
            small = multiply(ORDER, point)
            double = add(small, small)
            if not equal(add(double, double), IDENTITY):
                return small
    raise AssertionError("every second point has such a part")


def _torsion() -> tuple[Point, ...]:
    """The 8 points of small order, multiples of one of order 8."""
    points = [IDENTITY]
    while len(points) < 8:
        points.append(add(points[-1], _of_order_eight()))
    return tuple(points)


TORSION = _torsion()


@lru_cache(maxsize=65536)
def key_point(data: bytes) -> Point | None:
    """The point of an acceptable public key, else None."""
    point = decompress(data) if len(data) == 32 else None
    if point is None or equal(times_eight(point), IDENTITY):
        return None
    return point
