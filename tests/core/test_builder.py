from __future__ import annotations

import pytest
from tests.core.makers import MASTER, NOW, SUBKEY, post

from mosaic.core import builder, kinds, nonce
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.errors import (
    InvalidContent,
    InvalidTag,
    InvalidTimestamp,
    RecordNonce,
    RecordReservedFlags,
    RecordTooLong,
)


def build(**changes: object) -> Record:
    arguments: dict[str, object] = {"kind": kinds.EXAMPLE, "nonce": nonce.FIXED, "timestamp": NOW}
    return builder.build(MASTER, **{**arguments, **changes})  # type: ignore[arg-type]


@pytest.mark.claim("C30", "C32")
def test_every_way_to_make_a_nonce() -> None:
    by_time = build(nonce=nonce.from_time(NOW))
    later = build(nonce=nonce.from_time(NOW + 1))
    assert by_time.address < later.address
    by_string = build(nonce=nonce.from_string(b"settings"))
    assert by_string.address == build(nonce=nonce.from_string(b"settings"), payload=b"x").address
    edited = build(nonce=nonce.copied(by_time.address), timestamp=NOW + 5)
    assert edited.address == by_time.address
    assert edited.id > by_time.id
    assert build(nonce=nonce.random(bytes(8))).nonce == nonce.FIXED == build().nonce


@pytest.mark.claim("C30")
def test_ids_sort_in_time_order() -> None:
    records = [post(timestamp=time) for time in (0, 1, NOW, NOW + 1, 2**63 - 1)]
    assert sorted(record.id.bytes for record in records) == [record.id.bytes for record in records]


@pytest.mark.claim("C30")
def test_a_nonce_that_begins_with_0_is_refused() -> None:
    with pytest.raises(RecordNonce):
        build(nonce=bytes(8))


def test_the_author_is_the_signer_unless_told() -> None:
    assert build().author == build().signer == MASTER.public
    by_subkey = builder.build(
        SUBKEY, author=MASTER.public, kind=kinds.EXAMPLE, nonce=nonce.FIXED, timestamp=NOW
    )
    assert (by_subkey.author, by_subkey.signer) == (MASTER.public, SUBKEY.public)


@pytest.mark.claim("C24")
def test_limits_are_met_exactly() -> None:
    assert len(build(payload=bytes(1_048_576 - 216))) == 1_048_576
    with pytest.raises(RecordTooLong, match="1,048,584"):
        build(payload=bytes(1_048_576 - 215))
    assert len(build(tags=[Tag(5, bytes(65_531))]).tags_section) == 65_535
    with pytest.raises(InvalidTag):
        build(tags=[Tag(5, bytes(65_531)), Tag(5, b"")])
    with pytest.raises(RecordTooLong):
        build(tags=[Tag(5, bytes(8))], payload=bytes(1_048_576 - 216))


def test_errors_tell_what_to_do() -> None:
    with pytest.raises(RecordTooLong) as caught:
        build(payload=bytes(1_048_576))
    assert "blob" in caught.value.hint


def test_content_over_the_limit_is_not_compressed_away() -> None:
    with pytest.raises(InvalidContent):
        build(payload=bytes(1_048_577), compress=True)


@pytest.mark.parametrize("timestamp", [-1, 2**63])
def test_times_outside_of_the_range_are_refused(timestamp: int) -> None:
    with pytest.raises(InvalidTimestamp):
        build(timestamp=timestamp)


@pytest.mark.claim("C26")
@pytest.mark.parametrize(
    "flags", ["02", "08", "40", "80", "0001", "000001", "0000000000000001", "000000000000000000"]
)
def test_reserved_flags_are_never_written(flags: str) -> None:
    with pytest.raises(RecordReservedFlags):
        builder.seal(
            MASTER,
            author=MASTER.public,
            kind=kinds.EXAMPLE,
            nonce=nonce.FIXED,
            timestamp=NOW,
            flags=bytes.fromhex(flags) + bytes(max(0, 8 - len(flags) // 2)),
            section=b"",
            payload=b"",
        )


def test_the_seed_stays_out_of_the_record() -> None:
    secret = SecretKey.from_seed(bytes(range(100, 132)))
    record = builder.build(secret, kind=kinds.EXAMPLE, nonce=nonce.FIXED, timestamp=NOW)
    assert secret.reveal() not in record.data
