"""The match door's face: errors, bounds, and what a record costs."""

from __future__ import annotations

import random

import pytest

from mosaic._kernel import _rust
from mosaic.errors import InvalidFilter, UsageError
from tests.kernel import filter_samples, samples
from tests.kernel.filter_samples import element, tags_body, whole

RECORD = samples.record(0, 1, tags=samples.tag(1, b"abcd") + samples.tag(2, b""), timestamp=1000)
SINCE = element(0x80, (1000).to_bytes(8, "big"))


@pytest.mark.claim("C39")
@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "8 bytes at least"),
        (whole(SINCE)[:-1], "length field"),
        (whole(SINCE) + bytes(8), "length field"),
        (whole(SINCE)[:2] + b"\1" + whole(SINCE)[3:], "bytes 2 to 7 of the filter"),
        (whole(SINCE + bytes([0x81, 0]) + bytes(6)), "element 1 of the filter has length 0"),
        (whole(bytes([0x80, 3]) + bytes(14)), "behind the filter's end"),
        (whole(element(0x06, bytes(8))), "unknown type 0x06"),
        (whole(element(0x01, bytes(24))), "length that its type cannot have"),
        (whole(element(0x84, bytes(40))), "length that its type cannot have"),
        (whole(element(0x01, bytes(32))), "key that is not acceptable"),
        (whole(element(0x03, bytes([0, 0, 0, 1, 0, 1, 1, 0]))), "kind with reserved bits"),
        (whole(element(0x82, bytes([0x80]) + bytes(7))), "timestamp with its top bit set"),
        (whole(element(0x05, bytes([3, 0, 1, 0, 0, 0, 0, 0]))), "tag under 4 bytes"),
        (whole(element(0x85, bytes([4, 0, 1, 0, 0, 0, 0, 7]))), "padding that is not zero"),
    ],
)
def test_each_broken_rule_is_named(data: bytes, rule: str) -> None:
    with pytest.raises(InvalidFilter, match=rule):
        _rust.Filter(data)


@pytest.mark.claim("C40")
def test_each_element_selects() -> None:
    prefix, author, signer = RECORD[:32], samples.public(0), samples.public(1)
    tag = tags_body([samples.tag(1, b"abcd")])
    at, before, after = ((1000 + step).to_bytes(8, "big") for step in (0, -1, 1))
    selecting = {
        0x01: (author, signer),
        0x02: (signer, author),
        0x03: (samples.MICROBLOG, filter_samples.KINDS[1]),
        0x04: (at, after),
        0x05: (tag, tags_body([samples.tag(1, b"abc")])),
        0x80: (at, after),
        0x81: (at, before),
        0x82: (at, after),
        0x83: (at, before),
        0x84: (bytes(32), prefix),
        0x85: (tags_body([samples.tag(2, b"x")]), tag),
    }
    for kind, (good, bad) in selecting.items():
        assert _rust.Filter(whole(element(kind, good))).matches(RECORD, 1000), hex(kind)
        assert not _rust.Filter(whole(element(kind, bad))).matches(RECORD, 1000), hex(kind)


@pytest.mark.claim("C41")
def test_narrow_is_any_type_under_0x80() -> None:
    for kind in (0x01, 0x02, 0x03, 0x04, 0x05):
        assert _rust.Filter(whole(SINCE + element(kind, b""))).narrow
    wide = b"".join(element(kind, b"") for kind in (0x84, 0x85))
    assert not _rust.Filter(whole(SINCE + wide)).narrow
    assert not _rust.Filter(whole(b"")).narrow


@pytest.mark.claim("C39")
def test_the_largest_filter_is_taken() -> None:
    tags = element(0x05, tags_body([samples.tag(1, bytes(2028))]))
    assert len(tags) == 2040
    rest = element(0x85, bytes(232))
    data = whole(tags * 32 + rest)
    assert len(data) == 65_536 - 8
    assert not _rust.Filter(data).matches(RECORD)


def test_what_is_no_record_matches_nothing() -> None:
    for length in (0, 8, 100, 151):
        assert not _rust.Filter(whole(b"")).matches(RECORD[:length])


def test_a_number_is_given_once() -> None:
    subscriptions = _rust.Subscriptions()
    subscriptions.add(1, _rust.Filter(whole(b"")))
    with pytest.raises(UsageError, match="number 1 already"):
        subscriptions.add(1, _rust.Filter(whole(b"")))
    with pytest.raises(UsageError, match="one received time"):
        subscriptions.match([RECORD], [])
    assert not subscriptions.remove(2)


@pytest.mark.claim("C41")
def test_wide_and_narrow_subscriptions_are_found() -> None:
    subscriptions = _rust.Subscriptions()
    for number in range(400):
        key = samples.public(number)
        subscriptions.add(number, _rust.Filter(whole(element(0x01, key))))
    subscriptions.add((1 << 64) - 1, _rust.Filter(whole(SINCE)))
    subscriptions.add(1000, _rust.Filter(whole(element(0x05, tags_body([samples.tag(2, b"")])))))
    assert subscriptions.match([RECORD, RECORD], [1, 2]) == [[0, 1000, (1 << 64) - 1]] * 2


def test_random_filters_agree_with_the_subscriptions_that_hold_them() -> None:
    rng = random.Random("both")
    filters = [_rust.Filter(filter_samples.random_filter(rng)) for _ in range(200)]
    subscriptions = _rust.Subscriptions()
    for number, one in enumerate(filters):
        subscriptions.add(number, one)
    for _ in range(100):
        record = filter_samples.record(rng)
        expected = [number for number, one in enumerate(filters) if one.matches(record, 1004)]
        assert subscriptions.match([record], [1004]) == [expected]
