"""Variants that break deletion, the encryption role and sync."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.core.community_kinds import PRIVATE_DELETION
from mosaic.core.filter import Filter
from mosaic.policy import whole
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Accept
from mosaic.server import judge, sync_service, writer
from mosaic.store.store import Outcome
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, odd_store, variant

# --- deletion


def _deletes(patch: pytest.MonkeyPatch, change: Any) -> None:
    """Which Deletions count is decided in another way."""
    around(patch, judge, "counts", change)


@variant(
    "deletion.by_a_device",
    "deletion.by_a_key_that_is_revoked_later",
    "deletion.by_address",
    "deletion.by_id",
    "deletion.comes_first",
    "deletion.in_one_go",
    "deletion.later_ones_live",
    "deletion.makes_room_in_limits",
    "deletion.not_for_later_subscribers",
    "deletion.of_deletions",
    "deletion.of_many",
    "deletion.of_what_was_replaced",
    "deletion.older_versions_stay_away",
    "deletion.sticks",
    "encryption.recipient_deletes",
    "sync.without_what_was_deleted",
)
def deletions_do_nothing(patch: pytest.MonkeyPatch) -> None:
    _deletes(patch, lambda *_: False)


@variant(
    "deletion.by_a_device",
    "deletion.by_a_key_that_is_revoked_later",
)
def devices_delete_nothing(patch: pytest.MonkeyPatch) -> None:
    _deletes(
        patch,
        lambda former, record, held: former(record, held) and record.author_bytes == record.signer_bytes,
    )


@variant(
    "encryption.recipient_deletes",
)
def private_deletions_do_nothing(patch: pytest.MonkeyPatch) -> None:
    _deletes(patch, lambda former, record, held: former(record, held) and record.kind != PRIVATE_DELETION)


@variant(
    "deletion.comes_first",
    "deletion.of_deletions",
    "deletion.older_versions_stay_away",
    "deletion.sticks",
    "encryption.recipient_deletes",
)
def what_was_deleted_is_said_to_be_taken(patch: pytest.MonkeyPatch) -> None:
    table = bytearray(writer._RESULTS)
    table[Outcome.DELETED] = ResultCode.ACCEPTED
    patch.setattr(writer, "_RESULTS", bytes(table))


@variant(
    "deletion.by_a_key_that_is_revoked_later",
    "deletion.is_served_itself",
)
def deletions_are_found_by_no_query(patch: pytest.MonkeyPatch) -> None:
    from mosaic.server.deletion import is_deletion  # noqa: PLC0415

    def scan(store: Any, compiled: Any, **named: Any) -> Any:
        found, _ = store.scan(compiled, **named).records(100_000, 10**9)
        return store.lookup(
            [data[:48] for _, _, data in found if not is_deletion(data)], viewers=named.get("viewers")
        )

    odd_store(patch, scan=scan)


# --- encryption


@variant(
    "encryption.comes_live_to_nobody_else",
    "encryption.its_author_does_not_read",
    "encryption.takes_no_place_in_limits",
)
def authors_read_private_messages(patch: pytest.MonkeyPatch) -> None:
    def decide(former: Any, hooks: Any, asked: Any) -> Any:
        verdict = former(hooks, asked)
        return ACCEPT if isinstance(asked, Submission) and isinstance(verdict, Accept) else verdict

    around(patch, judge, "decide", decide)


@variant(
    "encryption.bare_channel_key",
    "encryption.bare_direct_message",
)
def bare_private_kinds_are_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(whole, "no_bare_private_kinds", lambda _: ACCEPT)


# --- sync


@variant(
    "sync.for_whom_it_is",
    "sync.shows_nothing_private",
)
def sync_shows_what_is_private(patch: pytest.MonkeyPatch) -> None:
    def scan(store: Any, compiled: Any, **named: Any) -> Any:
        if "limit" not in named:
            named = {**named, "viewers": None}
        return store.scan(compiled, **named)

    odd_store(patch, scan=scan)


@variant(
    "sync.only_what_the_filter_matches",
)
def sync_forgets_the_filter(patch: pytest.MonkeyPatch) -> None:
    def compile_filter(former: Any, data: bytes) -> Any:
        kept = tuple(each for each in Filter.parse(data).elements if each.TYPE != 0x80)
        return former(Filter(kept).encode())

    around(patch, sync_service, "compile_filter", compile_filter)


@variant(
    "sync.bad_filter",
)
def bad_filters_of_sync_match_nothing(patch: pytest.MonkeyPatch) -> None:
    def compile_filter(former: Any, data: bytes) -> Any:
        try:
            return former(data)
        except Exception:  # noqa: BLE001
            return former(Filter.of(kinds=[]).encode())

    around(patch, sync_service, "compile_filter", compile_filter)


@variant(
    "sync.get",
)
def prefixes_find_only_the_first(patch: pytest.MonkeyPatch) -> None:
    def lookup(store: Any, references: Any, **named: Any) -> Any:
        short = [each for each in references if len(each) == 32]
        return store.lookup(short[:1] if len(short) == len(references) else references, **named)

    odd_store(patch, lookup=lookup)
