from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.policy.bans import KEY_BITS, Ban, BanList, network, network_text
from mosaic.wire.result_code import ResultCode

HOUR = 3_600 * 1_000_000_000
KEY = b"k" * 32


def ip(text: str, until_ns: int | None = None) -> Ban:
    value, prefix = network(text)
    return Ban("ip", value, prefix, "spam", 0, until_ns, "operator")


def code(bans: BanList, address: str, now_ns: int = 0) -> ResultCode | None:
    refused = bans.of_address(address, now_ns)
    return None if refused is None else refused.result


@pytest.mark.claim("C60")
def test_each_way_of_being_banned_has_its_code() -> None:
    bans = BanList([ip("192.0.2.1"), ip("192.0.2.2", HOUR)])
    assert code(bans, "192.0.2.1") is ResultCode.IP_PERM_BANNED
    assert code(bans, "192.0.2.2") is ResultCode.IP_TEMP_BANNED
    assert code(bans, "192.0.2.3") is None
    bans.add(Ban("key", KEY, KEY_BITS, "spam", 0, HOUR, "operator"))
    refused = bans.of_key(KEY, 0)
    assert refused is not None
    assert refused.result is ResultCode.PUBKEY_TEMP_BANNED
    bans.add(Ban("key", KEY, KEY_BITS, "spam", 0, None, "operator"))
    refused = bans.of_key(KEY, 0)
    assert refused is not None
    assert refused.result is ResultCode.PUBKEY_PERM_BANNED
    assert bans.of_key(b"o" * 32, 0) is None
    assert len(bans) == 3


@pytest.mark.claim("C60")
def test_a_ban_ends() -> None:
    bans = BanList([ip("192.0.2.0/24", HOUR)])
    assert code(bans, "192.0.2.77", HOUR - 1) is ResultCode.IP_TEMP_BANNED
    assert code(bans, "192.0.2.77", HOUR) is None
    assert bans.networks(HOUR) == []
    assert not bans.forget_ended(HOUR - 1)
    assert bans.forget_ended(HOUR)
    assert len(bans) == 0


def test_a_network_is_banned_with_all_in_it_and_nobody_beside_it() -> None:
    bans = BanList([ip("10.1.0.0/16"), ip("2001:db8:7::/48", HOUR)])
    assert code(bans, "10.1.255.3")
    assert code(bans, "::ffff:10.1.2.3")
    assert code(bans, "10.2.0.1") is None
    assert code(bans, "2001:db8:7:1::/64") is ResultCode.IP_TEMP_BANNED
    assert code(bans, "2001:db8:8::1") is None
    assert code(bans, "memory") is None
    bans.add(ip("2001:db8::/32"))
    assert code(bans, "2001:db8:7::1") is ResultCode.IP_PERM_BANNED  # the harder one counts


def test_a_lifted_ban_is_gone_and_others_stay() -> None:
    first, second = ip("10.1.0.0/16"), ip("10.2.0.0/16")
    bans = BanList([first, second])
    bans.remove(first)
    bans.remove(first)
    assert code(bans, "10.1.0.1") is None
    assert code(bans, "10.2.0.1")
    assert bans.networks(0) == [(bytes((10, 2, 0, 0)), 16)]
    assert first.name not in bans
    assert second.name in bans


@given(st.ip_addresses(), st.integers(0, 32))
def test_networks_as_text_are_the_same_networks(address: object, prefix: int) -> None:
    found = network(f"{address}/{prefix}")
    assert network(network_text(*found)) == found


def test_the_oldest_of_a_source_is_found() -> None:
    first, second = ip("192.0.2.1"), ip("192.0.2.2")
    bans = BanList([first, second])
    assert bans.oldest_of("operator") == first
    bans.remove(first)
    assert bans.oldest_of("operator") == second
    assert bans.oldest_of("the server") is None
