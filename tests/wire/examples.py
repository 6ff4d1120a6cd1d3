"""One message of each type, with the bytes that the specification's layout gives by hand."""

from __future__ import annotations

from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    HelloAuth,
    HelloChallenge,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import Message
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    Closing,
    DhtItem,
    DhtResponse,
    HelloAck,
    HelloProof,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncClose, SyncData, SyncError, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unknown, Unrecognized

RECORD = bytes(range(216))
HASH = bytes(range(32))
KEY = bytes(range(100, 132))
OTHER = bytes(range(200, 232))
SIGNATURE = bytes(range(64, 128))
REFERENCES = (bytes([1] * 48), bytes([0x81] * 48))
FILTER = bytes.fromhex("0800000000000000")

EXAMPLES: list[tuple[Message, bytes]] = [
    (Hello(0), bytes.fromhex("1000000008000000")),
    (Hello(2, (1, 0xDEF0843A)), bytes.fromhex("1000000210000000 01000000 3a84f0de")),
    (HelloAuth(KEY, SIGNATURE), bytes.fromhex("1100000068000000") + KEY + SIGNATURE),
    (HelloChallenge(HASH, KEY, b"a.example"), bytes.fromhex("1300000051000000") + HASH + KEY + b"a.example"),
    (Get(0x0201, REFERENCES), bytes.fromhex("0100010268000000") + b"".join(REFERENCES)),
    (Get(0, ()), bytes.fromhex("0100000008000000")),
    (Query(7, 500, FILTER), bytes.fromhex("0200070018000000 f401000000000000") + FILTER),
    (Subscribe(7, 0, FILTER), bytes.fromhex("0300070018000000 0000000000000000") + FILTER),
    (Unsubscribe(0xFFFE), bytes.fromhex("0400feff08000000")),
    (Submission(RECORD), bytes.fromhex("05000000e0000000") + RECORD),
    (DhtLookup(3, server=True, key=KEY), bytes.fromhex("0601030028000000") + KEY),
    (DhtLookup(3, server=False, key=KEY), bytes.fromhex("0600030028000000") + KEY),
    (BlobSubmission(HASH, b"blob"), bytes.fromhex("070000002c000000") + HASH + b"blob"),
    (BlobGet(HASH), bytes.fromhex("0800000028000000") + HASH),
    (Record(0x0102, RECORD), bytes.fromhex("80000201e0000000") + RECORD),
    (LocallyComplete(9), bytes.fromhex("8100090008000000")),
    (QueryClosed(9, ResultCode.NOT_FOUND), bytes.fromhex("8210090008000000")),
    (SubmissionResult(HASH, ResultCode.ACCEPTED), bytes.fromhex("8302000028000000") + HASH),
    (DhtResponse(4, ResultCode.NOT_FOUND), bytes.fromhex("8410040008000000")),
    (
        DhtResponse.found(4, DhtItem(-2, SIGNATURE, b"U\n")),
        bytes.fromhex("8401040052000000 feffffffffffffff") + SIGNATURE + b"U\n",
    ),
    (BlobSubmissionResult(HASH, ResultCode.TOO_LARGE), bytes.fromhex("8526000028000000") + HASH),
    (BlobResult(HASH, ResultCode.SUCCESS, b"blob"), bytes.fromhex("860100002c000000") + HASH + b"blob"),
    (BlobResult(HASH, ResultCode.NOT_FOUND), bytes.fromhex("8610000028000000") + HASH),
    (HelloAck(ResultCode.DUPLICATE, 0, (1,)), bytes.fromhex("900300000c000000 01000000")),
    (HelloProof(KEY, OTHER, SIGNATURE), bytes.fromhex("9201000088000000") + KEY + OTHER + SIGNATURE),
    (
        SyncOpen(7, FILTER, b"a\x00\x00"),
        bytes.fromhex("200007001b000000 0800000000000000") + FILTER + b"a\x00\x00",
    ),
    (SyncData(7, b"a"), bytes.fromhex("2100070009000000 61")),
    (SyncClose(7), bytes.fromhex("2200070008000000")),
    (SyncGet(8, (HASH, KEY)), bytes.fromhex("2300080048000000") + HASH + KEY),
    (ServerSyncData(7, b"ab"), bytes.fromhex("a10007000a000000 6162")),
    (SyncError(7, ResultCode.TOO_OPEN), bytes.fromhex("a325070008000000")),
    (BlobOffer(HASH, 0x0203), bytes.fromhex("2900000030000000") + HASH + bytes.fromhex("0302000000000000")),
    (
        BlobPart(HASH, 256, b"ab"),
        bytes.fromhex("2a00000032000000") + HASH + bytes.fromhex("0001000000000000 6162"),
    ),
    (
        BlobPartGet(HASH, 256, 1_048_576),
        bytes.fromhex("2b00000038000000") + HASH + bytes.fromhex("0001000000000000 0000100000000000"),
    ),
    (
        BlobOfferResult(HASH, ResultCode.SUCCESS, 7),
        bytes.fromhex("a901000030000000") + HASH + bytes.fromhex("0700000000000000"),
    ),
    (
        BlobPartResult(HASH, ResultCode.SUCCESS, 2, 5, b"abc"),
        bytes.fromhex("ab0100003b000000") + HASH + bytes.fromhex("0200000000000000 0500000000000000 616263"),
    ),
    (
        BlobPartResult(HASH, ResultCode.NOT_FOUND, 2, 0),
        bytes.fromhex("ab10000038000000") + HASH + bytes.fromhex("0200000000000000 0000000000000000"),
    ),
    (Unrecognized(), bytes.fromhex("f000000008000000")),
    (Closing(ResultCode.SHUTTING_DOWN), bytes.fromhex("fe40000008000000")),
    (Unknown(bytes.fromhex("7f0506070a0000000102")), bytes.fromhex("7f0506070a0000000102")),
]
