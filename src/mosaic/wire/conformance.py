"""The operations of messages.json, for the judge in `mosaic.core.conformance`.

Each makes our values from a case, under the vector file's own field names, or
raises the error with which we refuse it.

Source: messages.md; edition §1, §5 (M1 to M8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import unpack
from types import MappingProxyType
from typing import Any

from mosaic.core.conformance import Case, Operation, Operations, Values
from mosaic.errors import InvalidMessage
from mosaic.wire import contents
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import Message, decode
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode, defined
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    Closing,
    DhtResponse,
    HelloAck,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.unrecognized import Unrecognized


def _constant(name: str) -> str:
    """`BlobSubmissionResult` as `BLOB_SUBMISSION_RESULT`."""
    return "".join(f"_{c}" if c.isupper() else c.upper() for c in name).removeprefix("_")


def op_type(case: Case) -> Values:
    """The number of a type, who sends it and whether it has a result code."""
    kind = MessageType[_constant(case["type"])]
    return {"code": int(kind), "initiator": kind.initiator, "has_result_code": kind.has_result_code}


def op_result_code(case: Case) -> Values:
    """The number of a result code and the class it belongs to."""
    code = ResultCode[case["constant"]]
    return {
        "code": int(code),
        "is_a_success": code.is_success,
        "is_a_user_error": code.is_user_error,
        "is_a_user_rejection": code.is_user_rejection,
        "is_a_server_error": code.is_server_error,
    }


def op_result_code_undefined(case: Case) -> Values:
    """Whether a number is no result code."""
    try:
        defined(case["code"])
    except InvalidMessage:
        return {"undefined": True}
    return {"undefined": False}


def op_parse(case: Case) -> Values:
    """The verdict on a frame: its layout and what it carries."""
    contents.check(decode(bytes.fromhex(case["bytes"])))
    return {"valid": True}


def op_message(case: Case) -> Values:
    """Fields to a frame, and every field read back from that frame."""
    written = _WRITERS[case["type"]](case).encode()
    message = decode(written)
    contents.check(message)
    return {"bytes": written.hex(), **_fields(message)}


def _id(case: Case) -> int:
    return int(unpack("<H", bytes.fromhex(case["query_id"]))[0])


def _bytes(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


_WRITERS: Mapping[str, Callable[[Case], Message]] = {
    "Hello": lambda c: Hello(c["mosaic_major_version"], tuple(c["application_ids"])),
    "HelloAck": lambda c: HelloAck(
        ResultCode(c["result"]), c["mosaic_major_version"], tuple(c["application_ids"])
    ),
    "Get": lambda c: Get(_id(c), tuple(bytes.fromhex(data) for data in c["references"])),
    "Query": lambda c: Query(_id(c), c["limit"], _bytes(c, "filter")),
    "Subscribe": lambda c: Subscribe(_id(c), c["limit"], _bytes(c, "filter")),
    "Unsubscribe": lambda c: Unsubscribe(_id(c)),
    "Submission": lambda c: Submission(_bytes(c, "record")),
    "Record": lambda c: Record(_id(c), _bytes(c, "record")),
    "LocallyComplete": lambda c: LocallyComplete(_id(c)),
    "QueryClosed": lambda c: QueryClosed(_id(c), ResultCode(c["result"])),
    # The file names the whole id, the message has room for its first 32 bytes.
    "SubmissionResult": lambda c: SubmissionResult(_bytes(c, "id")[:32], ResultCode(c["result"])),
    "BlobGet": lambda c: BlobGet(_bytes(c, "hash")),
    "BlobSubmission": lambda c: BlobSubmission(_bytes(c, "hash"), _bytes(c, "blob")),
    "BlobResult": lambda c: BlobResult(_bytes(c, "hash"), ResultCode(c["result"]), _bytes(c, "blob")),
    "BlobSubmissionResult": lambda c: BlobSubmissionResult(_bytes(c, "hash"), ResultCode(c["result"])),
    # The library's look-ups have no query id.
    "DhtLookup": lambda c: DhtLookup(0, server=c["server"], key=_bytes(c, "public_key")),
    "DhtResponse": lambda c: DhtResponse(0, ResultCode(c["result"]), _bytes(c, "data")),
    "Closing": lambda c: Closing(ResultCode(c["result"])),
    "Unrecognized": lambda _: Unrecognized(),
}


_READ_AS: Mapping[str, str] = {
    "version": "mosaic_major_version",
    "applications": "application_ids",
    "key": "public_key",
}


def _fields(message: Message) -> dict[str, Any]:
    """A message's own fields in the vector file's names and forms."""
    fields: dict[str, Any] = {}
    for name in message.__dataclass_fields__:
        if name == "prefix":
            continue  # stands in the file as the whole id, which was read
        value = getattr(message, name)
        if name == "query_id":
            value = value.to_bytes(2, "little").hex()
        elif isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, tuple):
            value = [item.hex() if isinstance(item, bytes) else item for item in value]
        elif isinstance(value, ResultCode):
            value = int(value)
        fields[_READ_AS.get(name, name)] = value
    return fields


MESSAGE_OPERATIONS: Operations = MappingProxyType(
    {
        ("messages", "type"): Operation(op_type),
        ("messages", "result_code"): Operation(op_result_code),
        ("messages", "result_code_undefined"): Operation(op_result_code_undefined),
        ("messages", "parse"): Operation(op_parse),
        ("messages", "message"): Operation(op_message),
    }
)
