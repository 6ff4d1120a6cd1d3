"""What all tests share: the claims they prove, and the notice that a skip needs."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure: properties are judged by what they find, not by how long it took.
settings.register_profile("mosaic", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mosaic")

REQUIRE_ALL = os.environ.get("MOSAIC_REQUIRE_ALL") == "1"

_claims_file: Path | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--claims", default=None, help="run only tests that carry one of these claims")
    parser.addoption(
        "--claims-to", default=None, help="write claim, outcome and test, a line each, to this file"
    )


def pytest_configure(config: pytest.Config) -> None:
    global _claims_file  # noqa: PLW0603 — pytest_runtest_logreport is given no config
    target = config.getoption("--claims-to")
    _claims_file = Path(target) if target and not hasattr(config, "workerinput") else None


def claims_of(item: pytest.Item) -> list[str]:
    return [str(number) for mark in item.iter_markers("claim") for number in mark.args]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--claims")
    if wanted is not None:
        numbers = set(str(wanted).split())
        kept = [item for item in items if numbers & set(claims_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    for item in items:
        item.user_properties.extend(("claim", number) for number in claims_of(item))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Under xdist this runs in the controller, for every worker's reports."""
    if _claims_file is None or (report.when != "call" and report.passed):
        return
    with _claims_file.open("a", encoding="utf-8") as file:
        for name, number in report.user_properties:
            if name == "claim":
                file.write(f"{number}\t{report.outcome}\t{report.nodeid}\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but MOSAIC_REQUIRE_ALL=1 says that nothing may be"
    return report
