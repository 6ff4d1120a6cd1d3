"""Server Info: what the server says about itself, signed by its own key, and whether it is so.

Source: edition §4 (Server Info, proof of work).
"""

from __future__ import annotations

from mosaic.core import builder, nonce, server_info
from mosaic.core.community_kinds import SERVER_INFO
from mosaic.core.filter import Filter
from mosaic.core.proof_of_work import Search
from mosaic.core.record import Record
from mosaic.core.server_info import ServerInfo
from mosaic.errors import InvalidContent
from mosaic.testing.exam.check import Deviation, Need, Unsettled, Who, check
from mosaic.testing.exam.scenes import in_turn
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_SOURCE = "edition §4 (Server Info), docs/server-info.md"
_WORK = "edition §4 (Proof of work)"
_BOUND = 22
"""More bits of work than that an exam does not do."""


async def _found(stage: Stage, wire: Wire) -> list[Record]:
    key = stage.examinee.key
    wanted = Filter.of(authors=[key], signers=[key], kinds=[SERVER_INFO])
    return [Record(each) for each in await wire.query(wanted)]


async def _handed_in(wire: Wire, record: Record) -> ResultCode:
    """The server's one answer for a record: TOO_FAST may be meant."""
    wire.send(ask.Submission(record.data))
    return (await wire.take(tell.SubmissionResult)).result


async def _said(stage: Stage, wire: Wire) -> ServerInfo:
    for record in await _found(stage, wire):
        try:
            return server_info.read(record)
        except InvalidContent as error:
            raise Deviation(f"expected a Server Info that can be read; {error}") from None
    raise Deviation("expected a Server Info of the server's own; got nothing")


@check(
    "server_info.for_everybody",
    claims="C88",
    rule="Anybody, with and without a key, finds the server's one Server Info by its key and kind 20.",
    source=_SOURCE,
    needs=Need.INFO,
)
@in_turn
async def _for_everybody(stage: Stage) -> None:
    first = await _found(stage, await stage.anonymous())
    stage.same(len(first), 1, "how many there are")
    stage.same(await _found(stage, await stage.stranger()), first, "what a stranger finds")
    reader = await stage.anonymous()
    stage.records_are(await reader.get(first[0].data[:48]), first, "what its id finds")
    # Others may have signed something in its name, which readers don't believe.
    found = await reader.get(first[0].data[48:96])
    stage.expect(first[0].data in found, "the Server Info at its address", found)


@check(
    "server_info.can_be_read",
    claims="C88",
    rule="It is signed by the server's key; its payload is a CBOR map whose known fields have their types.",
    source=_SOURCE,
    needs=Need.INFO,
)
@in_turn
async def _readable(stage: Stage) -> None:
    wire = await stage.anonymous()
    info = await _said(stage, wire)
    stage.expect(bool(info.roles), "at least one role", info.roles)
    for record in await _found(stage, wire):
        Record.parse(record.data)


@check(
    "server_info.tells_its_roles",
    claims="C57 C88",
    rule="A server that says it is an inbox takes what notifies somebody whom it serves; else it refuses it.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.INFO | Need.STRANGERS,
)
@in_turn
async def _roles(stage: Stage) -> None:
    wire = await stage.stranger()
    info = await _said(stage, wire)
    record = stage.record(stage.fresh_key(), stage.kind(), notify=[stage.member.public])
    result = (await wire.submit(_worked(record, stage, info)))[0]
    stage.same(result is ResultCode.ACCEPTED, "inbox" in info.roles, "whether the inbox takes it")


@check(
    "server_info.asks_the_work_it_says",
    claims="C60",
    rule="Of strangers it asks no more work than it says: with so many bits a record is taken, with fewer "
    "it is TOO_FAST.",
    source=_WORK,
    who=Who.RECIPIENT,
    needs=Need.INFO | Need.INBOX | Need.STRANGERS,
)
@in_turn
async def _work(stage: Stage) -> None:
    wire = await stage.stranger()
    info = await _said(stage, wire)
    record = stage.record(stage.fresh_key(), stage.kind(), notify=[stage.member.public])
    if info.work.get("inbox", 0):
        stage.same(await _handed_in(wire, record), ResultCode.TOO_FAST, "the result without work")
    await wire.keep(_worked(record, stage, info))


@check(
    "server_info.asks_no_work_of_members",
    claims="C60",
    rule="Of people served here it asks no work, whatever it says.",
    source=_WORK,
    who=Who.MEMBER,
    needs=Need.INFO | Need.OUTBOX,
)
@in_turn
async def _members(stage: Stage) -> None:
    member, wire = await stage.as_member(), await stage.anonymous()
    await member.keep(stage.record(stage.member, stage.kind()))
    await wire.keep(stage.record(stage.member, stage.kind()))


# Last, for what it leaves on a server that lets it would be seen by the others.
@check(
    "server_info.of_nobody_else",
    claims="C25 C88",
    rule="What another key signs in the server's name does not take the place of its Server Info.",
    source="edition §4 (Server Info), record.md (Validation)",
    who=Who.STRANGER,
    needs=Need.INFO,
)
@in_turn
async def _forged(stage: Stage) -> None:
    wire, thief = await stage.stranger(), stage.fresh_key()
    (before,) = await _found(stage, wire)
    notify = [stage.member.public] if stage.has_member else []
    forged = stage.record(
        thief, SERVER_INFO, author=stage.examinee.key, nonce=before.nonce, notify=notify, payload=b"\xa0"
    )
    await _handed_in(wire, forged)
    own = builder.build(thief, kind=SERVER_INFO, nonce=nonce.FIXED, timestamp=stage.now_ns, payload=b"\xa0")
    await _handed_in(wire, own)
    stage.same(await _found(stage, await stage.anonymous()), [before], "what is found afterwards")


def _worked(record: Record, stage: Stage, info: ServerInfo) -> Record:
    """The record with the work that the server asks of strangers at its inbox."""
    bits = info.work.get("inbox", 0)
    if not bits:
        return record
    if bits > _BOUND:
        raise Unsettled(f"the server asks for {bits} bits of work; the exam does at most {_BOUND}")
    search = Search(record, bits, record.timestamp)
    while not search.look(1 << 16):
        pass
    return search.sealed(stage.secret_of(record.author))
