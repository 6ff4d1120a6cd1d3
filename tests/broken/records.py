"""Variants that break what makes a record valid, and when it may come."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.core import validation
from mosaic.core.record import FLAG_FROM_AUTHOR
from mosaic.server import judge
from mosaic.server.judge import Judge
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, settings, variant

MINUTE = 60_000_000_000
OK = 0


def _ignored(patch: pytest.MonkeyPatch, *verdicts: int) -> None:
    """The rules of these verdicts are not kept; the kernel tells the first that is broken, so others are."""

    def check_batch(former: Any, records: Any, **named: Any) -> bytes:
        return bytes(OK if each in verdicts else each for each in former(records, **named))

    around(patch, validation, "check_batch", check_batch)


@variant("records.signature_scheme", "records.signature_scheme_high")
def signature_schemes_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 5)


@variant("bad_bytes.every_bit_counts", "records.flag_byte_0", "records.flag_byte_1", "records.flag_byte_2")
def reserved_flags_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 6)


@variant("bad_bytes.every_bit_counts", "records.late_timestamp", "records.other_time_in_the_id")
def late_timestamps_are_taken(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 7, 8)


@variant("bad_bytes.every_bit_counts", "records.other_time_in_the_id")
def times_in_ids_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 8)


@variant("records.nonce_without_its_bit")
def nonces_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 9)


@variant(
    "bad_bytes.every_bit_counts",
    "records.kind_high_flag_bits",
    "records.kind_reserved_bits",
    "records.read_access_ten",
)
def reserved_kinds_are_taken(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 10)


@variant("records.part_of_a_tag", "records.tag_of_nothing", "records.tag_too_long", "records.tag_too_short")
def tags_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 11)


@variant(
    "bad_bytes.every_bit_counts",
    "records.identity_as_signer",
    "records.not_canonical_signer",
    "records.small_order_signer",
)
def signing_keys_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 12)


@variant("bad_bytes.every_bit_counts", "records.false_hash")
def hashes_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 14)


@variant(
    "bad_bytes.every_bit_counts",
    "bad_bytes.false_signatures_among_good_ones",
    "records.anothers_signature",
    "records.fail_alone",
    "records.false_one_leaves_others_links_alone",
    "records.false_signature",
    "records.high_s",
    "subscriptions.refused_ones_do_not_come",
)
def signatures_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    _ignored(patch, 15)


@variant("records.later_flag_bytes")
def reserved_bytes_of_flags_are_refused(patch: pytest.MonkeyPatch) -> None:
    def check_batch(former: Any, records: Any, **named: Any) -> bytes:
        found = former(records, **named)
        return bytes(
            6 if not verdict and any(record[139:144]) else verdict
            for verdict, record in zip(found, records, strict=True)
        )

    around(patch, validation, "check_batch", check_batch)


@variant("records.padding_is_not_judged")
def padding_must_be_zero(patch: pytest.MonkeyPatch) -> None:
    def padded(record: bytes) -> bool:
        length = int.from_bytes(record[148:152], "little")
        return length % 8 != 0 and any(record[len(record) - 64 - (-length % 8) : -64])

    def check_batch(former: Any, records: Any, **named: Any) -> bytes:
        found = former(records, **named)
        return bytes(
            3 if not verdict and padded(record) else verdict
            for verdict, record in zip(found, records, strict=True)
        )

    around(patch, validation, "check_batch", check_batch)


@variant("records.payload_is_not_unpacked")
def payloads_are_unpacked(patch: pytest.MonkeyPatch) -> None:
    def check_batch(former: Any, records: Any, **named: Any) -> bytes:
        found = former(records, **named)
        return bytes(
            6 if not verdict and record[136] & 1 else verdict
            for verdict, record in zip(found, records, strict=True)
        )

    around(patch, validation, "check_batch", check_batch)


@variant("records.application_rules_are_not_judged", "records.text_is_not_judged")
def texts_must_be_texts(patch: pytest.MonkeyPatch) -> None:
    def good(record: bytes) -> bool:
        start = 152 + (int.from_bytes(record[144:146], "little") + 7 & ~7)
        text = record[start : start + int.from_bytes(record[148:152], "little")]
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
        return True

    def check_batch(former: Any, records: Any, **named: Any) -> bytes:
        found = former(records, **named)
        return bytes(
            6 if not verdict and record[63] & 0x10 and not good(record) else verdict
            for verdict, record in zip(found, records, strict=True)
        )

    around(patch, validation, "check_batch", check_batch)


@variant(
    "time_edges.last_moment",
    "time_edges.sixteen_minutes_ahead",
)
def the_future_is_taken(patch: pytest.MonkeyPatch) -> None:
    settings(patch, future_ns=(1 << 63))


@variant("time_edges.fourteen_minutes_ahead")
def the_near_future_is_refused(patch: pytest.MonkeyPatch) -> None:
    settings(patch, future_ns=5 * MINUTE)


@variant("records.of_long_ago")
def the_past_is_refused(patch: pytest.MonkeyPatch) -> None:
    def judge_run(
        former: Any, own: Judge, batch: Any, segment: Any, bearer: Any, end: int, *rest: Any
    ) -> None:
        now_ns = rest[-1]
        for index in range(segment.end, end):
            if int.from_bytes(batch.records[index][:8], "big") < now_ns - 400 * 24 * 60 * MINUTE:
                batch.verdicts = bytearray(batch.verdicts)
                batch.verdicts[index] = 7
        former(own, batch, segment, bearer, end, *rest)

    around(patch, Judge, "_judge_run", judge_run)


@variant("access.from_author_on_anothers_link", "access.from_author_without_a_key")
def from_author_comes_on_any_link(patch: pytest.MonkeyPatch) -> None:
    assert FLAG_FROM_AUTHOR
    patch.setattr(judge, "_refuse_bearer", lambda *_: None)


@variant("access.from_author_on_his_own_link", "access.from_author_without_a_key")
def from_author_comes_on_no_link(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judge, "_refuse_bearer", lambda *_: ResultCode.UNAUTHORIZED)


@variant("records.twice_in_one_go", "records.twice_is_a_duplicate")
def duplicates_are_accepted(patch: pytest.MonkeyPatch) -> None:
    from mosaic.server import writer  # noqa: PLC0415
    from mosaic.store.store import Outcome  # noqa: PLC0415

    table = bytearray(writer._RESULTS)
    table[Outcome.DUPLICATE] = ResultCode.ACCEPTED
    patch.setattr(writer, "_RESULTS", bytes(table))


@variant("limits.longest_record")
def long_records_are_cut_off(patch: pytest.MonkeyPatch) -> None:
    settings(patch, record_limit=1_040_000)
