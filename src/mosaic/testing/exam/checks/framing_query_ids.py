"""Framing: query ids, how they are echoed, when one is in use and when it is free.

Source: messages.md, edition §1.
"""

from __future__ import annotations

from mosaic.testing.exam.check import check
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_FRAMES = "messages.md, edition §1"


@check(
    "framing.query_ids_are_echoed",
    claims="C42 C44",
    rule="A query id comes back as it was given: 0, 1, 0x1234 and 65,535.",
    source=_FRAMES,
)
async def _echoed(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    for query_id in (0, 1, 0x1234, 0xFFFF):
        wire.send(ask.Query(query_id, 1, wanted))
        await wire.take(tell.QueryClosed, query_id)


@check(
    "framing.query_id_in_use",
    claims="C42 C44",
    rule="A query id that is still open on its stream ends the link with CLOSING INVALID.",
    source=_FRAMES,
)
async def _id_in_use(stage: Stage) -> None:
    wire = await stage.offender()
    wanted = stage.of(stage.kind(), stage.fresh_key().public)
    query_id, _ = await wire.subscribe(wanted)
    wire.send(ask.Query(query_id, 1, wanted.encode()))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.query_id_in_use_by_get",
    claims="C42 C44",
    rule="GET shares its query ids with subscriptions: one that is open ends the link.",
    source=_FRAMES,
)
async def _id_in_use_get(stage: Stage) -> None:
    wire = await stage.offender()
    query_id, _ = await wire.subscribe(stage.of(stage.kind(), stage.fresh_key().public))
    wire.send(ask.Get(query_id, (bytes(48),)))
    await wire.closing(ResultCode.INVALID)


@check(
    "framing.query_id_is_free_again",
    claims="C42 C44",
    rule="After QUERY CLOSED a query id can be used again.",
    source=_FRAMES,
)
async def _id_again(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    for _ in range(3):
        wire.send(ask.Query(9, 1, wanted))
        await wire.take(tell.QueryClosed, 9)
    wire.send(ask.Subscribe(9, 1, wanted))
    await wire.completed(9)


@check(
    "framing.query_ids_belong_to_a_stream",
    claims="C42 C48",
    rule="Two links may use the same query id at the same time.",
    source=_FRAMES,
)
async def _ids_apart(stage: Stage) -> None:
    one, other = await stage.anonymous(), await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    one.send(ask.Subscribe(5, 0, wanted))
    await one.completed(5)
    other.send(ask.Subscribe(5, 0, wanted))
    await other.completed(5)
