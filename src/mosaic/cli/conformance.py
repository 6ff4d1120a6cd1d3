"""`mosaic conformance`: judges a folder of vector files.

Source: this project's own design, docs/architecture.md "Small on purpose".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mosaic.core.conformance import CORE_OPERATIONS, Operations, Report, explain, run
from mosaic.errors import UsageError
from mosaic.wire.conformance import MESSAGE_OPERATIONS

OPERATIONS: Operations = {**CORE_OPERATIONS, **MESSAGE_OPERATIONS}
"""Every operation that a vector file may name."""


def judge_folder(folder: Path) -> Report:
    """Judges every `*.json` of a folder, in the order of their names.

    Raises:
        UsageError: there is no such folder, or no vector file in it.
    """
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise UsageError(
            f"there are no vector files in {folder}",
            hint="Give the folder that holds records.json, filters.json and the others.",
        )
    return run(((path.name, path.read_bytes()) for path in paths), OPERATIONS)


@click.command("conformance")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--explain", "explained", is_flag=True, help="Print the table of whose answer decides.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: failures, files, sums.")
def conformance(folder: Path | None, *, explained: bool, as_json: bool) -> None:
    """Judge every vector file in FOLDER; exit 1 if a case fails.

    \f
    Raises:
        UsageError: no folder was given, or no vector file is in it.
    """
    if explained:
        for line in explain():
            click.echo(line)
        return
    if folder is None:
        raise UsageError("no folder was given", hint="Say `mosaic conformance FOLDER`.")
    report = judge_folder(folder)
    for line in _json_lines(report) if as_json else report.lines():
        click.echo(line)
    sys.exit(1 if report.failed else 0)


def _json_lines(report: Report) -> list[str]:
    lines: list[dict[str, object]] = [
        {"file": failure.file, "case": failure.case, "reason": failure.reason} for failure in report.failures
    ]
    lines += [
        {"file": file.name, "passed": file.passed, "failed": file.failed, "open": file.open}
        for file in report.files
    ]
    lines.append({"passed": report.passed, "failed": report.failed, "open": report.open})
    return [json.dumps(line) for line in lines]
