"""Each variant of our server that breaks a rule fails exactly the checks of that rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.testing.exam import Outcome
from tests.broken import everything
from tests.broken.variant import Variant
from tests.testing.examined import examined, findings, named

PATIENCE_S = 2.5


@pytest.mark.slow
@pytest.mark.claim("C33")
@pytest.mark.parametrize("broken", everything(), ids=lambda broken: broken.name)
async def test_a_broken_rule_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Variant
) -> None:
    broken.breaks(monkeypatch)
    async with examined(tmp_path, patience_s=PATIENCE_S) as examinee:
        found = await findings(examinee)
    failed = named(found, Outcome.FAILED)
    assert failed.keys() == broken.fails, failed
