"""Variants that break limits, short messages, and what reaches whom."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.errors import InvalidFilter
from mosaic.server import questions, subscriptions
from mosaic.server.blob_service import BlobService
from mosaic.server.lookups import LookupService
from mosaic.server.questions import Questions
from mosaic.server.subscriptions import Subscriptions
from mosaic.wire import client_messages
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, odd_store, settings, variant


@variant(
    "bad_bytes.messages_without_bodies",
    "framing.query_without_a_filter",
    "framing.short_blob_submission",
    "framing.subscribe_without_a_filter",
)
def short_messages_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client_messages, "expect_at_least", lambda *_: None)


@variant(
    "hello.part_of_an_application_id",
)
def parts_of_application_ids_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    def read(former: Any, data: bytes, name: str) -> Any:
        return former(data[: len(data) & ~3], name)

    around(patch, client_messages, "application_ids", read)


@variant(
    "limits.twenty_subscriptions",
)
def ten_subscriptions_are_enough(patch: pytest.MonkeyPatch) -> None:
    settings(patch, subscriptions_per_link=10)


@variant(
    "limits.many_questions_at_once",
    "limits.too_many_subscriptions",
)
def too_much_ends_the_link(patch: pytest.MonkeyPatch) -> None:
    def refuse(former: Any, own: Questions, peer: Any, query_id: int, result: ResultCode) -> None:
        if result is ResultCode.TOO_FAST:
            peer.send(peer.session.closing(result))
            peer.network.close(peer.link)
        else:
            former(own, peer, query_id, result)

    around(patch, Questions, "_refuse", refuse)


@variant(
    "limits.longest_get",
)
def long_gets_are_refused(patch: pytest.MonkeyPatch) -> None:
    def get(former: Any, own: Questions, peer: Any, query_id: int, references: Any) -> None:
        if len(references) > 1_000:
            own._refuse(peer, query_id, ResultCode.TOO_LARGE)
        else:
            former(own, peer, query_id, references)

    around(patch, Questions, "get", get)


@variant(
    "filters.longest_filter",
)
def long_filters_are_refused(patch: pytest.MonkeyPatch) -> None:
    def compile_filter(former: Any, data: bytes) -> Any:
        if len(data) > 32_768:
            raise InvalidFilter("too long")
        return former(data)

    around(patch, questions, "compile_filter", compile_filter)


@variant(
    "queries.broad_ones_are_told",
)
def broad_filters_are_invalid(patch: pytest.MonkeyPatch) -> None:
    def compile_filter(former: Any, data: bytes) -> Any:
        compiled = former(data)
        if not compiled.narrow:
            raise InvalidFilter("too broad")
        return compiled

    around(patch, questions, "compile_filter", compile_filter)


@variant(
    "queries.greatest_limit",
)
def limits_have_a_sign(patch: pytest.MonkeyPatch) -> None:
    def scan(store: Any, compiled: Any, *, limit: int = 0, **named: Any) -> Any:
        return store.scan(compiled, limit=1 if limit >= 0x8000 else limit, **named)

    odd_store(patch, scan=scan)


@variant(
    "encryption.comes_live_to_nobody_else",
    "ephemeral.not_for_those_who_come_later",
    "ephemeral.private_ones_stay_private",
    "subscriptions.each_under_its_id",
    "subscriptions.everyone_gets_it",
    "subscriptions.exactly_once_between_stored_and_live",
    "subscriptions.private_ones_stay_private",
)
def only_one_subscriber_is_told(patch: pytest.MonkeyPatch) -> None:
    def deliver(former: Any, own: Subscriptions, record: bytes, *given: Any) -> None:
        former(own, record, *given[:-1], given[-1][:1])

    around(patch, Subscriptions, "_deliver", deliver)


@variant(
    "subscriptions.long_ones_come_whole",
)
def long_records_do_not_come_live(patch: pytest.MonkeyPatch) -> None:
    def deliver(former: Any, own: Subscriptions, record: bytes, *given: Any) -> None:
        if len(record) < 500_000:
            former(own, record, *given)

    around(patch, Subscriptions, "_deliver", deliver)


@variant(
    "access.author_and_tagged_live_author",
    "access.author_only_live_author",
)
def authors_get_nothing_private_live(patch: pytest.MonkeyPatch) -> None:
    def may_read(former: Any, record: bytes, viewers: Any, label: int = 0) -> bool:
        return bool(former(record, viewers, label)) and record[64:96] not in viewers

    around(patch, subscriptions, "may_read", may_read)


@variant(
    "blobs.several_at_once",
)
def one_blob_may_wait(patch: pytest.MonkeyPatch) -> None:
    settings(patch, blobs_waiting_per_link=1)


@variant(
    "blobs.of_nothing",
)
def empty_blobs_are_refused(patch: pytest.MonkeyPatch) -> None:
    def refusal(former: Any, own: BlobService, peer: Any, event: Any) -> Any:
        return ResultCode.INVALID if event.length == 0 else former(own, peer, event)

    around(patch, BlobService, "_refusal", refusal)


@variant(
    "blobs.are_kept",
    "blobs.for_whoever_names_them",
    "blobs.of_nothing",
    "blobs.of_two_megabytes",
    "blobs.several_at_once",
)
def blobs_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    def asked(_: Any, __: BlobService, peer: Any, wanted: bytes) -> None:
        peer.send(peer.session.blob_result(wanted, ResultCode.NOT_FOUND))

    around(patch, BlobService, "asked", asked)


@variant(
    "dht.key_that_is_none",
)
def look_ups_of_nonsense_are_the_servers_fault(patch: pytest.MonkeyPatch) -> None:
    def refusal(former: Any, own: LookupService, *given: Any) -> Any:
        result = former(own, *given)
        return ResultCode.PERSISTENT_ERROR if result is ResultCode.INVALID else result

    around(patch, LookupService, "_refusal", refusal)
