"""The slow and obvious frame cutter: all bytes of a stream in, the list of events out.

Source: edition §1. `[0]` type, `[4:8]` total length with the header, u32 little-endian.
"""

from collections.abc import Sequence

REFUSED_LENGTH = 258
SPOOLED = 260


def cut(
    stream: bytes, limits: Sequence[int], prefixes: Sequence[int], spool_over: int
) -> list[tuple[int, bytes, bytes]]:
    """Everything that a stream holds, as (what, data, body).

    A frame is (type, the frame, nothing); one whose body goes to a file is
    (SPOOLED, its first bytes, the rest); a length that breaks its limit is
    (REFUSED_LENGTH, the header, nothing) and the last. What is left over is
    the beginning of a frame whose rest has not come.
    """
    events = []
    while len(stream) >= 8:
        kind = stream[0]
        total = stream[4] + 256 * stream[5] + 65_536 * stream[6] + 16_777_216 * stream[7]
        if total < 8 or total > limits[kind]:
            events.append((REFUSED_LENGTH, stream[:8], b""))
            break
        if len(stream) < total:
            break
        frame, stream = stream[:total], stream[total:]
        prefix = prefixes[kind]
        if prefix > 0 and total > spool_over:
            events.append((SPOOLED, frame[:prefix], frame[prefix:]))
        else:
            events.append((kind, frame, b""))
    return events
