"""Framing: headers, lengths, types. Query ids: `framing_query_ids`.

Source: messages.md, edition §1.
"""

from __future__ import annotations

from mosaic.testing.exam.check import Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.unrecognized import Unrecognized

_FRAMES = "messages.md, edition §1"
_OLD_HELLO = bytes((0x10, 8, 0, 0, 0, 0, 0, 0))
_OLD_CLOSING = bytes((0xFE, 36)) + bytes(6)


@check(
    "framing.unknown_type_is_answered",
    claims="C42 C46",
    rule="A message of an unknown type below 0x80 is answered with UNRECOGNIZED.",
    source=_FRAMES,
)
async def _unknown(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(encode_header(0x7F, 8))
    await wire.take(Unrecognized)


@check(
    "framing.unknown_type_with_a_body",
    claims="C42 C46",
    rule="A message of an unknown type below 0x80 is passed over whole, and the link goes on.",
    source=_FRAMES,
)
async def _unknown_body(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(encode_header(0x6A, 4_008) + bytes(4_000))
    await wire.take(Unrecognized)
    await wire.settled()


@check(
    "framing.type_zero",
    claims="C42 C46",
    rule="Type 0 is no message: it is answered with UNRECOGNIZED.",
    source=_FRAMES,
)
async def _type_zero(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(encode_header(0, 16) + bytes(8))
    await wire.take(Unrecognized)


@check(
    "framing.unknown_type_from_0x80",
    claims="C42 C46",
    rule="A message of an unknown type from 0x80 on ends the link with CLOSING.",
    source=_FRAMES,
)
async def _unknown_high(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(0xC5, 8))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.servers_message_from_a_client",
    claims="C42 C47",
    rule="A server's message that a client sends ends the link with CLOSING.",
    source=_FRAMES,
)
async def _wrong_way(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(tell.QueryClosed(7, ResultCode.SUCCESS))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.unrecognized_is_not_answered",
    claims="C42 C46",
    rule="UNRECOGNIZED is never answered.",
    source=_FRAMES,
)
async def _unrecognized(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(Unrecognized(), ask.Hello(0))
    came = await wire.next()
    stage.expect(isinstance(came.message, tell.HelloAck), "the answer to the HELLO behind it", came.message)


@check(
    "framing.length_below_eight",
    claims="C42",
    rule="A header with a length under 8 ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _short_length(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(bytes((MessageType.UNSUBSCRIBE, 0, 1, 0)) + (7).to_bytes(4, "little"))
    await wire.closing(ResultCode.INVALID)


async def _too_long(stage: Stage, message_type: MessageType, length: int) -> None:
    """A header alone that announces too much: it must be refused before anything of the body comes."""
    wire = await stage.offender()
    wire.send(encode_header(message_type, length))
    await wire.closing(ResultCode.TOO_LARGE, ResultCode.INVALID)


@check(
    "framing.longest_submission",
    claims="C24 C89",
    rule="A SUBMISSION longer than 1 MiB + 8 bytes is refused from its header.",
    source=_FRAMES,
)
async def _long_submission(stage: Stage) -> None:
    await _too_long(stage, MessageType.SUBMISSION, 1_048_576 + 9)


@check(
    "framing.longest_query",
    claims="C39 C89",
    rule="A QUERY longer than 65,552 bytes is refused from its header.",
    source=_FRAMES,
)
async def _long_query(stage: Stage) -> None:
    await _too_long(stage, MessageType.QUERY, 65_553)


@check(
    "framing.longest_subscribe",
    claims="C39 C89",
    rule="A SUBSCRIBE longer than 65,552 bytes is refused from its header.",
    source=_FRAMES,
)
async def _long_subscribe(stage: Stage) -> None:
    await _too_long(stage, MessageType.SUBSCRIBE, 65_553)


@check(
    "framing.longest_get",
    claims="C89",
    rule="A GET longer than 64 KiB is refused from its header.",
    source=_FRAMES,
)
async def _long_get(stage: Stage) -> None:
    await _too_long(stage, MessageType.GET, 65_537)


@check(
    "framing.longest_unknown_message",
    claims="C89",
    rule="A message of an unknown type longer than 64 KiB is refused from its header.",
    source=_FRAMES,
)
async def _long_unknown(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(0x6A, 65_537))
    await wire.closing(ResultCode.TOO_LARGE, ResultCode.INVALID)


@check(
    "framing.longest_blob",
    claims="C45 C89",
    rule="A BLOB SUBMISSION of 4 GiB is refused from its header.",
    source=_FRAMES,
)
async def _long_blob(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.BLOB_SUBMISSION, 0xFFFF_FFFF) + bytes(32))
    await wire.closing(ResultCode.TOO_LARGE, ResultCode.INVALID)


@check(
    "framing.several_in_one_go",
    claims="C42",
    rule="Messages that arrive in one stretch are each answered, in their order where they are alike.",
    source=_FRAMES,
)
async def _joined(stage: Stage) -> None:
    wire = await stage.anonymous()
    unknown = stage.of(stage.kind(), stage.fresh_key().public).encode()
    wire.send(*(ask.Query(number, 1, unknown) for number in range(20)))
    closed = [await wire.take(tell.QueryClosed, number) for number in range(20)]
    stage.same([each.result for each in closed], [ResultCode.SUCCESS] * 20, "how 20 queries end")


@check(
    "framing.unused_bytes_are_ignored",
    claims="C42",
    rule="Header bytes that a type does not use are ignored, whatever they are.",
    source=_FRAMES,
)
async def _unused(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    frame = bytearray(ask.Query(77, 1, wanted).encode())
    frame[1] = 0xAB
    frame[10:16] = b"\xff" * 6
    wire.send(bytes(frame))
    stage.same((await wire.take(tell.QueryClosed, 77)).result, ResultCode.SUCCESS, "how the query ends")


@check(
    "framing.trailing_bytes_are_refused",
    claims="C42",
    rule="Bytes after the end of a message's layout end the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _trailing(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.UNSUBSCRIBE, 9, query_id=3) + b"\0")
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.get_of_nothing",
    claims="C44",
    rule="A GET without references ends with QUERY CLOSED SUCCESS.",
    source=_FRAMES,
)
async def _get_nothing(stage: Stage) -> None:
    wire = await stage.anonymous()
    stage.same(await wire.get(), [], "the records")


@check(
    "framing.get_of_part_of_a_reference",
    claims="C42 C44",
    rule="References in GET have 48 bytes each; a part of one ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _get_part(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.GET, 8 + 47, query_id=1) + bytes(47))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.query_without_a_filter",
    claims="C42 C44",
    rule="A QUERY too short for a filter's head ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _no_filter(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.QUERY, 16, query_id=1) + bytes(8))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.subscribe_without_a_filter",
    claims="C42 C44",
    rule="A SUBSCRIBE too short for a filter's head ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _no_subscribe_filter(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.SUBSCRIBE, 16, query_id=1) + bytes(8))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.short_record",
    claims="C23 C42",
    rule="A SUBMISSION of less than 216 bytes of record ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _short_record(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.SUBMISSION, 8 + 215) + bytes(215))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.record_that_begins_with_one",
    claims="C23 C42",
    rule="A SUBMISSION whose record begins with a 1 bit ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _first_bit(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.SUBMISSION, 8 + 216) + b"\x80" + bytes(215))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.blob_get_of_another_length",
    claims="C42 C45",
    rule="A BLOB GET that has not 40 bytes ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _blob_get_length(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.BLOB_GET, 39) + bytes(31))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.short_blob_submission",
    claims="C42 C45",
    rule="A BLOB SUBMISSION too short for a hash ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _short_blob(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.BLOB_SUBMISSION, 39) + bytes(31))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.hello_of_the_older_framing",
    claims="C42 C46",
    rule="A HELLO in 0.8.0's framing gets that text's CLOSING: FE 24 and six zeros.",
    source="messages.md (Hello, Closing), edition §1",
)
async def _old_hello(stage: Stage) -> None:
    wire = await stage.connect(stage.member if stage.has_member else None, greet=False)
    wire.send(_OLD_HELLO)
    came = await wire.next()
    stage.same(came.frame, _OLD_CLOSING, "the whole answer")


@check(
    "framing.links_fail_alone",
    claims="C42",
    rule="A link that breaks the rules ends alone: others of the same client go on.",
    source=_FRAMES,
)
async def _alone(stage: Stage) -> None:
    good, bad = await stage.anonymous(), await stage.offender()
    bad.send(encode_header(0xC5, 8))
    await bad.closing()
    stage.same(await good.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "the records")


@check(
    "framing.anonymous_questions",
    claims="C42 C54 C59",
    rule="Somebody who proves no key may ask.",
    source="network.md (Outbox)",
    who=Who.ANONYMOUS,
)
async def _anonymous(stage: Stage) -> None:
    wire = await stage.anonymous()
    stage.same(await wire.query(stage.of(stage.kind())), [], "the records of a kind that nobody knows")
