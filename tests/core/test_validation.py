"""Each rule of validation by a record that breaks it alone, by one error from one check and from many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.core.makers import MASTER, OTHER, plain, post, rehashed

from mosaic import errors
from mosaic._kernel import _rust
from mosaic.core import validation
from mosaic.core.record import Record
from mosaic.core.validation import RULES

L = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
NOT_CANONICAL = bytes.fromhex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")


def changed(place: int, replacement: bytes, *, rehash: bool = True) -> bytes:
    data = bytearray(plain().data)
    data[place : place + len(replacement)] = replacement
    return rehashed(bytes(data)) if rehash else bytes(data)


def with_tags(section: bytes) -> bytes:
    """A record whose tags section is `section`, padded, with the right hash."""
    header = bytearray(post(payload=b"").data[:152])
    header[144:146] = len(section).to_bytes(2, "little")
    return rehashed(bytes(header) + section + bytes(-len(section) % 8) + bytes(64))


def shifted_signature() -> bytes:
    """The same signature with S + L: the same number modulo L."""
    data = bytearray(plain().data)
    scalar = int.from_bytes(data[-32:], "little") + L
    data[-32:] = scalar.to_bytes(32, "little")
    return bytes(data)


BROKEN: list[tuple[type[errors.InvalidRecord], str, Callable[[], bytes]]] = [
    (errors.RecordTooShort, "empty", lambda: b""),
    (errors.RecordTooShort, "215 bytes", lambda: post(payload=b"").data[:215]),
    (errors.RecordTooLong, "over 1 MiB", lambda: plain().data + bytes(1_048_576)),
    (errors.RecordSignatureLength, "LenS 0", lambda: changed(146, b"\0\0")),
    (errors.RecordSignatureLength, "LenS 63", lambda: changed(146, b"\x3f\0")),
    (errors.RecordSignatureLength, "LenS 65", lambda: changed(146, b"\x41\0")),
    (errors.RecordLengthMismatch, "trailing bytes", lambda: plain().data + bytes(8)),
    (errors.RecordLengthMismatch, "cut", lambda: plain().data[:-8]),
    (errors.RecordLengthMismatch, "LenP too great", lambda: changed(148, b"\xff\xff\xff\xff")),
    (errors.RecordLengthMismatch, "LenT too great", lambda: changed(144, b"\xff\xff")),
    (errors.RecordSignatureScheme, "scheme 01", lambda: changed(136, b"\x40")),
    (errors.RecordSignatureScheme, "scheme 10", lambda: changed(136, b"\x80")),
    (errors.RecordSignatureScheme, "scheme 11", lambda: changed(136, b"\xc0")),
    (errors.RecordReservedFlags, "flag 0x02", lambda: changed(136, b"\x02")),
    (errors.RecordReservedFlags, "flag 0x08", lambda: changed(136, b"\x08")),
    (errors.RecordReservedFlags, "flag 0x20", lambda: changed(136, b"\x20")),
    (errors.RecordReservedFlags, "byte 1", lambda: changed(137, b"\x01")),
    (errors.RecordReservedFlags, "byte 2", lambda: changed(138, b"\x80")),
    (errors.RecordTimestampRange, "top bit", lambda: changed(128, b"\x80")),
    (errors.RecordIdTimestamp, "id one ns later", lambda: changed(7, b"\x01", rehash=False)),
    (errors.RecordNonce, "first bit 0", lambda: changed(48, b"\x00")),
    (errors.RecordKind, "bit 5", lambda: changed(63, b"\x3c")),
    (errors.RecordKind, "bit 15", lambda: changed(62, b"\x80")),
    (errors.RecordKind, "read access 10", lambda: changed(63, b"\x18")),
    (errors.RecordTags, "length 0", lambda: with_tags(bytes(4))),
    (errors.RecordTags, "length 3", lambda: with_tags(b"\x03\0\x01\0")),
    (errors.RecordTags, "runs over", lambda: with_tags(b"\x09\0\x01\0abcd")),
    (errors.RecordTags, "left over", lambda: with_tags(b"\x04\0\x01\0\x04\0\x01")),
    (errors.RecordSigningKey, "small order", lambda: changed(96, SMALL_ORDER)),
    (errors.RecordSigningKey, "not canonical", lambda: changed(96, NOT_CANONICAL)),
    (errors.RecordSigningKey, "not on the curve", lambda: changed(96, b"\x02" + bytes(31))),
    (errors.RecordAuthorKey, "small order", lambda: changed(64, SMALL_ORDER)),
    (errors.RecordAuthorKey, "not canonical", lambda: changed(64, NOT_CANONICAL)),
    (
        errors.RecordHash,
        "last byte of the hash",
        lambda: changed(47, bytes([plain().data[47] ^ 1]), rehash=False),
    ),
    (errors.RecordHash, "payload", lambda: changed(168, b"T", rehash=False)),
    (errors.RecordSignature, "payload, hashed again", lambda: changed(168, b"T")),
    (errors.RecordSignature, "by another key", lambda: changed(96, OTHER.public.bytes)),
    (errors.RecordSignature, "another author", lambda: changed(64, OTHER.public.bytes)),
    (errors.RecordSignature, "S beyond L", shifted_signature),
    (errors.RecordSignature, "R zero", lambda: changed(176, bytes(32))),
]


@pytest.mark.claim("C9", "C23", "C24", "C25", "C26")
@pytest.mark.parametrize(
    ("error", "data"), [(e, d) for e, _, d in BROKEN], ids=[f"{e.__name__}-{n}" for e, n, _ in BROKEN]
)
def test_one_precise_error_for_each_rule(
    error: type[errors.InvalidRecord], data: Callable[[], bytes]
) -> None:
    record = data()
    with pytest.raises(errors.InvalidRecord) as caught:
        Record.parse(record)
    assert type(caught.value) is error
    assert str(caught.value) == next(rule.sentence for rule in RULES.values() if rule.error is error)
    verdict = validation.check_batch([plain().data, record, plain().data])
    assert verdict[0] == verdict[2] == _rust.RECORD_OK
    assert RULES[verdict[1]].error is error


@pytest.mark.claim("C25")
def test_every_rule_is_broken_by_some_record_above() -> None:
    assert {error for error, _, _ in BROKEN} == {rule.error for rule in RULES.values()}


def test_the_table_has_every_verdict_of_the_kernel_and_every_error_once() -> None:
    verdicts = {getattr(_rust, name) for name in dir(_rust) if name.startswith("RECORD_")}
    assert set(RULES) == verdicts - {_rust.RECORD_OK}
    assert {rule.error for rule in RULES.values()} == set(errors.InvalidRecord.__subclasses__())
    assert list(RULES) == sorted(RULES)


@pytest.mark.claim("C26")
@pytest.mark.parametrize("place", range(139, 144))
def test_flag_bytes_3_to_7_are_ignored(place: int) -> None:
    data = bytearray(plain().data)
    data[place] = 0xFF
    resigned = _rust.seal_record(bytes([2]) * 32, bytes(data[48:-64]))
    assert Record.parse(resigned).flags[place - 136] == 0xFF


@pytest.mark.claim("C24", "C25")
def test_padding_is_not_judged() -> None:
    data = bytearray(plain().data)
    data[167] = data[175] = 0xAA
    resigned = _rust.seal_record(bytes([2]) * 32, bytes(data[48:-64]))
    assert Record.parse(resigned).padding == bytes.fromhex("0000aa 000000aa")


@pytest.mark.claim("C24")
def test_a_record_of_exactly_1_mib_is_valid() -> None:
    record = post(payload=bytes(1_048_576 - 216))
    assert len(record) == 1_048_576
    Record.parse(record.data)


def test_many_records_at_once() -> None:
    good, bad = plain().data, changed(168, b"T")
    found = list(validation.invalid_in([good, bad, b"", good]))
    assert [(index, type(error)) for index, error in found] == [
        (1, errors.RecordSignature),
        (2, errors.RecordTooShort),
    ]
    assert validation.check_batch([]) == b""
    assert validation.error_for(_rust.RECORD_OK) is None


@pytest.mark.claim("C9")
def test_single_and_batch_agree_wherever_the_bad_record_stands() -> None:
    records = [post(MASTER, payload=str(number).encode()).data for number in range(40)]
    for place in range(0, 40, 7):
        mixed = list(records)
        mixed[place] = changed(168, b"T")
        verdicts = validation.check_batch(mixed, batch=16, threads=2)
        assert [index for index, verdict in enumerate(verdicts) if verdict] == [place]
