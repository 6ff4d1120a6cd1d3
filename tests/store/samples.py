"""Records and filters for store tests. The store does not check records, so signatures are zeros."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence

from mosaic._kernel import _rust

UNIQUE = bytes.fromhex("000000000003000c")
REPLACEABLE = bytes.fromhex("000000000001000e")
VERSIONED = bytes.fromhex("000000000005000f")
AUTHOR_ONLY = bytes.fromhex("0000000000090000")
TAGGED_ONLY = bytes.fromhex("00000000000a0004")

BOOT = b"a boot of the machine"


def key(number: int) -> bytes:
    """An acceptable public key, always the same for a number."""
    return _rust.public_key(number.to_bytes(32, "big"))


def tag(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", 4 + len(value), kind) + value


def notify(who: bytes) -> bytes:
    return tag(1, bytes(4) + who)


def record(
    *,
    author: bytes,
    timestamp: int,
    kind: bytes = UNIQUE,
    nonce: bytes = b"\x80" + bytes(7),
    signer: bytes | None = None,
    tags: Sequence[bytes] = (),
    payload: bytes = b"",
) -> bytes:
    """A record with a hash of its own making and no signature."""
    section = b"".join(tags)
    body = (
        nonce
        + kind
        + author
        + (signer or author)
        + struct.pack(">Q", timestamp)
        + bytes(8)
        + struct.pack("<HHI", len(section), 64, len(payload))
        + section
        + bytes(-len(section) % 8)
        + payload
        + bytes(-len(payload) % 8)
    )
    digest = hashlib.blake2b(body, digest_size=40).digest()
    return struct.pack(">Q", timestamp) + digest + body + bytes(64)


def _element(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 8)
    return bytes([kind, 1 + len(body) // 8]) + bytes(6) + body


def filter_bytes(
    *,
    authors: Iterable[bytes] | None = None,
    signers: Iterable[bytes] | None = None,
    kinds: Iterable[bytes] | None = None,
    timestamps: Iterable[int] | None = None,
    tags: Sequence[Iterable[bytes]] = (),
    since: int | None = None,
    until: int | None = None,
    received_since: int | None = None,
    received_until: int | None = None,
    exclude: Iterable[bytes] | None = None,
    excluded_tags: Iterable[bytes] | None = None,
) -> bytes:
    parts: list[bytes] = []
    for number, listed in ((1, authors), (2, signers), (3, kinds)):
        if listed is not None:
            parts.append(_element(number, b"".join(listed)))
    if timestamps is not None:
        parts.append(_element(4, b"".join(struct.pack(">Q", t) for t in timestamps)))
    parts.extend(_element(5, b"".join(group)) for group in tags)
    for number, time in ((0x80, since), (0x81, until), (0x82, received_since), (0x83, received_until)):
        if time is not None:
            parts.append(_element(number, struct.pack(">Q", time)))
    if exclude is not None:
        parts.append(_element(0x84, b"".join(one[:32] for one in exclude)))
    if excluded_tags is not None:
        parts.append(_element(0x85, b"".join(excluded_tags)))
    body = b"".join(parts)
    return struct.pack("<H", 8 + len(body)) + bytes(6) + body


def query(**elements: object) -> _rust.Filter:
    return _rust.Filter(filter_bytes(**elements))  # type: ignore[arg-type]


def everything() -> _rust.Filter:
    return query()


def found(scan: _rust.Scan) -> list[bytes]:
    """All records of a scan."""
    out: list[bytes] = []
    finished = False
    while not finished:
        some, finished = scan.records(7, 1_000_000)
        out.extend(data for _, _, data in some)
    return out


def put(store: _rust.Store, *records: bytes, mode: int = _rust.KEEP_ALL) -> tuple[bytes, list[int]]:
    """Appends records, each received later than all before."""
    start = store.last_received_ns + 1
    return store.append(records, range(start, start + len(records)), bytes([mode] * len(records)))
