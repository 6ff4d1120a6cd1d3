"""Filters: what each element selects, and which filters are refused.

Source: filter.md, edition §1, §3, §5 (F1 to F10) and §6.
"""

from __future__ import annotations

from mosaic.core.filter import Filter
from mosaic.core.filter_element import IncludedTags, Kinds
from mosaic.core.kind import Kind
from mosaic.core.tag import Tag
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.scenes import some
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.wire.result_code import ResultCode

_FILTER = "filter.md"


@check(
    "filters.by_author",
    claims="C40",
    rule="Author keys select the records of any of these authors.",
    source=_FILTER,
    who=Who.RECIPIENT,
    needs=Need.OUTBOX | Need.INBOX,
)
async def _author(stage: Stage) -> None:
    member, outsider = await stage.as_member(), await stage.stranger()
    kind, base = stage.kind(), stage.now_ns - MINUTE
    others = [stage.fresh_key(), stage.fresh_key()]
    mine = stage.record(stage.member, kind, timestamp=base)
    theirs = [
        stage.record(key, kind, timestamp=base + at, notify=[stage.member.public])
        for at, key in enumerate(others, 1)
    ]
    await member.keep(mine)
    await outsider.keep(*theirs)
    stage.records_are(await member.query(stage.of(kind, stage.member.public)), [mine], "those of one author")
    both = stage.of(kind, stage.member.public, others[1].public)
    stage.records_are(await member.query(both), [theirs[1], mine], "those of two authors")


@check(
    "filters.by_signer",
    claims="C40",
    rule="Signing keys select by who signed.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _signer(stage: Stage) -> None:
    wire, records = await some(stage, 2)
    kinds = [records[0].kind]
    mine = Filter.of(signers=[stage.member.public], kinds=kinds)
    stage.records_are(await wire.query(mine), reversed(records), "what the author signed")
    nobody = Filter.of(signers=[stage.fresh_key().public], kinds=kinds)
    stage.same(await wire.query(nobody), [], "what somebody else signed")


@check(
    "filters.by_kind",
    claims="C27 C40",
    rule="Kinds select by all eight bytes, big-endian.",
    source="filter.md, edition §3 (Kinds)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _kind(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    kind = records[0].kind
    other = Kind(kind.bytes[:7] + bytes((kind.bytes[7] | 0x10,)))
    authors = [stage.member.public]
    stage.records_are(await wire.query(Filter.of(authors=authors, kinds=[kind])), records, "the kind's")
    stage.same(await wire.query(Filter.of(authors=authors, kinds=[other])), [], "those with other flags")
    both = Filter.of(authors=authors, kinds=[other, kind])
    stage.records_are(await wire.query(both), records, "those of either kind")


@check(
    "filters.by_tag",
    claims="C34 C40",
    rule="Included tags select records that have one of them.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tag(stage: Stage) -> None:
    red, blue = Tag(0x9001, b"red"), Tag(0x9001, b"blue")
    wire, records = await some(stage, 3, tags=[[red], [blue, red], []])
    kinds = [records[0].kind]
    by_red = Filter.of(kinds=kinds, tags=[red])
    stage.records_are(await wire.query(by_red), [records[1], records[0]], "those with the one tag")
    by_blue = Filter.of(kinds=kinds, tags=[blue])
    stage.records_are(await wire.query(by_blue), [records[1]], "those with the other tag")


@check(
    "filters.tags_match_whole",
    claims="C34 C40",
    rule="Tags match whole, byte for byte: the beginning of a value is another tag.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _whole_tag(stage: Stage) -> None:
    long = b"a value that is longer than the index of any server might hold of it: " + bytes(range(60))
    wire, records = await some(stage, 1, tags=[[Tag(0x9001, long)]])
    kinds = [records[0].kind]
    for wrong in (long[:-1], long + b"\0", long[:-1] + b"\xff", long[:22]):
        got = await wire.query(Filter.of(kinds=kinds, tags=[Tag(0x9001, wrong)]))
        stage.same(got, [], f"the answer for another value of {len(wrong)} bytes")
    got = await wire.query(Filter.of(kinds=kinds, tags=[Tag(0x9001, long)]))
    stage.records_are(got, records, "the answer for the value itself")


@check(
    "filters.tag_types_count",
    claims="C34 C40",
    rule="The same value under another type is another tag.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tag_type(stage: Stage) -> None:
    wire, records = await some(stage, 1, tags=[[Tag(0x9001, b"red")]])
    got = await wire.query(Filter.of(kinds=[records[0].kind], tags=[Tag(0x9002, b"red")]))
    stage.same(got, [], "the answer for another type")


@check(
    "filters.several_tag_elements",
    claims="C39 C40",
    rule="Included tags may stand in a filter several times, and then all must match.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _two_elements(stage: Stage) -> None:
    red, blue = Tag(0x9001, b"red"), Tag(0x9001, b"blue")
    wire, records = await some(stage, 3, tags=[[red], [blue, red], [blue]])
    wanted = Filter((Kinds((records[0].kind,)), IncludedTags((red,)), IncludedTags((blue,))))
    stage.records_are(await wire.query(wanted), [records[1]], "those with both tags")


@check(
    "filters.without_tags",
    claims="C40",
    rule="Excluded tags leave out records that have one of them.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _without(stage: Stage) -> None:
    red, blue = Tag(0x9001, b"red"), Tag(0x9001, b"blue")
    wire, records = await some(stage, 3, tags=[[red], [blue], []])
    wanted = Filter.of(authors=[stage.member.public], kinds=[records[0].kind], exclude_tags=[red])
    stage.records_are(await wire.query(wanted), [records[2], records[1]], "those without the tag")


@check(
    "filters.without_ids",
    claims="C40",
    rule="Exclude leaves out the records of these ids.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _without_ids(stage: Stage) -> None:
    wire, records = await some(stage, 3)
    wanted = Filter.of(authors=[stage.member.public], kinds=[records[0].kind], exclude=[records[1].data[:32]])
    stage.records_are(await wire.query(wanted), [records[2], records[0]], "the others")


@check(
    "filters.all_elements_must_match",
    claims="C39",
    rule="A record must pass every element of a filter.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _all(stage: Stage) -> None:
    red = Tag(0x9001, b"red")
    wire, records = await some(stage, 2, tags=[[red], []])
    wrong = Filter.of(authors=[stage.fresh_key().public], kinds=[records[0].kind], tags=[red])
    stage.same(await wire.query(wrong), [], "those of somebody else")
    right = Filter.of(authors=[stage.member.public], kinds=[records[0].kind], tags=[red])
    stage.records_are(await wire.query(right), [records[0]], "those that pass all")


@check(
    "filters.repeated_unique_element",
    claims="C39",
    rule="Of a unique element only the first counts; others of its type are passed over.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _repeated(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    wanted = Filter((Kinds((records[0].kind,)), Kinds((stage.kind(),))))
    stage.records_are(await wire.query(wanted), records, "what the first element selects")


@check(
    "filters.empty_element",
    claims="C39",
    rule="An element without values lets nothing pass.",
    source=_FILTER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _empty(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    wanted = Filter.of(authors=[], kinds=[records[0].kind])
    stage.same(await wire.query(wanted), [], "the answer")


async def _bad(stage: Stage, data: bytes) -> None:
    """A filter that must make a query end with INVALID, while the link goes on."""
    wire = await stage.anonymous()
    records, result = await wire.query_result(data, 1)
    stage.same(result, ResultCode.INVALID, "how the query ends")
    stage.same(records, [], "what comes of it")
    stage.same(await wire.query(stage.of(stage.kind(), stage.fresh_key().public), 1), [], "the next answer")


def _filter(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return (8 + len(body)).to_bytes(2, "little") + bytes(6) + body


def _element(
    number: int, body: bytes = b"", *, words: int | None = None, reserved: bytes = bytes(6)
) -> bytes:
    return bytes((number, 1 + len(body) // 8 if words is None else words)) + reserved + body


_KEY = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")


@check(
    "filters.unknown_element", claims="C39", rule="An unknown filter element is INVALID.", source="edition §1"
)
async def _unknown_element(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY), _element(0x33, bytes(8))))


@check(
    "filters.key_that_is_none",
    claims="C39",
    rule="A key in a filter that is none is INVALID.",
    source="edition §1",
)
async def _bad_key(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, b"\xff" * 32)))


@check(
    "filters.kind_that_is_none",
    claims="C27 C39",
    rule="A kind with reserved bits in a filter is INVALID.",
    source=_FILTER,
)
async def _bad_kind(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY), _element(3, b"\0\0\0\x63\0\x01\xff\xff")))


@check(
    "filters.element_of_no_length", claims="C39", rule="An element of length 0 is INVALID.", source=_FILTER
)
async def _no_length(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY), _element(3, words=0)))


@check(
    "filters.element_over_the_end",
    claims="C39",
    rule="An element that runs over the filter's end is INVALID.",
    source=_FILTER,
)
async def _over(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY), _element(3, words=9)))


@check(
    "filters.wrong_filter_length",
    claims="C39",
    rule="A filter whose length is not that of its bytes is INVALID.",
    source=_FILTER,
)
async def _wrong_length(stage: Stage) -> None:
    good = _filter(_element(1, _KEY))
    await _bad(stage, (len(good) + 8).to_bytes(2, "little") + good[2:])


@check(
    "filters.bytes_after_the_filter",
    claims="C39",
    rule="Bytes after a filter's own end are INVALID.",
    source="edition §5 (F4, F7)",
)
async def _after(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY)) + bytes(8))


@check(
    "filters.reserved_bytes_of_the_head",
    claims="C39",
    rule="Reserved bytes in a filter's head must be zero.",
    source="edition §5 (F4, F7)",
)
async def _reserved(stage: Stage) -> None:
    good = _filter(_element(1, _KEY))
    await _bad(stage, good[:5] + b"\x01" + good[6:])


@check(
    "filters.reserved_bytes_of_an_element",
    claims="C39",
    rule="Reserved bytes in an element's head must be zero.",
    source="edition §5 (F4, F7)",
)
async def _reserved_element(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY, reserved=b"\0\0\x01\0\0\0")))


@check(
    "filters.address_to_exclude",
    claims="C39 C40",
    rule="Exclude names ids only: an address in it is INVALID.",
    source=_FILTER,
)
async def _exclude_address(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY), _element(0x84, b"\x80" + bytes(31))))


@check("filters.part_of_a_key", claims="C39", rule="A part of a key in a filter is INVALID.", source=_FILTER)
async def _part_of_key(stage: Stage) -> None:
    await _bad(stage, _filter(_element(1, _KEY[:24])))


@check(
    "filters.filter_padding",
    claims="C39",
    rule="Tags in a filter are padded with zeros: other padding is INVALID.",
    source="edition §5 (F4, F7)",
)
async def _padding(stage: Stage) -> None:
    await _bad(stage, _filter(_element(5, b"\x05\0\x01\x90x\0\0\x07")))


@check(
    "filters.longest_filter",
    claims="C39 C89",
    rule="A filter of 65,528 bytes is taken.",
    source="edition §6",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _longest(stage: Stage) -> None:
    wire, records = await some(stage, 1, tags=[[Tag(0x9001, b"red")]])
    head = Filter.of(kinds=[records[0].kind]).encode()[8:]
    # Elements of 2,024 bytes of tags, each of which names the tag; then one that fills the rest.
    tag = Tag(0x9001, b"red").encode()
    elements, left = [head], 65_528 - 8 - len(head)
    while left:
        size = min(left, 2_040)
        body = tag + b"".join(Tag(0x9001, bytes(4)).encode() for _ in range((size - 8 - len(tag)) // 8))
        body += bytes(-len(body) % 8)
        elements.append(_element(5, body))
        left -= len(elements[-1])
    data = _filter(*elements)
    stage.same(len(data), 65_528, "the length of the filter")
    stage.records_are(await wire.query(data, 5), records, "the answer")
