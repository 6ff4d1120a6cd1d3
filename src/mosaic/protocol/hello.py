"""HELLO and HELLO ACK: what both sides agree on, and what either may not say first.

Agreed are the lower of both major versions and the applications that both
support, in the client's order.

Source: messages.md "Hello", "Hello Ack"; edition §1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosaic.protocol.events import Finished
from mosaic.protocol.old_framing import OLD_CLOSING_INVALID, is_old_hello
from mosaic.protocol.settings import MAJOR_VERSION
from mosaic.wire.client_messages import Hello
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck

_ACKNOWLEDGED: Final = (ResultCode.SUCCESS, ResultCode.DUPLICATE)


# --- the server's side


def agreement(hello: Hello, supported: Sequence[int]) -> HelloAck:
    """What a server answers to the first HELLO.

    Args:
        hello: The client's.
        supported: The ids of the applications that the server supports.
    """
    wanted = dict.fromkeys(hello.applications)  # each once, in the client's order
    agreed = tuple(number for number in wanted if number in supported)
    return HelloAck(ResultCode.SUCCESS, min(hello.version, MAJOR_VERSION), agreed)


def refusal_of_first(head: bytes, what: str) -> tuple[bytes, Finished]:
    """How a session ends whose first message is not a HELLO of ours: the last frame, and the event.

    Args:
        head: The first 8 bytes of the message, or more.
        what: What it is instead, for the log.
    """
    if is_old_hello(head):
        return OLD_CLOSING_INVALID, Finished(
            ResultCode.INVALID,
            "the client says HELLO in the framing of the 0.8.0 text, which has the length at [1:4]; "
            "it needs newer software",
        )
    return Closing(ResultCode.INVALID).encode(), Finished(
        ResultCode.INVALID, f"the first message is not HELLO, but {what}"
    )


# --- the client's side


def refusal_in(ack: HelloAck) -> str | None:
    """What is wrong with the result of a HELLO ACK at any time, or None."""
    return None if ack.result in _ACKNOWLEDGED else f"HELLO ACK says {ack.result.name}"


def fault_in(ack: HelloAck, asked: Sequence[int]) -> str | None:
    """What is wrong with the first HELLO ACK, or None.

    Args:
        ack: The server's.
        asked: The ids of the applications that the client's HELLO asked for.
    """
    refusal = refusal_in(ack)
    if refusal is not None:
        return refusal
    if ack.version > MAJOR_VERSION:
        return f"HELLO ACK agrees to version {ack.version}, which was not offered"
    if not set(ack.applications) <= set(asked):
        return "HELLO ACK names applications that were not asked for"
    return None
