"""DHT LOOKUP: a bootstrap with what proves it, or none.

Source: messages.md (DHT Lookup), bootstrap.md, edition §4 (DHT RESPONSE).
"""

from __future__ import annotations

from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.testing.exam.check import Deviation, Need, Unsettled, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode

_LOOKUP = "messages.md (DHT Lookup), edition §4"
_NO_ANSWER = frozenset({ResultCode.TOO_FAST, ResultCode.TEMPORARY_ERROR})
_TIMES = 3  # as long as other answers may take


async def _look_up(stage: Stage, key: bytes, *, server: bool, query_id: int = 7) -> tell.DhtResponse:
    wire = await stage.anonymous()
    wire.send(ask.DhtLookup(query_id, server, key))
    return await wire.take(tell.DhtResponse, query_id, patience_s=_TIMES * stage.examinee.patience_s)


def _prove(answer: tell.DhtResponse, key: PublicKey, salt: bytes) -> bytes:
    """The text of an answer, which must carry its owner's signature."""
    item = answer.item()
    if not DhtItem(key, salt, item.sequence, item.text, item.signature).verify():
        raise Deviation("expected an item that its owner has signed; the signature does not hold")
    return item.text


@check(
    "dht.nobody_knows_the_key",
    claims="C20",
    rule="A look-up that finds nothing is answered with 8 bytes.",
    source=_LOOKUP,
    needs=Need.DHT,
)
async def _unknown(stage: Stage) -> None:
    answer = await _look_up(stage, stage.fresh_key().public.bytes, server=False)
    if answer.result in _NO_ANSWER:
        raise Unsettled(f"the server says {answer.result.name}: it can't look anything up now")
    stage.same((answer.result, answer.data), (ResultCode.NOT_FOUND, b""), "the answer")


@check(
    "dht.answers_prove_themselves",
    claims="C14 C16 C20",
    rule="The server's own bootstrap, looked up by its key, carries its signature and begins with S.",
    source=_LOOKUP,
    needs=Need.DHT,
)
async def _own(stage: Stage) -> None:
    key = stage.examinee.key
    answer = await _look_up(stage, key.bytes, server=True)
    if answer.result is not ResultCode.SUCCESS:
        raise Unsettled(f"the server says {answer.result.name} of its own key: it has published nothing")
    text = _prove(answer, key, SERVER_SALT)
    stage.expect(text[:1] == b"S", "a text that begins with S", text)


@check(
    "dht.users_and_servers_apart",
    claims="C20 C22",
    rule="Users' and servers' bootstraps lie apart: a user's look-up never brings a server's text.",
    source="bootstrap.md, edition §4",
    needs=Need.DHT,
)
async def _apart(stage: Stage) -> None:
    key = stage.examinee.key
    answer = await _look_up(stage, key.bytes, server=False)
    if answer.result is ResultCode.SUCCESS:
        text = _prove(answer, key, USER_SALT)
        stage.expect(text[:1] == b"U", "a text that begins with U", text)
    else:
        allowed = {ResultCode.NOT_FOUND, *_NO_ANSWER}
        stage.expect(answer.result in allowed, "NOT_FOUND", answer.result)


@check(
    "dht.query_ids_are_echoed",
    claims="C20 C42",
    rule="DHT RESPONSE has the query id of its look-up.",
    source=_LOOKUP,
    needs=Need.DHT,
)
async def _echoed(stage: Stage) -> None:
    wire = await stage.anonymous()
    key = stage.fresh_key().public.bytes
    wire.send(ask.DhtLookup(0x1234, server=False, key=key), ask.DhtLookup(0xFFFE, server=True, key=key))
    for query_id in (0x1234, 0xFFFE):
        await wire.take(tell.DhtResponse, query_id, patience_s=_TIMES * stage.examinee.patience_s)


@check(
    "dht.key_that_is_none",
    claims="C20",
    rule="A look-up of a key that is none finds nothing: INVALID or NOT_FOUND.",
    source=_LOOKUP,
    needs=Need.DHT,
)
async def _no_key(stage: Stage) -> None:
    answer = await _look_up(stage, b"\xff" * 32, server=False)
    allowed = {ResultCode.INVALID, ResultCode.NOT_FOUND, ResultCode.TOO_FAST}
    stage.expect(answer.result in allowed, "INVALID or NOT_FOUND", answer.result)


@check(
    "dht.look_up_of_another_length",
    claims="C20 C42",
    rule="A DHT LOOKUP that has not 40 bytes ends the link with CLOSING INVALID.",
    source=_LOOKUP,
)
async def _length(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(encode_header(MessageType.DHT_LOOKUP, 39, query_id=1) + bytes(31))
    await wire.closing(ResultCode.INVALID)


@check(
    "dht.holds_up_no_questions",
    claims="C20 C42",
    rule="Questions are answered while a look-up is under way.",
    source=_LOOKUP,
    needs=Need.DHT,
)
async def _beside(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(ask.DhtLookup(3, server=False, key=stage.fresh_key().public.bytes))
    stage.same(await wire.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "the answer")
    await wire.take(tell.DhtResponse, 3, patience_s=_TIMES * stage.examinee.patience_s)
