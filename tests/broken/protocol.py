"""Variants that break framing, HELLO and what belongs to a link."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.errors import InvalidMessage
from mosaic.protocol import hello, server_session
from mosaic.protocol.query_ids import ServerQueries
from mosaic.protocol.server_session import ServerSession
from mosaic.wire import client_messages
from mosaic.wire.limits import frame_limits
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import HelloAck
from mosaic.wire.unrecognized import Unknown, Unrecognized
from tests.broken.variant import around, variant
from tests.server import world


@variant(
    "bad_bytes.many_unknown_messages",
    "framing.type_zero",
    "framing.unknown_type_is_answered",
    "framing.unknown_type_with_a_body",
)
def unknown_types_end_the_link(patch: pytest.MonkeyPatch) -> None:
    def serve(former: Any, session: ServerSession, message: Any, now_ns: int) -> Any:
        if isinstance(message, Unknown):
            return session._finish(ResultCode.INVALID, "unknown")
        return former(session, message, now_ns)

    around(patch, ServerSession, "_serve", serve)


@variant(
    "bad_bytes.noise",
    "framing.links_fail_alone",
    "framing.servers_message_from_a_client",
    "framing.unknown_type_from_0x80",
    "hello.closing_is_the_last_message",
    "transports.tcp_links_end_with_tls",
)
def servers_messages_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    def serve(former: Any, session: ServerSession, message: Any, now_ns: int) -> Any:
        code = message.type if isinstance(message, Unknown) else int(message.TYPE)
        return None if code >= 0x80 else former(session, message, now_ns)

    around(patch, ServerSession, "_serve", serve)


@variant("framing.unrecognized_is_not_answered")
def unrecognized_is_answered(patch: pytest.MonkeyPatch) -> None:
    def serve(former: Any, session: ServerSession, message: Any, now_ns: int) -> Any:
        if isinstance(message, Unrecognized):
            session.outgoing.append(Unrecognized().encode())
            return None
        return former(session, message, now_ns)

    around(patch, ServerSession, "_serve", serve)


@variant(
    "framing.longest_get",
    "framing.longest_query",
    "framing.longest_submission",
    "framing.longest_subscribe",
    "framing.longest_unknown_message",
)
def no_message_is_too_long(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world, "frame_limits", lambda: [max(each, 200_000_000) for each in frame_limits()])


@variant(
    "bad_bytes.messages_without_bodies",
    "dht.look_up_of_another_length",
    "framing.blob_get_of_another_length",
    "framing.trailing_bytes_are_refused",
)
def lengths_of_messages_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client_messages, "expect_length", lambda *_: None)


@variant("framing.query_id_in_use", "framing.query_id_in_use_by_get")
def query_ids_may_be_used_twice(patch: pytest.MonkeyPatch) -> None:
    def opened(former: Any, session: ServerSession, query_id: int, *given: Any) -> Any:
        session._queries.close(query_id)
        return former(session, query_id, *given)

    around(patch, ServerSession, "_opened", opened)


@variant(
    "framing.query_id_is_free_again",
    "limits.unsubscribing_makes_room",
    "queries.absent_and_forbidden_look_the_same",
    "subscriptions.id_is_free_again",
)
def query_ids_stay_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerQueries, "close", lambda *_: None)


@variant("framing.query_ids_are_echoed")
def query_ids_lose_their_upper_bits(patch: pytest.MonkeyPatch) -> None:
    def query_closed(former: Any, session: ServerSession, query_id: int, result: ResultCode) -> bytes:
        former(session, query_id, result)
        return bytes((0x82, result, query_id & 0xFF, query_id >> 8 & 0x0F, 8, 0, 0, 0))

    around(patch, ServerSession, "query_closed", query_closed)


@variant("framing.hello_of_the_older_framing")
def the_older_framing_is_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hello, "is_old_hello", lambda _: False)


@variant(
    "hello.get_before_it",
    "hello.query_before_it",
    "hello.submission_before_it",
    "hello.unknown_type_before_it",
)
def nobody_has_to_say_hello(patch: pytest.MonkeyPatch) -> None:
    def receive(former: Any, session: ServerSession, frame: bytes, now_ns: int) -> Any:
        session._open = session._open or (frame[0] != 0x10 and not session._closed)
        return former(session, frame, now_ns)

    around(patch, ServerSession, "receive", receive)


@variant("hello.second_is_a_duplicate")
def a_second_hello_is_like_the_first(patch: pytest.MonkeyPatch) -> None:
    def encode(former: Any, ack: HelloAck) -> bytes:
        return former(HelloAck(ResultCode.SUCCESS, ack.version, ack.applications))  # type: ignore[no-any-return]

    around(patch, HelloAck, "encode", encode)


@variant("hello.unknown_application")
def every_application_is_supported(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        server_session,
        "agreement",
        lambda said, _: HelloAck(ResultCode.SUCCESS, 0, tuple(dict.fromkeys(said.applications))),
    )


@variant(
    "hello.applications_are_those_asked_for",
    "hello.core_application",
    "hello.no_applications",
    "hello.unknown_application",
)
def applications_are_told_unasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        server_session, "agreement", lambda _, supported: HelloAck(ResultCode.SUCCESS, 0, tuple(supported))
    )


@variant("hello.highest_version", "hello.is_acknowledged")
def any_version_is_agreed_to(patch: pytest.MonkeyPatch) -> None:
    def agreement(former: Any, said: Any, supported: Any) -> HelloAck:
        ack = former(said, supported)
        return HelloAck(ack.result, max(said.version, 1), ack.applications)

    around(patch, server_session, "agreement", agreement)


@variant(
    "limits.unsubscribing_makes_room",
    "subscriptions.id_is_free_again",
    "subscriptions.nothing_after_the_end",
    "subscriptions.nothing_stored",
    "subscriptions.unsubscribe",
    "subscriptions.unsubscribe_from_nothing",
)
def unsubscribing_is_not_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerSession, "_unsubscribe", lambda *_: None)


@variant("framing.unused_bytes_are_ignored")
def unused_bytes_must_be_zero(patch: pytest.MonkeyPatch) -> None:
    def decode(former: Any, data: bytes) -> Any:
        if data[0] == 0x02 and (data[1] or any(data[10:16])):
            raise InvalidMessage("unused bytes are not zero")
        return former(data)

    around(patch, server_session, "decode", decode)
