"""What a server's refusal means for the person who asked, and what to do about it.

Source: messages.md "Result Codes".
"""

from __future__ import annotations

from mosaic.errors import Refused
from mosaic.wire.result_code import ResultCode

_MEANINGS: dict[ResultCode, tuple[str, str]] = {
    ResultCode.NOT_FOUND: ("it does not have this", "Ask another server of the same person."),
    ResultCode.REQUIRES_AUTHENTICATION: (
        "it wants to know who asks",
        "Name the person who asks with --as NAME, so that your key is proven.",
    ),
    ResultCode.UNAUTHORIZED: (
        "you or the record's signer have no right to this there",
        "Servers take what their own people write and what notifies one of them.",
    ),
    ResultCode.INVALID: (
        "it finds the request or the record not valid",
        "Check this machine's clock: records from the future are not valid. `mosaic verify` checks a record.",
    ),
    ResultCode.TOO_OPEN: (
        "the filter could match too much",
        "Name an author, a kind, a signer or a tag, or ask for at most 500 with --limit.",
    ),
    ResultCode.TOO_LARGE: ("this is larger than it takes", "Shorten it, or ask for less at once."),
    ResultCode.TOO_FAST: ("too much came at once", "Wait a little and try again."),
    ResultCode.IP_TEMP_BANNED: ("this network address is banned for a while", "Try again later."),
    ResultCode.IP_PERM_BANNED: (
        "this network address is banned",
        "Ask the server's operator, or use another.",
    ),
    ResultCode.PUBKEY_TEMP_BANNED: ("this key is banned for a while", "Try again later."),
    ResultCode.PUBKEY_PERM_BANNED: (
        "this key is banned",
        "Ask the server's operator, or use another server.",
    ),
    ResultCode.SHUTTING_DOWN: ("it is shutting down", "Try again in a while."),
    ResultCode.TEMPORARY_ERROR: ("it can't just now", "Try again in a while."),
    ResultCode.PERSISTENT_ERROR: ("it is broken", "Tell the server's operator."),
    ResultCode.GENERAL_ERROR: (
        "something went wrong there",
        "Try again later, or tell the server's operator.",
    ),
}


def refused(result: ResultCode, what: str = "the server refused") -> Refused:
    """The error for a refusal, in words; its code stands in the message, too."""
    meaning, hint = _MEANINGS.get(result, ("it does not say why", "Try again later."))
    return Refused(f"{what}: {meaning} ({result.name})", result=result, hint=hint)
