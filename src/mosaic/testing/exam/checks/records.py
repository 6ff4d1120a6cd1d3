"""Records: what is valid, what is not, and that what was taken comes back byte for byte.

Source: record.md (Layout, Validation), kind.md, tags.md, cryptography.md, edition §3 and §5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import HEADER_BYTES
from mosaic.core.tag import Tag
from mosaic.testing.exam.check import Need, Run, Who, check
from mosaic.testing.exam.scenes import drafted
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_RECORD = "record.md (Validation)"
_TAGS_AT = HEADER_BYTES


@check(
    "records.are_kept_byte_for_byte",
    claims="C23 C24 C44",
    rule="A record that was accepted comes back byte for byte.",
    source="messages.md (Submission, Get)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _kept(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(
        stage.member, stage.kind(), payload=bytes(range(256)) * 5, tags=[Tag(0x9999, b"something")]
    )
    await wire.keep(record)
    stage.records_are(await wire.get(record.data[:48]), [record], "the record by its id")
    stage.records_are(await wire.get(record.data[48:96]), [record], "the record by its address")


@check(
    "records.smallest",
    claims="C23",
    rule="The smallest record has 216 bytes and is taken.",
    source=_RECORD,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _smallest(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    stage.same(len(record.data), 216, "the length of the record")
    await wire.keep(record)


@check(
    "records.result_names_the_record",
    claims="C45",
    rule="SUBMISSION RESULT has 40 bytes and names the first 32 bytes of the record's id.",
    source="messages.md (Submission Result)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _result(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    wire.note(record.data)
    wire.send(ask.Submission(record.data))
    await wire.until(lambda: bool(wire.inbox), "SUBMISSION RESULT")
    frame = wire.inbox[0].frame
    stage.same(frame[8:], record.data[:32], "bytes from 8 on")
    stage.same(len(frame), 40, "the length of the message")


@check(
    "records.twice_is_a_duplicate",
    claims="C45 C46",
    rule="A record that is there already is DUPLICATE.",
    source="messages.md (Result Codes)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _twice(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    await wire.keep(record)
    stage.same(await wire.submit(record), [ResultCode.DUPLICATE], "the second result")
    stage.records_are(
        await wire.query(stage.of(record.kind, stage.member.public)), [record], "what is served"
    )


@check(
    "records.twice_in_one_go",
    claims="C45 C46",
    rule="A record that comes twice in one stretch is taken once and then DUPLICATE.",
    source="messages.md (Result Codes)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _twice_at_once(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    results = await wire.submit(record, record)
    stage.same(sorted(results), [ResultCode.ACCEPTED, ResultCode.DUPLICATE], "both results")


class _Oddity(NamedTuple):
    name: str
    rule: str
    make: Callable[[Stage], bytes]
    claims: str
    source: str


def _padded(stage: Stage) -> bytes:
    draft = drafted(stage, stage.kind(), payload=b"abc")
    return draft.put(_TAGS_AT + 3, b"\xff" * 5).finish()


def _not_utf8(stage: Stage) -> bytes:
    return stage.record(stage.member, stage.kind(printable=True), payload=b"\xff\xfe").data


def _bad_post(stage: Stage) -> bytes:
    return stage.record(stage.member, MICROBLOG, payload=b"\xc0\xaf an exam was here").data


_ODDITIES = (
    _Oddity(
        "later_flag_bytes",
        "Bits in flag bytes 3 to 7 are ignored",
        lambda stage: drafted(stage, stage.kind()).put(139, b"\x01\x02\x04\x08\x10").finish(),
        "C26",
        "record.md (Flags)",
    ),
    _Oddity(
        "padding_is_not_judged",
        "Padding that is not zero is taken, since it is signed",
        _padded,
        "C25",
        "edition §5 (R3)",
    ),
    _Oddity(
        "tags_of_type_zero",
        "A tag of type 0 is passed over",
        lambda stage: drafted(stage, stage.kind(), tags=b"\x06\x00\x00\x00ab\x05\x00\x09\x00c").finish(),
        "C34 C35",
        "edition §3",
    ),
    _Oddity(
        "content_of_core_tags",
        "What stands in core tags is not judged: a Notify tag of three bytes is taken",
        lambda stage: stage.record(stage.member, stage.kind(), tags=[Tag(1, b"abc")]).data,
        "C35",
        "edition §3",
    ),
    _Oddity(
        "payload_is_not_unpacked",
        "A payload that says to be zstd and is not is taken: servers do not unpack",
        lambda stage: drafted(stage, stage.kind(), payload=b"not zstd").put(136, b"\x01").finish(),
        "C26",
        "edition §3",
    ),
    _Oddity(
        "text_is_not_judged",
        "A printable payload that is no UTF-8 is taken: readers judge it",
        _not_utf8,
        "C33 C37",
        "edition §3",
    ),
    _Oddity(
        "application_rules_are_not_judged",
        "A record that breaks only its application's rules is kept",
        _bad_post,
        "C33",
        "edition §3",
    ),
    _Oddity(
        "cofactored_equation",
        "A signature that holds only with the cofactor is taken",
        lambda stage: drafted(stage, stage.kind()).finish(torsion=True),
        "C9",
        "cryptography.md, edition §3",
    ),
    _Oddity(
        "of_long_ago",
        "A record of 1970 is taken",
        lambda stage: stage.record(stage.member, stage.kind(), timestamp=1_000_000_000).data,
        "C31",
        "timestamps.md",
    ),
)


def _taken(oddity: _Oddity) -> Run:
    async def run(stage: Stage) -> None:
        wire = await stage.as_member()
        record = oddity.make(stage)
        await wire.keep(record)
        stage.records_are(await wire.get(record[:48]), [record], "the record by its id")

    return check(
        f"records.{oddity.name}",
        claims=oddity.claims,
        rule=f"{oddity.rule}.",
        source=oddity.source,
        who=Who.MEMBER,
        needs=Need.OUTBOX,
    )(run)


for _oddity in _ODDITIES:
    _taken(_oddity)


@check(
    "records.fail_alone",
    claims="C25 C45",
    rule="Of records that come together each is judged alone: bad ones don't take good ones along.",
    source="messages.md (Submission Result)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _fail_alone(stage: Stage) -> None:
    wire = await stage.as_member()
    kind = stage.kind()
    records = [stage.record(stage.member, kind).data for _ in range(12)]
    bad = {3, 4, 9}
    sent = [
        drafted(stage, kind).finish(high_s=True) if at in bad else each for at, each in enumerate(records)
    ]
    wanted = [ResultCode.INVALID if at in bad else ResultCode.ACCEPTED for at in range(12)]
    stage.same(await wire.submit(*sent), wanted, "the results")
    good = [each for at, each in enumerate(records) if at not in bad]
    stage.records_are(await wire.query(stage.of(kind, stage.member.public)), reversed(good), "what is served")


@check(
    "records.many_at_once",
    claims="C42 C45",
    rule="Submissions need not wait for each other's results: 200 in one stretch are all answered.",
    source="messages.md (Submission)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _many(stage: Stage) -> None:
    wire = await stage.as_member()
    kind = stage.kind()
    records = [stage.record(stage.member, kind) for _ in range(200)]
    await wire.keep(*records)
    got = await wire.query(stage.of(kind, stage.member.public))
    stage.records_are(got, reversed(records), "what is served")


@check(
    "records.false_one_leaves_others_links_alone",
    claims="C25",
    rule="Whoever sends a false signature does not hold up others.",
    source="messages.md (Submission Result)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _others(stage: Stage) -> None:
    one, other = await stage.as_member(), await stage.as_member()
    kind = stage.kind()
    good = stage.record(stage.member, kind)
    one.send(ask.Submission(drafted(stage, kind).finish(high_s=True)))
    await other.keep(good)
    stage.same((await one.take(tell.SubmissionResult)).result, ResultCode.INVALID, "the other result")
