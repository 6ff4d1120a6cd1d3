"""The exam: our own server passes it over every transport, and it says what it could not try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.errors import Unreachable, UsageError
from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.limits import Limits, LimitTable
from mosaic.server.settings import ServerSettings
from mosaic.testing.exam import Need, Outcome, Who, all_checks, check, chosen
from mosaic.transport import Transport
from tests.testing.examined import MEMBER, WAITS, examined, findings, named


@pytest.mark.slow
@pytest.mark.claim("C33", "C90")
@pytest.mark.parametrize("transport", list(Transport))
async def test_our_server_passes_every_check(tmp_path: Path, transport: Transport) -> None:
    async with examined(tmp_path, [transport]) as examinee:
        found = await findings(examinee, chosen(()))
    assert named(found, Outcome.FAILED) == {}
    assert named(found, Outcome.NOT_RUN) == named(found, Outcome.OPEN) == {}
    assert len(named(found, Outcome.PASSED)) > 300


@pytest.mark.slow
@pytest.mark.claim("C55")
async def test_an_inbox_that_holds_back_passes_its_own_checks(tmp_path: Path) -> None:
    async with examined(tmp_path, list(Transport), roles=RoleSettings(withhold=True)) as examinee:
        found = await findings(examinee, chosen(["withheld", "server_info", "encryption"]))
    assert named(found, Outcome.FAILED, Outcome.OPEN, Outcome.NOT_RUN) == {}
    assert {each.check.group for each in found} == {"withheld", "server_info", "encryption"}


@pytest.mark.slow
@pytest.mark.claim("C60")
async def test_a_server_that_asks_for_work_says_so_and_takes_it(tmp_path: Path) -> None:
    row = Limits(work_bits=8)
    asking = ServerSettings(limits=LimitTable(anonymous=row, stranger=row))
    async with examined(tmp_path, settings=asking) as examinee:
        found = await findings(examinee, chosen(["server_info"]))
    assert named(found, Outcome.FAILED, Outcome.OPEN) == {}
    assert "server_info.asks_the_work_it_says" in named(found, Outcome.PASSED)


async def test_what_a_server_says_it_is_not_is_left_out(tmp_path: Path) -> None:
    async with examined(tmp_path, roles=RoleSettings()) as examinee:
        found = await findings(examinee, chosen(["chat", "withheld", "browser"]))
    assert found == []


async def test_checks_of_transports_that_were_not_asked_for_are_left_out(tmp_path: Path) -> None:
    async with examined(tmp_path, [Transport.TCP]) as examinee:
        found = await findings(examinee, chosen(["transports"]))
    own = {each.name for each in all_checks() if Need.TCP in each.needs}
    assert set(named(found, Outcome.PASSED)) == own
    assert len(found) == len(own)


async def test_without_a_member_his_checks_are_not_run(tmp_path: Path) -> None:
    async with examined(tmp_path) as examinee:
        found = await findings(examinee, chosen(["queries", "time_edges"]), member=False)
    left = {each.check.name for each in found if each.outcome is Outcome.NOT_RUN}
    wanted = {each.check.name for each in found if each.check.who in {Who.MEMBER, Who.RECIPIENT}}
    assert left >= wanted
    assert "--member" in next(each.detail for each in found if each.check.name in wanted)
    assert all(each.outcome is not Outcome.FAILED for each in found)


def test_each_check_says_what_it_is_for() -> None:
    checks = all_checks()
    assert len(checks) >= 150
    assert len({each.name for each in checks}) == len(checks)
    for each in checks:
        assert each.claims
        assert all(claim[0] == "C" and 0 < int(claim[1:]) <= 90 for claim in each.claims)
        assert each.rule.endswith(".")
        assert each.source
        assert (each.who in {Who.MEMBER, Who.RECIPIENT}) <= (Need.MEMBER in each.needs)


def test_checks_are_chosen_by_name_and_group() -> None:
    assert [each.name for each in chosen([WAITS])] == [WAITS]
    assert {each.group for each in chosen(["framing", WAITS])} == {"framing", "hello"}
    with pytest.raises(UsageError, match="nonsense"):
        chosen(["nonsense"])


def test_no_name_stands_for_two_checks() -> None:
    with pytest.raises(UsageError):
        check(WAITS, claims="C1", rule="One.", source="here")


async def test_a_server_that_does_not_answer_is_told_once(tmp_path: Path) -> None:
    async with examined(tmp_path) as examinee:
        nobody = replace(examinee, addresses={Transport.TCP: ("127.0.0.1", 1)})
        with pytest.raises(Unreachable, match="tcp"):
            await findings(nobody, chosen(["framing"]))
        other = replace(examinee, key=MEMBER.key)
        with pytest.raises(Unreachable, match="another one answered"):
            await findings(other, chosen(["framing"]))
