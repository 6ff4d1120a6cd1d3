"""HELLO: what comes first, what is agreed, who has proven what.

Source: messages.md (Hello, Hello Ack), edition §1 and §2.
"""

from __future__ import annotations

from mosaic.core.keys import SecretKey
from mosaic.testing.exam.check import Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.codec import Message
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode

_HELLO = "messages.md (Hello, Hello Ack), edition §1"


def _own(stage: Stage) -> SecretKey | None:
    """The member's key for links that break rules, so that no address is banned."""
    return stage.member if stage.has_member else None


async def _first(stage: Stage, message: Message | bytes) -> Wire:
    wire = await stage.connect(_own(stage), greet=False)
    wire.send(message)
    return wire


@check(
    "hello.is_acknowledged",
    claims="C43",
    rule="HELLO is answered with HELLO ACK SUCCESS.",
    source=_HELLO,
)
async def _ack(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    ack = await wire.hello(())
    stage.same(ack.result, ResultCode.SUCCESS, "the result")
    stage.same(ack.version, 0, "the version that is agreed")


@check(
    "hello.highest_version",
    claims="C33 C43",
    rule="The version agreed is the highest that both sides speak, never above the client's.",
    source=_HELLO,
)
async def _version(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    ack = await wire.hello((), version=255)
    stage.same(ack.result, ResultCode.SUCCESS, "the result for a client that speaks version 255, too")
    lower = await stage.connect(greet=False)
    stage.same((await lower.hello((), version=0)).version, 0, "the version with a client that speaks only 0")


@check(
    "hello.applications_are_those_asked_for",
    claims="C38 C43",
    rule="HELLO ACK names only applications that were asked for.",
    source=_HELLO,
)
async def _applications(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    asked = (0, 1, 0x7F00_1234)
    ack = await wire.hello(asked)
    stage.expect(set(ack.applications) <= set(asked), f"a part of {asked}", ack.applications)


@check(
    "hello.unknown_application",
    claims="C38 C43",
    rule="HELLO ACK leaves out applications that nobody has heard of.",
    source=_HELLO,
)
async def _unknown_application(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    ack = await wire.hello((0x7E57_7E57,))
    stage.same(ack.applications, (), "the applications")


@check(
    "hello.core_application",
    claims="C38 C43",
    rule="Every server supports the core application, 0.",
    source="applications.md, edition §1",
)
async def _core(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    stage.same((await wire.hello((0,))).applications, (0,), "the applications")


@check(
    "hello.no_applications",
    claims="C43",
    rule="A HELLO that asks for no application gets none.",
    source=_HELLO,
)
async def _none(stage: Stage) -> None:
    wire = await stage.connect(greet=False)
    stage.same((await wire.hello(())).applications, (), "the applications")


@check(
    "hello.part_of_an_application_id",
    claims="C42 C43",
    rule="Application ids have four bytes each: a part of one in HELLO ends the link with CLOSING INVALID.",
    source=_HELLO,
)
async def _part(stage: Stage) -> None:
    wire = await _first(stage, encode_header(0x10, 11) + bytes(3))
    await wire.closing(ResultCode.INVALID)


@check(
    "hello.second_is_a_duplicate",
    claims="C43",
    rule="A second HELLO gets HELLO ACK DUPLICATE.",
    source=_HELLO,
)
async def _second(stage: Stage) -> None:
    wire = await stage.anonymous()
    stage.same((await wire.hello()).result, ResultCode.DUPLICATE, "the result")


@check(
    "hello.query_before_it",
    claims="C42 C43",
    rule="A QUERY before HELLO ends the link with CLOSING INVALID.",
    source=_HELLO,
)
async def _query_first(stage: Stage) -> None:
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    wire = await _first(stage, ask.Query(1, 1, wanted))
    await wire.closing(ResultCode.INVALID)


@check(
    "hello.get_before_it",
    claims="C42 C43",
    rule="A GET before HELLO ends the link with CLOSING INVALID.",
    source=_HELLO,
)
async def _get_first(stage: Stage) -> None:
    wire = await _first(stage, ask.Get(1, (bytes(48),)))
    await wire.closing(ResultCode.INVALID)


@check(
    "hello.submission_before_it",
    claims="C42 C43",
    rule="A SUBMISSION before HELLO ends the link with CLOSING INVALID, and nothing is stored.",
    source=_HELLO,
    who=Who.MEMBER,
)
async def _submission_first(stage: Stage) -> None:
    kind = stage.kind()
    wire = await _first(stage, ask.Submission(stage.record(stage.member, kind).data))
    await wire.closing(ResultCode.INVALID)
    reader = await stage.as_member()
    stage.same(await reader.query(stage.of(kind, stage.member.public)), [], "what was stored")


@check(
    "hello.unknown_type_before_it",
    claims="C42 C43",
    rule="A message of an unknown type before HELLO ends the link with CLOSING INVALID.",
    source=_HELLO,
)
async def _unknown_first(stage: Stage) -> None:
    wire = await _first(stage, encode_header(0x6A, 8))
    await wire.closing(ResultCode.INVALID)


@check(
    "hello.authentication_before_it",
    claims="C42 C43",
    rule="HELLO AUTH before HELLO ends the link with CLOSING.",
    source=_HELLO,
)
async def _auth_first(stage: Stage) -> None:
    wire = await _first(stage, ask.HelloAuth(stage.fresh_key().public.bytes, bytes(64)))
    await wire.closing()


@check(
    "hello.false_authentication",
    claims="C43 C50",
    rule="HELLO AUTH with a signature that nobody has made gives no rights: the link ends.",
    source="messages.md (Hello Auth), edition §2",
    who=Who.MEMBER,
)
async def _false_auth(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(ask.HelloAuth(stage.member.public.bytes, bytes(64)))
    await wire.closing()


@check(
    "hello.within_ten_seconds",
    claims="C42 C43",
    rule="A stream that does not say HELLO within 10 s gets CLOSING INVALID, and not before 5 s.",
    source="edition §1",
)
async def _in_time(stage: Stage) -> None:
    silent, half = await stage.connect(greet=False), await stage.connect(greet=False)
    begun = stage.now_ns
    half.send(encode_header(0x10, 12))  # four bytes of it never come
    await half.closing(ResultCode.INVALID, patience_s=30)
    waited_s = (stage.now_ns - begun) / 1e9
    stage.expect(waited_s >= 5, "a link that is kept open for 10 s or nearly so", f"{waited_s:.1f} s")
    # Over QUIC a stream on which nothing was sent is not known to the server: the connection may just end.
    await silent.until(lambda: silent.ended, "the end of the silent link, too", 30)


@check(
    "hello.server_proves_its_key",
    claims="C13 C50",
    rule="The server proves the key that it is known by.",
    source="quic.md, tcp.md, edition §2",
)
async def _server_key(stage: Stage) -> None:
    wire = await stage.anonymous()
    stage.same(wire.server_key, stage.examinee.key.bytes, "the server's key")


@check(
    "hello.client_key_is_optional",
    claims="C1 C50 C59",
    rule="Clients with and without a key are both greeted.",
    source="quic.md, tcp.md, edition §2",
    who=Who.STRANGER,
)
async def _optional(stage: Stage) -> None:
    for wire in (await stage.anonymous(), await stage.stranger()):
        stage.expect(wire.ack is not None and wire.ack.result is ResultCode.SUCCESS, "HELLO ACK SUCCESS")


@check(
    "hello.raw_public_keys",
    claims="C50",
    rule="Raw public keys (RFC 7250) are taken as well as certificates, on the same port.",
    source="edition §2",
    who=Who.STRANGER,
)
async def _raw(stage: Stage) -> None:
    wire = await stage.connect(stage.fresh_key(), raw_key=True)
    stage.same(wire.server_key, stage.examinee.key.bytes, "the server's key")


@check(
    "hello.certificates",
    claims="C50",
    rule="Certificates that sign themselves are taken as well as raw public keys, on the same port.",
    source="edition §2",
    who=Who.STRANGER,
)
async def _certificates(stage: Stage) -> None:
    wire = await stage.connect(stage.fresh_key(), raw_key=False)
    stage.same(wire.server_key, stage.examinee.key.bytes, "the server's key")


@check(
    "hello.closing_is_the_last_message",
    claims="C42 C46",
    rule="After CLOSING nothing more is sent, and the link ends.",
    source="messages.md (Closing), edition §1",
)
async def _last(stage: Stage) -> None:
    wire = await stage.offender()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    wire.send(encode_header(0xC5, 8), *(ask.Query(number, 1, wanted) for number in range(5)))
    await wire.closing(ResultCode.INVALID)
    stage.same(
        [came.frame for came in wire.inbox if not isinstance(came.message, tell.Closing)], [], "the rest"
    )
