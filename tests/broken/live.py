"""Variants that break subscriptions, ephemeral records and who may read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mosaic.server import subscriptions
from mosaic.server.ephemeral import EphemeralMemory
from mosaic.server.judge import Judge
from mosaic.server.publisher import Publisher
from mosaic.server.questions import Questions
from mosaic.server.rights import Rights
from mosaic.server.subscriptions import Subscriptions
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, odd_store, settings, variant

MINUTE = 60_000_000_000


@variant(
    "access.author_and_tagged_stored_anonymous",
    "access.author_and_tagged_stored_author",
    "access.author_and_tagged_stored_stranger",
    "access.author_and_tagged_stored_tagged",
    "access.author_only_stored_anonymous",
    "access.author_only_stored_author",
    "access.author_only_stored_stranger",
    "access.author_only_stored_tagged",
    "access.everybody_stored_anonymous",
    "access.everybody_stored_author",
    "access.everybody_stored_stranger",
    "access.everybody_stored_tagged",
    "deletion.not_for_later_subscribers",
    "encryption.recipient_reads",
    "subscriptions.id_is_free_again",
    "subscriptions.limit_of_stored_ones",
    "subscriptions.stored_then_live",
)
def subscriptions_begin_without_what_is_stored(patch: pytest.MonkeyPatch) -> None:
    def begin(former: Any, own: Subscriptions, peer: Any, query_id: int, compiled: Any, limit: int) -> None:
        true, own._store = own._store, _Forgetful(own._store)  # type: ignore[assignment]
        former(own, peer, query_id, compiled, limit)
        own._store = true

    around(patch, Subscriptions, "open", begin)


class _Forgetful:
    def __init__(self, store: Any) -> None:
        self._store = store

    def scan(self, *_: Any, **__: Any) -> Any:
        return self._store.lookup([])


@variant("subscriptions.nothing_after_the_end")
def unsubscribed_ones_go_on(patch: pytest.MonkeyPatch) -> None:
    def unsubscribe(former: Any, own: Questions, peer: Any, query_id: int) -> None:
        if query_id in peer.subscriptions:
            peer.send(peer.session.query_closed(query_id, ResultCode.SUCCESS))
            del peer.subscriptions[query_id]
        else:
            former(own, peer, query_id)

    around(patch, Questions, "unsubscribe", unsubscribe)


@variant("subscriptions.limit_of_stored_ones")
def limits_end_live_parts(patch: pytest.MonkeyPatch) -> None:
    left: dict[int, int] = {}

    def begin(former: Any, own: Subscriptions, peer: Any, query_id: int, compiled: Any, limit: int) -> None:
        if limit:
            left[own._next] = limit
        former(own, peer, query_id, compiled, limit)

    def deliver(
        former: Any, own: Subscriptions, record: bytes, position: int, label: int, numbers: list[int]
    ) -> None:
        kept = []
        for number in numbers:
            if number in left:
                left[number] -= 1
            if left.get(number, 0) >= 0:
                kept.append(number)
        former(own, record, position, label, kept)

    around(patch, Subscriptions, "open", begin)
    around(patch, Subscriptions, "_deliver", deliver)


@variant("subscriptions.duplicates_do_not_come")
def duplicates_come_live(patch: pytest.MonkeyPatch) -> None:
    from mosaic.server import writer  # noqa: PLC0415

    def committed(former: Any, own: Any, batch: Any, segment: Any, written: Any) -> Any:
        outcomes = bytes(0 if each == 1 else each for each in written.outcomes)
        return former(own, batch, segment, written._replace(outcomes=outcomes))

    around(patch, writer.Writer, "_committed", committed)


@variant(
    "access.author_and_tagged_live_anonymous",
    "access.author_and_tagged_live_stranger",
    "access.author_only_live_anonymous",
    "access.author_only_live_stranger",
    "access.author_only_live_tagged",
    "ephemeral.private_ones_stay_private",
    "subscriptions.private_ones_stay_private",
)
def live_records_come_to_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(subscriptions, "is_open", lambda *_: True)


@variant(
    "access.a_proven_key_is_one_links",
    "access.author_and_tagged_stored_anonymous",
    "access.author_and_tagged_stored_stranger",
    "access.author_only_stored_anonymous",
    "access.author_only_stored_stranger",
    "access.author_only_stored_tagged",
    "access.tagged_means_notify",
    "encryption.its_author_does_not_read",
    "encryption.nobody_else_reads",
    "encryption.takes_no_place_in_limits",
    "queries.absent_and_forbidden_look_the_same",
    "queries.limit_after_access",
    "schedules.device_gets_rights_at_once",
    "schedules.device_reads_as_its_master",
    "schedules.out_of_use_device_reads_nothing",
    "schedules.revoked_device_reads_nothing",
    "subscriptions.private_ones_stay_private",
    "sync.for_whom_it_is",
    "sync.shows_nothing_private",
)
def stored_records_come_to_everybody(patch: pytest.MonkeyPatch) -> None:
    def everything(name: str) -> Any:
        def call(store: Any, *given: Any, **named: Any) -> Any:
            return getattr(store, name)(*given, **{**named, "viewers": None})

        return call

    odd_store(patch, scan=everything("scan"), lookup=everything("lookup"))


@variant(
    "access.a_proven_key_is_one_links",
    "access.author_and_tagged_stored_anonymous",
    "access.author_and_tagged_stored_stranger",
    "access.author_only_stored_anonymous",
    "access.author_only_stored_stranger",
    "access.author_only_stored_tagged",
    "access.tagged_means_notify",
    "encryption.its_author_does_not_read",
    "encryption.nobody_else_reads",
    "queries.absent_and_forbidden_look_the_same",
    "schedules.device_gets_rights_at_once",
    "schedules.device_reads_as_its_master",
    "schedules.out_of_use_device_reads_nothing",
    "schedules.revoked_device_reads_nothing",
    "sync.shows_nothing_private",
)
def references_find_what_is_private(patch: pytest.MonkeyPatch) -> None:
    odd_store(patch, lookup=lambda store, references, **_: store.lookup(references))


@variant(
    "access.author_and_tagged_live_tagged",
    "encryption.comes_live_to_the_recipient",
    "ephemeral.private_ones_stay_private",
)
def only_authors_read_what_is_private(patch: pytest.MonkeyPatch) -> None:
    def may_read(former: Any, record: bytes, viewers: Any, label: int = 0) -> bool:
        return former(record, viewers, label) and (record[63] & 0x0C != 4 or record[64:96] in viewers)

    around(patch, subscriptions, "may_read", may_read)


@variant(
    "access.author_and_tagged_live_stranger",
    "access.author_only_live_stranger",
    "access.author_only_live_tagged",
    "subscriptions.private_ones_stay_private",
)
def anybody_with_a_key_reads_live(patch: pytest.MonkeyPatch) -> None:
    def may_read(former: Any, record: bytes, viewers: Any, label: int = 0) -> bool:
        return former(record, viewers, label) or bool(viewers)

    around(patch, subscriptions, "may_read", may_read)


@variant(
    "schedules.device_gets_rights_at_once",
    "schedules.device_reads_as_its_master",
    "schedules.revoked_device_reads_nothing",
)
def keys_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    def give(former: Any, own: Rights, peer: Any) -> None:
        former(own, peer)
        peer.viewers = peer.viewers[:1]

    around(patch, Rights, "give", give)


@variant("schedules.revoked_device_reads_nothing")
def rights_stay_when_keys_are_revoked(patch: pytest.MonkeyPatch) -> None:
    def changed(former: Any, own: Rights, peers: Any, author: Any = None) -> None:
        had = {peer: peer.viewers for peer in peers}
        former(own, had, author)
        for peer, viewers in had.items():
            peer.viewers = tuple(dict.fromkeys((*peer.viewers, *viewers)))

    around(patch, Rights, "changed", changed)


# --- ephemeral


@variant(
    "ephemeral.is_not_stored",
    "ephemeral.not_for_those_who_come_later",
)
def ephemeral_ones_are_stored(patch: pytest.MonkeyPatch) -> None:
    from mosaic.store.store import Mode  # noqa: PLC0415

    def publish(former: Any, own: Publisher, committed: Any) -> Any:
        store = own._subscriptions._store
        passing = [record for record in committed.records if record[63] & 3 == 1]
        if passing:
            first = store.last_received_ns + 1
            store.append(
                passing, list(range(first, first + len(passing))), bytes([Mode.KEEP_ALL]) * len(passing)
            )
            committed = replace(committed, end=store.end)
        return former(own, committed)

    around(patch, Publisher, "publish", publish)


@variant(
    "ephemeral.is_not_stored",
    "ephemeral.not_for_those_who_come_later",
    "ephemeral.passes_once",
    "ephemeral.private_ones_stay_private",
    "ephemeral.reaches_subscribers",
)
def ephemeral_ones_reach_nobody(patch: pytest.MonkeyPatch) -> None:
    def deliver(former: Any, own: Subscriptions, record: bytes, *given: Any) -> None:
        if record[63] & 3 != 1:
            former(own, record, *given)

    around(patch, Subscriptions, "_deliver", deliver)


@variant("ephemeral.nobody_listens", "ephemeral.somebody_else_listens")
def no_consumers_is_never_said(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscriptions, "has_consumers", lambda *_: True)


@variant(
    "ephemeral.four_minutes_off",
    "ephemeral.is_not_stored",
    "ephemeral.not_for_those_who_come_later",
    "ephemeral.passes_once",
    "ephemeral.private_ones_stay_private",
    "ephemeral.reaches_subscribers",
)
def no_consumers_is_always_said(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscriptions, "has_consumers", lambda *_: False)


@variant("ephemeral.nobody_may_listen", "ephemeral.on_anothers_link")
def no_consumers_is_said_to_anybody(patch: pytest.MonkeyPatch) -> None:
    def pass_on(former: Any, own: Judge, record: bytes, *given: Any) -> Any:
        result = former(own, record, *given)
        if result is ResultCode.ACCEPTED and not own._has_consumers(record, 0):
            return ResultCode.NO_CONSUMERS
        return result

    around(patch, Judge, "_pass_on", pass_on)


@variant("ephemeral.passes_once")
def ephemeral_ones_pass_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EphemeralMemory, "knows", lambda *_: False)


@variant("ephemeral.six_minutes_ago", "ephemeral.six_minutes_ahead")
def old_ephemeral_ones_pass(patch: pytest.MonkeyPatch) -> None:
    settings(patch, ephemeral_window_ns=10 * MINUTE)


@variant("ephemeral.four_minutes_off")
def ephemeral_ones_must_be_of_now(patch: pytest.MonkeyPatch) -> None:
    settings(patch, ephemeral_window_ns=2 * MINUTE)
