"""The dashboard and the alert rules name numbers that there are, and every number is on the dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mosaic.node.metrics import DURATIONS, METRICS

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
UNUSED: set[str] = set()
"""Numbers that no panel shows, on purpose."""
OF_THE_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}


def told() -> set[str]:
    names = {f"mosaic_{row.name}" + ("_total" if row.kind == "counter" else "") for row in METRICS}
    return names | {f"mosaic_{name}_bucket" for name, _, _ in DURATIONS}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:mosaic|process)_\w+", expression))


def panels() -> list[dict[str, object]]:
    return json.loads((PACKAGING / "grafana.json").read_text(encoding="utf-8"))["panels"]  # type: ignore[no-any-return]


def expressions_of_panels() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]  # type: ignore[attr-defined]


def expressions_of_alerts() -> list[str]:
    return re.findall(r"^ +expr: (.+)$", (PACKAGING / "alerts.yml").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("expression", [*expressions_of_panels(), *expressions_of_alerts()])
def test_every_expression_names_numbers_that_there_are(expression: str) -> None:
    names = used(expression)
    assert names or expression.startswith("up{")
    assert names - OF_THE_PROCESS <= told()
    # Counters are looked at as rates: a restart sets them back.
    for name in names:
        if name.endswith(("_total", "_bucket")) and name != "mosaic_write_failures_total":
            assert f"rate({name}" in expression or f"increase({name}" in expression
    assert expression.count("(") == expression.count(")")


def test_every_number_is_on_the_dashboard() -> None:
    shown = set().union(*map(used, expressions_of_panels()))
    assert told() - shown == UNUSED, "put them on a panel of packaging/grafana.json"


def test_every_alert_says_what_to_do() -> None:
    text = (PACKAGING / "alerts.yml").read_text(encoding="utf-8")
    counts = {
        word: len(re.findall(rf"^ +{word}: ", text, re.MULTILINE)) for word in ("summary", "do", "expr")
    }
    assert len(set(counts.values())) == 1
    assert counts["expr"] >= 10


def test_panels_do_not_lie_on_each_other() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in panels()]  # type: ignore[attr-defined]
    assert len(set(places)) == len(places)
    assert len({panel["title"] for panel in panels()}) == len(places)
