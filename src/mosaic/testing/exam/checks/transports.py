"""Transports: TLS, streams of QUIC, WebSockets.

Source: transports.md, tcp.md, quic.md, websockets.md, edition §2.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mosaic.core.web_authority import authority_of
from mosaic.testing.exam import raw
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.raw import Raw
from mosaic.testing.exam.stage import Stage
from mosaic.transport.transport import Transport
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.codec import decode
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode

_TCP = "tcp.md, edition §2"
_QUIC = "quic.md, edition §2"
_WS = "websockets.md, edition §2"


@asynccontextmanager
async def _dialled(stage: Stage, tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    link = await Raw.dial(stage.address(), stage.examinee.patience_s, tls)
    try:
        yield link
    finally:
        link.close()


async def _greeted(link: Raw) -> None:
    await link.write(ask.Hello(0, (0,)).encode())
    assert isinstance(decode(await link.frame()), tell.HelloAck)


def _shown_key(link: Raw) -> bytes:
    shown = link.tls.getpeercert(binary_form=True)
    key = x509.load_der_x509_certificate(shown or b"").public_key()
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b""


@check(
    "transports.tcp_speaks_tls_1_3",
    claims="C49",
    rule="TCP speaks TLS 1.3 and the protocol `mosaic` (ALPN).",
    source=_TCP,
    needs=Need.TCP,
)
async def _tls13(stage: Stage) -> None:
    async with _dialled(stage) as link:
        stage.same(link.tls.version(), "TLSv1.3", "the version")
        stage.same(link.tls.selected_alpn_protocol(), "mosaic", "the protocol")


@check(
    "transports.tcp_speaks_tls_1_2",
    claims="C49",
    rule="TCP speaks TLS 1.2 with those who know no newer one.",
    source=_TCP,
    needs=Need.TCP,
)
async def _tls12(stage: Stage) -> None:
    async with _dialled(stage, raw.context(most=ssl.TLSVersion.TLSv1_2)) as link:
        stage.same(link.tls.version(), "TLSv1.2", "the version")
        await _greeted(link)


@check(
    "transports.tcp_certificate_holds_the_key",
    claims="C50",
    rule="The certificate shown over TCP holds the server's own Ed25519 key.",
    source=_TCP,
    needs=Need.TCP,
)
async def _certificate(stage: Stage) -> None:
    async with _dialled(stage) as link:
        stage.same(_shown_key(link), stage.examinee.key.bytes, "the key in the certificate")


@check(
    "transports.tcp_byte_by_byte",
    claims="C42 C49",
    rule="Messages may arrive in pieces of any size: HELLO and a query byte by byte are answered.",
    source=_TCP,
    needs=Need.TCP,
)
async def _bytes(stage: Stage) -> None:
    async with _dialled(stage) as link:
        question = ask.Query(9, 1, stage.of(stage.kind()).encode())
        for byte in ask.Hello(0, (0,)).encode() + question.encode():
            await link.write(bytes((byte,)))
        stage.expect(isinstance(decode(await link.frame()), tell.HelloAck), "HELLO ACK")
        stage.same(
            decode(await link.frame()), tell.QueryClosed(9, ResultCode.SUCCESS), "the end of the query"
        )


@check(
    "transports.tcp_links_end_with_tls",
    claims="C49",
    rule="After CLOSING the server ends the connection itself.",
    source="messages.md (Closing)",
    needs=Need.TCP,
)
async def _ends(stage: Stage) -> None:
    async with _dialled(stage) as link:
        await _greeted(link)
        await link.write(encode_header(0xC5, 8))
        stage.expect(isinstance(decode(await link.frame()), tell.Closing), "CLOSING")
        await link.ended()


@check(
    "transports.tcp_slow_reader",
    claims="C44 C49",
    rule="Somebody who asks for much and reads nothing holds up nobody else.",
    source="edition §3 (Subscription)",
    who=Who.MEMBER,
    needs=Need.TCP | Need.OUTBOX,
)
async def _slow(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    records = [stage.record(stage.member, kind, payload=bytes(100_000)) for _ in range(12)]
    await wire.keep(*records)
    wanted = stage.of(kind, stage.member.public)
    async with _dialled(stage) as slow:
        await _greeted(slow)
        for number in range(40):
            await slow.write(ask.Query(number, 0, wanted.encode()).encode())
        reader = await stage.anonymous()
        stage.records_are(await reader.query(wanted), records, "what another reader gets")


@check(
    "transports.quic_streams_are_sessions",
    claims="C48",
    rule="Each stream of a QUIC connection is a session of its own: it says HELLO and has its own query ids.",
    source=_QUIC,
    needs=Need.QUIC,
)
async def _streams(stage: Stage) -> None:
    first = await stage.connect(transport=Transport.QUIC)
    second = await stage.stream(first)
    stage.same((await second.hello()).result, ResultCode.SUCCESS, "the result of the second stream's HELLO")
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    for wire in (first, second):
        wire.send(ask.Subscribe(5, 0, wanted))
        await wire.completed(5)


@check(
    "transports.quic_stream_without_hello",
    claims="C43 C48",
    rule="A second stream may ask nothing before its own HELLO.",
    source=_QUIC,
    needs=Need.QUIC,
)
async def _stream_hello(stage: Stage) -> None:
    first = await stage.offender()
    second = await stage.stream(first)
    second.send(ask.Query(1, 1, stage.of(stage.kind(), stage.fresh_key().public).encode()))
    await second.closing(ResultCode.INVALID)


@check(
    "transports.quic_streams_end_alone",
    claims="C48",
    rule="A stream that breaks the rules ends alone: others of its connection go on.",
    source=_QUIC,
    needs=Need.QUIC,
)
async def _streams_alone(stage: Stage) -> None:
    first = await stage.offender()
    second = await stage.stream(first)
    await second.hello()
    second.send(encode_header(0xC5, 8))
    await second.closing()
    stage.same(
        await first.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "the first one's answer"
    )


@check(
    "transports.quic_streams_are_of_one_peer",
    claims="C48 C50",
    rule="Every stream of a connection counts as the key that the connection has proven.",
    source=_QUIC,
    who=Who.MEMBER,
    needs=Need.QUIC | Need.OUTBOX,
)
async def _streams_key(stage: Stage) -> None:
    first = await stage.as_member()
    second = await stage.stream(first)
    await second.hello()
    record = stage.record(stage.member, stage.kind(), from_author=True)
    await second.keep(record)


@asynccontextmanager
async def _asked(stage: Stage, **changes: str | None) -> AsyncIterator[tuple[Raw, int, bytes]]:
    """A request for a WebSocket: the link, the status of the answer, and its head."""
    async with _dialled(stage, raw.context(alpn="")) as link:
        await link.write(raw.request(authority_of(*stage.address()), **changes))
        head = await link.head()
        parts = head.split(b" ", 2)
        yield link, int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0, head


@check(
    "transports.ws_is_accepted",
    claims="C47",
    rule="A request with the subprotocol mosaic2025 is accepted, and the answer names it.",
    source=_WS,
    needs=Need.WS,
)
async def _ws(stage: Stage) -> None:
    async with _asked(stage) as (link, status, head):
        stage.same(status, 101, "the status")
        stage.expect(b"mosaic2025" in head, "the subprotocol in the answer", head)
        await link.write(raw.wrapped(raw.BINARY, ask.Hello(0, (0,)).encode()))
        opcode, payload = await link.message()
        stage.same(opcode, raw.BINARY, "the kind of the WebSocket message")
        stage.expect(isinstance(decode(payload), tell.HelloAck), "HELLO ACK")


@check(
    "transports.ws_without_the_subprotocol",
    claims="C47",
    rule="A request without the subprotocol mosaic2025 is no Mosaic client's: it is refused.",
    source=_WS,
    needs=Need.WS,
)
async def _no_subprotocol(stage: Stage) -> None:
    async with _asked(stage, Sec_WebSocket_Protocol=None) as (_, status, _head):
        stage.expect(400 <= status < 500, "a refusal (4xx)", status)


@check(
    "transports.ws_of_another_subprotocol",
    claims="C47",
    rule="A request for another subprotocol is not accepted as Mosaic's.",
    source=_WS,
    needs=Need.WS,
)
async def _other_subprotocol(stage: Stage) -> None:
    async with _asked(stage, Sec_WebSocket_Protocol="chat") as (_, status, head):
        stage.expect(status != 101 or b"mosaic2025" not in head, "no WebSocket of Mosaic's", status)


@check(
    "transports.ws_among_other_subprotocols",
    claims="C47",
    rule="mosaic2025 is found among other subprotocols.",
    source=_WS,
    needs=Need.WS,
)
async def _among(stage: Stage) -> None:
    async with _asked(stage, Sec_WebSocket_Protocol="chat, mosaic2025") as (_, status, head):
        stage.same(status, 101, "the status")
        stage.expect(b"mosaic2025" in head, "the subprotocol in the answer", head)


@check(
    "transports.ws_plain_request",
    claims="C47",
    rule="A request that asks for no WebSocket is answered in HTTP, and refused.",
    source=_WS,
    needs=Need.WS,
)
async def _plain(stage: Stage) -> None:
    async with _asked(stage, Upgrade=None, Connection="close") as (_, status, _head):
        stage.expect(200 <= status < 500 and status != 101, "an answer in HTTP", status)


@check(
    "transports.ws_of_another_version",
    claims="C47",
    rule="Another version of WebSocket than 13 is refused.",
    source="RFC 6455 §4.2.2",
    needs=Need.WS,
)
async def _version(stage: Stage) -> None:
    async with _asked(stage, Sec_WebSocket_Version="8") as (_, status, _head):
        stage.expect(400 <= status < 500, "a refusal (4xx)", status)


@check(
    "transports.ws_text_message",
    claims="C47",
    rule="Frames are binary: a text message ends the link.",
    source=_WS,
    needs=Need.WS,
)
async def _text(stage: Stage) -> None:
    async with _asked(stage) as (link, status, _):
        stage.same(status, 101, "the status")
        await link.write(raw.wrapped(raw.TEXT, ask.Hello(0, (0,)).encode()))
        await link.ended()


@check(
    "transports.ws_unmasked",
    claims="C47",
    rule="A client's frames are masked: one that is not ends the link.",
    source="RFC 6455 §5.1",
    needs=Need.WS,
)
async def _unmasked(stage: Stage) -> None:
    async with _asked(stage) as (link, _, _head):
        await link.write(raw.wrapped(raw.BINARY, ask.Hello(0, (0,)).encode(), masked=False))
        await link.ended()


@check(
    "transports.ws_in_fragments",
    claims="C47",
    rule="A message may come in fragments.",
    source="RFC 6455 §5.4, edition §2",
    needs=Need.WS,
)
async def _fragments(stage: Stage) -> None:
    async with _asked(stage) as (link, _, _head):
        hello = ask.Hello(0, (0,)).encode()
        await link.write(raw.wrapped(raw.BINARY, hello[:5], last=False) + raw.wrapped(0, hello[5:]))
        stage.expect(isinstance(decode((await link.message())[1]), tell.HelloAck), "HELLO ACK")


@check(
    "transports.ws_two_in_one",
    claims="C47",
    rule="One WebSocket message is one Mosaic message: two in one end the link.",
    source="edition §2",
    needs=Need.WS,
)
async def _two(stage: Stage) -> None:
    async with _asked(stage) as (link, _, _head):
        await link.write(raw.wrapped(raw.BINARY, ask.Hello(0).encode() * 2))
        await link.ended()


@check(
    "transports.ws_half_in_one",
    claims="C47",
    rule="A WebSocket message that holds only a part of a Mosaic message ends the link.",
    source="edition §2",
    needs=Need.WS,
)
async def _part(stage: Stage) -> None:
    async with _asked(stage) as (link, _, _head):
        await link.write(raw.wrapped(raw.BINARY, ask.Hello(0, (0, 1)).encode()[:12]))
        await link.ended()


@check(
    "transports.ws_ping",
    claims="C47",
    rule="A ping is answered with a pong of the same content.",
    source="RFC 6455 §5.5.2",
    needs=Need.WS,
)
async def _ping(stage: Stage) -> None:
    async with _asked(stage) as (link, _, _head):
        await link.write(raw.wrapped(raw.PING, b"are you there"))
        stage.same(await link.message(), (raw.PONG, b"are you there"), "the answer")


@check(
    "transports.ws_certificate_holds_the_key",
    claims="C47 C50",
    rule="In native mode the certificate of a WebSocket holds the server's own Ed25519 key.",
    source=_WS,
    needs=Need.WS,
)
async def _ws_certificate(stage: Stage) -> None:
    async with _dialled(stage, raw.context(alpn="")) as link:
        stage.same(_shown_key(link), stage.examinee.key.bytes, "the key in the certificate")
