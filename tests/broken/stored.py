"""Variants that break what is stored, replaced, found and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.core.filter import Filter
from mosaic.errors import InvalidFilter
from mosaic.server import questions, reader, writer
from mosaic.store.store import DELETES, Mode, Outcome
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, frames_of, odd_store, variant


def _modes(patch: pytest.MonkeyPatch, duplicates: int, mode: Mode) -> None:
    """Records of these kinds are stored in another way than their kind says."""

    def append(store: Any, records: Any, received: Any, modes: Any, **named: Any) -> Any:
        changed = bytes(
            int(mode) | (each & DELETES) if record[63] & 3 == duplicates else each
            for record, each in zip(records, modes, strict=True)
        )
        return store.append(records, received, changed, **named)

    odd_store(patch, append=append)


@variant(
    "replacement.greater_id_at_the_same_time",
    "replacement.greater_id_came_first",
    "replacement.in_one_go",
    "replacement.newer_takes_the_place",
    "replacement.older_comes_late",
    "replacement.replaced_comes_again",
    "replacement.replaced_is_gone_by_id",
    "replacement.subscribers_see_each_version",
    "roles.inbox_and_replaceable_kinds",
    "schedules.are_served",
    "schedules.listed_devices_replace_each_other",
    "schedules.unproven_signers_do_not_replace",
    "sync.without_what_was_replaced",
)
def nothing_is_replaced(patch: pytest.MonkeyPatch) -> None:
    _modes(patch, 2, Mode.KEEP_ALL)


@variant("replacement.versions_are_all_kept", "replacement.versions_by_their_ids")
def versions_are_replaced(patch: pytest.MonkeyPatch) -> None:
    _modes(patch, 3, Mode.REPLACE_ADDRESS)


@variant(
    "replacement.unique_ones_are_all_kept",
)
def unique_ones_are_replaced(patch: pytest.MonkeyPatch) -> None:
    _modes(patch, 0, Mode.REPLACE_ADDRESS)


@variant(
    "replacement.greater_id_came_first",
    "replacement.older_comes_late",
    "replacement.replaced_comes_again",
)
def older_ones_are_said_to_be_accepted(patch: pytest.MonkeyPatch) -> None:
    table = bytearray(writer._RESULTS)
    table[Outcome.SUPERSEDED] = ResultCode.ACCEPTED
    patch.setattr(writer, "_RESULTS", bytes(table))


@variant(
    "roles.forged_authors_are_refused",
    "schedules.unproven_signers_do_not_replace",
    "server_info.of_nobody_else",
)
def anybody_replaces_anybody(patch: pytest.MonkeyPatch) -> None:
    def append(store: Any, records: Any, received: Any, modes: Any, **named: Any) -> Any:
        table = bytes(
            int(Mode.REPLACE_ADDRESS) if each == Mode.REPLACE_SIGNER else each for each in range(256)
        )
        return store.append(records, received, bytes(modes).translate(table), **named)

    odd_store(patch, append=append)


def _answers(patch: pytest.MonkeyPatch, change: Any) -> None:
    """What comes of scans is changed before it goes out."""

    def run_scans(former: Any, scans: Any, *given: Any, **named: Any) -> Any:
        slices = former(scans, *given, **named)
        return [
            (b"".join(change(frames_of(part[0]))), part[1], part[2]) if isinstance(part, tuple) else part
            for part in slices
        ]

    around(patch, reader, "run_scans", run_scans)


@variant(
    "queries.newest_first",
    "queries.same_time_by_id",
    "replacement.versions_are_all_kept",
    "subscriptions.stored_then_live",
)
def answers_are_oldest_first(patch: pytest.MonkeyPatch) -> None:
    _answers(patch, lambda frames: frames[::-1])


@variant("queries.same_time_by_id")
def ties_are_broken_the_wrong_way(patch: pytest.MonkeyPatch) -> None:
    def change(frames: list[bytes]) -> list[bytes]:
        return sorted(frames, key=lambda frame: (-int.from_bytes(frame[8:16], "big"), frame[16:56]))

    _answers(patch, change)


def _limit(patch: pytest.MonkeyPatch, change: Any) -> None:
    def scan(store: Any, compiled: Any, *, limit: int = 0, **named: Any) -> Any:
        return store.scan(compiled, limit=change(limit), **named)

    odd_store(patch, scan=scan)


@variant(
    "queries.limit_after_access",
    "queries.limit_of_exactly_all",
    "queries.limit_takes_the_newest",
    "queries.side_by_side",
    "subscriptions.limit_of_stored_ones",
)
def limits_are_one_too_great(patch: pytest.MonkeyPatch) -> None:
    _limit(patch, lambda limit: limit + 1 if limit else 0)


@variant(
    "queries.limit_after_access",
    "queries.limit_of_exactly_all",
    "queries.limit_takes_the_newest",
    "queries.side_by_side",
    "subscriptions.limit_of_stored_ones",
)
def limits_are_one_too_small(patch: pytest.MonkeyPatch) -> None:
    _limit(patch, lambda limit: limit - 1 if limit > 1 else limit)


@variant("queries.long_answers_are_whole", "queries.no_limit", "records.many_at_once")
def no_limit_is_a_hundred(patch: pytest.MonkeyPatch) -> None:
    _limit(patch, lambda limit: limit or 100)


@variant("queries.limit_after_access")
def limits_count_what_is_hidden(patch: pytest.MonkeyPatch) -> None:
    # The true store counts what may be read. A server that hides afterwards has counted everything.
    def scan(store: Any, compiled: Any, *, limit: int = 0, viewers: Any = None, **named: Any) -> Any:
        if not limit or viewers is None:
            return store.scan(compiled, limit=limit, viewers=viewers, **named)
        found, _ = store.scan(compiled, limit=limit, **named).records(limit, 10**9)
        return store.lookup([data[:48] for _, _, data in found], viewers=viewers)

    odd_store(patch, scan=scan)


def _without(patch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Filter elements of these types are passed over."""

    def compile_filter(former: Any, data: bytes) -> Any:
        former(data)
        kept = tuple(each for each in Filter.parse(data).elements if each.TYPE not in numbers)
        return former(Filter(kept).encode())

    around(patch, questions, "compile_filter", compile_filter)


@variant("filters.all_elements_must_match", "filters.by_author", "filters.empty_element")
def authors_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x01)


@variant("filters.by_signer", "server_info.of_nobody_else")
def signers_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x02)


@variant("time_edges.exact_times")
def times_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x04)


@variant(
    "filters.all_elements_must_match",
    "filters.by_tag",
    "filters.several_tag_elements",
    "filters.tag_types_count",
    "filters.tags_match_whole",
    "subscriptions.only_what_matches",
)
def tags_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x05)


@variant(
    "subscriptions.only_what_matches",
    "time_edges.since_and_until_together",
    "time_edges.since_includes_its_end",
)
def since_is_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x80)


@variant("time_edges.since_and_until_together", "time_edges.until_includes_its_end")
def until_is_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x81)


@variant("time_edges.received_since")
def received_since_is_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x82)


@variant("time_edges.received_until")
def received_until_is_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x83)


@variant("filters.without_ids")
def excluded_ids_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x84)


@variant("filters.without_tags", "subscriptions.only_what_matches")
def excluded_tags_are_not_filtered(patch: pytest.MonkeyPatch) -> None:
    _without(patch, 0x85)


def _moved(patch: pytest.MonkeyPatch, number: int, by: int) -> None:
    """The time in elements of a type is off by a nanosecond."""

    def compile_filter(former: Any, data: bytes) -> Any:
        former(data)
        changed = tuple(
            type(each)(type(each.timestamp)(each.timestamp + by)) if number == each.TYPE else each  # type: ignore[attr-defined,call-arg]
            for each in Filter.parse(data).elements
        )
        return former(Filter(changed).encode())

    around(patch, questions, "compile_filter", compile_filter)


@variant("time_edges.since_and_until_together", "time_edges.since_includes_its_end")
def since_leaves_out_its_end(patch: pytest.MonkeyPatch) -> None:
    _moved(patch, 0x80, 1)


@variant(
    "time_edges.since_and_until_together",
    "time_edges.until_includes_its_end",
)
def until_leaves_out_its_end(patch: pytest.MonkeyPatch) -> None:
    _moved(patch, 0x81, -1)


@variant(
    "bad_bytes.random_filters",
    "filters.address_to_exclude",
    "filters.bytes_after_the_filter",
    "filters.element_of_no_length",
    "filters.element_over_the_end",
    "filters.filter_padding",
    "filters.key_that_is_none",
    "filters.kind_that_is_none",
    "filters.part_of_a_key",
    "filters.reserved_bytes_of_an_element",
    "filters.reserved_bytes_of_the_head",
    "filters.unknown_element",
    "filters.wrong_filter_length",
    "subscriptions.bad_filter",
    "time_edges.filter_after_2262",
)
def bad_filters_match_nothing(patch: pytest.MonkeyPatch) -> None:
    def compile_filter(former: Any, data: bytes) -> Any:
        try:
            return former(data)
        except InvalidFilter:
            return former(Filter.of(kinds=[]).encode())

    around(patch, questions, "compile_filter", compile_filter)


@variant(
    "queries.absent_and_forbidden_look_the_same",
    "queries.get_of_what_is_not_there",
)
def what_is_absent_is_told(patch: pytest.MonkeyPatch) -> None:
    def get(former: Any, own: Any, peer: Any, query_id: int, references: Any) -> None:
        found = own._store.contains([each for each in references if each[0] < 0x80])
        if len(references) == 1 and found == [None]:
            own._refuse(peer, query_id, ResultCode.NOT_FOUND)
            return
        former(own, peer, query_id, references)

    around(patch, questions.Questions, "get", get)


@variant(
    "replacement.unique_ones_are_all_kept",
    "replacement.versions_are_all_kept",
    "roles.forged_authors_are_refused",
    "schedules.unproven_signers_do_not_replace",
)
def addresses_find_only_the_newest(patch: pytest.MonkeyPatch) -> None:
    def lookup(store: Any, references: Any, **named: Any) -> Any:
        if len(references) == 1 and references[0][0] >= 0x80:
            found, _ = store.lookup(references, **named).records(1, 10**9)
            references = [data[:48] for _, _, data in found]
        return store.lookup(references, **named)

    odd_store(patch, lookup=lookup)
