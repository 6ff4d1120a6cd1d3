from __future__ import annotations

import pytest

from mosaic.policy.bans import network
from mosaic.policy.offences import Offence, Offences

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def test_a_third_false_signature_within_a_minute_brings_a_ban_for_a_minute() -> None:
    offences = Offences()
    assert offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, 0) is None
    assert offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, SECOND) is None
    assert offences.note("192.0.2.2", Offence.FALSE_SIGNATURE, SECOND) is None
    ban = offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, 2 * SECOND)
    assert ban is not None
    assert (ban.what, ban.value, ban.prefix) == ("ip", *network("192.0.2.1"))
    assert ban.until_ns == 2 * SECOND + MINUTE
    assert ban.reason == "false signatures"


@pytest.mark.parametrize("what", Offence)
def test_offences_count_for_a_minute(what: Offence) -> None:
    offences = Offences()
    for number in range(what.most * 3):
        at_ns = number // (what.most - 1) * MINUTE
        assert offences.note("2001:db8::/64", what, at_ns) is None


def test_each_ban_within_a_day_is_twice_as_long_up_to_a_day() -> None:
    offences, now_ns, lengths = Offences(), 0, []
    for _ in range(13):
        ban = [offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, now_ns) for _ in range(3)][-1]
        assert ban is not None
        assert ban.until_ns is not None
        lengths.append((ban.until_ns - now_ns) // MINUTE)
        now_ns = ban.until_ns
    assert lengths == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    now_ns += DAY + 1
    found = [offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, now_ns) for _ in range(3)][-1]
    assert found is not None
    assert found.until_ns == now_ns + MINUTE


@pytest.mark.parametrize(
    ("address", "around"), [("192.0.2.{}", "192.0.2.0/24"), ("2001:db8:0:{}::/64", "2001:db8::/48")]
)
def test_many_banned_side_by_side_are_banned_as_a_neighbourhood(address: str, around: str) -> None:
    offences, bans = Offences(), []
    for number in range(1, 9):
        ban = [offences.note(address.format(number), Offence.FALSE_SIGNATURE, 0) for _ in range(3)][-1]
        assert ban is not None
        bans.append((ban.value, ban.prefix))
    assert bans[:7] == [network(address.format(number)) for number in range(1, 8)]
    assert bans[7] == network(around)


def test_one_who_is_banned_again_and_again_does_not_bring_a_ban_to_his_neighbours() -> None:
    offences = Offences()
    for number in range(20):
        at_ns = number * MINUTE * 10
        ban = [offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, at_ns) for _ in range(3)][-1]
        assert ban is not None
        assert ban.prefix == 32


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    offences = Offences(remembered=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert offences.note(address, Offence.FALSE_SIGNATURE, 0) is None
        assert offences.note(address, Offence.FALSE_SIGNATURE, 0) is None
    assert offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, 0) is None
    assert offences.note("192.0.2.3", Offence.FALSE_SIGNATURE, 0) is not None


def test_what_is_no_address_is_never_banned() -> None:
    offences = Offences()
    assert not any(offences.note("memory", Offence.FALSE_SIGNATURE, 0) for _ in range(9))
