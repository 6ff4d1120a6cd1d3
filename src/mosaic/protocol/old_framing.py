"""Recognises peers that speak the framing of the published 0.8.0 text, to tell them and the log why it fails.

Its HELLO, HELLO ACK and most other messages have their length in [1:4]; its
CLOSING is type, result and six zeros. A HELLO of it, read in our framing,
announces a length under 8 and is refused from its header.

Source: messages.md "Hello", "Closing"; edition §1.
"""

from __future__ import annotations

from typing import Final

from mosaic.wire.header import HEADER_LENGTH, MessageType
from mosaic.wire.result_code import ResultCode

OLD_CLOSING_INVALID: Final = bytes([MessageType.CLOSING, ResultCode.INVALID]) + bytes(6)
"""How that text says CLOSING INVALID."""


def is_old_hello(head: bytes) -> bool:
    """Whether 8 header bytes (or more) begin a HELLO of that text.

    [0] 0x10; [1:4] total length, 8 and a multiple of 4 more; [4:6] zero; [6:8] version
    """
    length = int.from_bytes(head[1:4], "little")
    return (
        len(head) >= HEADER_LENGTH
        and head[0] == MessageType.HELLO
        and length >= HEADER_LENGTH
        and length % 4 == 0
        and head[4:6] == b"\0\0"
    )


def is_old_closing(head: bytes) -> bool:
    """Whether 8 header bytes are a CLOSING of that text, whatever its result."""
    return len(head) >= HEADER_LENGTH and head[0] == MessageType.CLOSING and not any(head[2:HEADER_LENGTH])
