"""Each variant of our server that breaks a rule fails exactly the checks of that rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mosaic.node.operating_settings import RoleSettings
from mosaic.testing.exam import Check, Outcome, all_checks
from tests.broken import everything
from tests.broken.unbroken import UNBROKEN
from tests.broken.variant import Variant
from tests.testing.examined import EVERY, WAITS, examined, findings, named

PATIENCE_S = 2.5
_SAMPLE = 9


def tried(broken: Variant) -> list[Check]:
    """The groups that a variant touches and a sample of all others; everything with MOSAIC_LONG."""
    checks = [check for check in all_checks() if check.name != WAITS]
    groups = {name.partition(".")[0] for name in broken.fails}
    if broken.alone:
        return [check for check in checks if check.group in groups]
    if os.environ.get("MOSAIC_LONG"):
        return checks
    return [check for at, check in enumerate(checks) if check.group in groups or at % _SAMPLE == 0]


@pytest.mark.slow
@pytest.mark.claim("C33")
@pytest.mark.parametrize("broken", everything(), ids=lambda broken: broken.name)
async def test_a_broken_rule_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Variant
) -> None:
    broken.breaks(monkeypatch)
    roles = RoleSettings(withhold=True) if broken.withholds else EVERY
    async with examined(tmp_path, [broken.transport], patience_s=PATIENCE_S, roles=roles) as examinee:
        found = await findings(examinee, tried(broken))
    failed = named(found, Outcome.FAILED)
    assert failed.keys() == broken.fails, failed


def test_every_check_is_broken_by_a_variant_or_says_why_not() -> None:
    names = {check.name for check in all_checks()}
    broken = {name for variant in everything() for name in variant.fails}
    assert broken <= names
    assert not broken & UNBROKEN.keys()
    assert names - broken == UNBROKEN.keys()


def test_enough_rules_are_broken() -> None:
    assert len(everything()) >= 40
    assert all(variant.fails for variant in everything())
