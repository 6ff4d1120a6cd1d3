"""What the benchmark of a flood makes of its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks import flood
from benchmarks.run import main


def figures(honest_ms: float, guest_ms: float, refused: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a flood finds, with these times for the 99th of 100 posts."""
    return {
        "honest": {
            "post_ms": {"p50": 1.0, "p99": honest_ms},
            "new_link_ms": {"p99": 1.0},
            "refused": list(refused),
        },
        "guest": {"post_ms": {"p50": 1.0, "p99": guest_ms}, "refused": []},
        "attack": {"links": 1},
        "server": {},
        "memory_mib": {"most": 1.0},
    }


@pytest.mark.parametrize("times", [(250.1, 1.0), (1.0, 250.1)])
def test_a_flood_that_lets_honest_people_wait_fails_at_full_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: tuple[float, float]
) -> None:
    monkeypatch.setattr(flood, "flood", lambda seconds, scale: figures(*times))
    with pytest.raises(RuntimeError, match="250 ms"):
        main(["flood", "--results", str(tmp_path)])
    assert main(["flood", "--quick", "--results", str(tmp_path)]) == 0


def test_a_flood_that_refuses_somebody_honest_fails_at_any_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "flood", lambda seconds, scale: figures(250.0, 250.0))
    assert main(["flood", "--results", str(tmp_path)]) == 0
    monkeypatch.setattr(flood, "flood", lambda seconds, scale: figures(1.0, 1.0, ("TOO_FAST",)))
    for quick in ([], ["--quick"]):
        with pytest.raises(RuntimeError, match="TOO_FAST"):
            main(["flood", *quick, "--results", str(tmp_path)])
