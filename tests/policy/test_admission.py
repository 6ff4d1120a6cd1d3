from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.policy.admission import Arrival, ConnectionLimits, address_group
from mosaic.policy.verdict import ACCEPT, Refuse
from mosaic.wire.result_code import ResultCode


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("memory", "memory"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "0:0:0:0::/64"),
        ("2001:DB8::1", "2001:db8:0:0::/64"),
        ("2001:db8:0:7:8:9:a:b", "2001:db8:0:7::/64"),
        ("fe80::1%eth0", "fe80:0:0:0::/64"),
    ],
)
def test_address_groups(host: str, group: str) -> None:
    assert address_group(host) == group


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
def test_neighbours_of_one_64_are_one_group_and_others_are_not(number: int, host: int) -> None:
    address = ipaddress.IPv6Address(number)
    neighbour = ipaddress.IPv6Address(number >> 64 << 64 | host)
    if address.ipv4_mapped is None and neighbour.ipv4_mapped is None:
        assert address_group(str(address)) == address_group(neighbour.exploded)
        other = ipaddress.IPv6Address(number ^ 1 << 64)
        assert address_group(str(other)) != address_group(str(address))


@pytest.mark.claim("C89")
def test_connections_are_bounded_in_all_and_for_each_address() -> None:
    limits = ConnectionLimits(total=3, per_address=2)

    def arrive(address: str) -> ResultCode | None:
        verdict = limits.hook(Arrival(None, address))
        if verdict is ACCEPT:
            limits.opened(address)
            return None
        assert isinstance(verdict, Refuse)
        return verdict.result

    assert [arrive(address) for address in "aaabb"] == [
        None,
        None,
        ResultCode.TOO_FAST,
        None,
        ResultCode.TEMPORARY_ERROR,
    ]
    limits.closed("a")
    assert arrive("b") is None
