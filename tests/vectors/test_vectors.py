"""This implementation against the vectors, and the judge against damaged ones."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mosaic.cli.conformance import OPERATIONS, conformance, judge_folder
from mosaic.core.conformance.judge import judge_file
from mosaic.core.conformance.rulings import RULINGS
from mosaic.errors import UsageError

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.claim("C9", "C10", "C15", "C16", "C17", "C21", "C23", "C25", "C30", "C34", "C35", "C39", "C40")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_case_fails(path: Path) -> None:
    report = judge_file(path.name, path.read_bytes(), OPERATIONS)
    assert report.failures == []
    assert report.passed + report.open == len(json.loads(path.read_bytes())["cases"])


def test_one_case_is_open() -> None:
    report = judge_folder(FOLDER)
    assert (report.failed, report.open) == (0, 1)
    assert list(report.lines())[-1] == f"{report.passed} passed, 0 failed, 1 open"


def test_every_code_of_the_vectors_has_a_ruling() -> None:
    cases = [case for path in FILES for case in json.loads(path.read_bytes())["cases"]]
    assert {case["disagreement"] for case in cases if "disagreement" in case} <= set(RULINGS)


def test_every_operation_stands_in_the_vectors() -> None:
    named = {(path.stem, case.get("op")) for path in FILES for case in json.loads(path.read_bytes())["cases"]}
    assert named == set(OPERATIONS)


def _value_digits(content: bytes) -> Iterator[int]:
    """Places of digits in the values of cases that are not refused: what a case says."""
    text = content.decode("latin-1")
    for case in re.finditer(r'\{"name":.*?\}(?=,\n|\n?\])', text, re.DOTALL):
        if '"valid":false' in case[0] or '"disagreement"' in case[0]:
            continue
        for field in re.finditer(r'"(?!name|note)\w+":("(?:[^"\\]|\\.)*"|-?\d+)', case[0]):
            start = case.start() + field.start(1)
            yield from (start + place for place, char in enumerate(field[1]) if char.isdigit())


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_changed_digit_fails_its_file(path: Path) -> None:
    content = path.read_bytes()
    places = list(_value_digits(content))
    draw = random.Random(path.stem)
    unnoticed = []
    for place in draw.sample(places, 12):
        damaged = bytearray(content)
        damaged[place] = draw.choice(sorted(set(b"123456789") - {content[place]}))
        if not judge_file(path.name, bytes(damaged), OPERATIONS).failed:
            unnoticed.append(content[max(0, place - 60) : place + 20])
    # Some digits are free: in an input that stays valid, or in what importing JSON ignores.
    assert len(unnoticed) <= 3, unnoticed


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_turned_verdict_fails_its_file(path: Path) -> None:
    content = path.read_bytes()
    for old, new in ((b'"valid":true', b'"valid":false'), (b'"valid":false', b'"valid":true')):
        for match in list(re.finditer(old, content))[:3]:
            damaged = content[: match.start()] + new + content[match.end() :]
            line = content[content.rfind(b"\n", 0, match.start()) : content.find(b"\n", match.end())]
            if b'"disagreement"' not in line:
                assert judge_file(path.name, damaged, OPERATIONS).failed, line[:200]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_changed_value_fails_its_file(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = next(_value_digits(bytes(content)))
    content[place] ^= 1
    assert judge_file(path.name, bytes(content), OPERATIONS).failed


def test_the_command(tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(conformance, [str(FOLDER)])
    assert good.exit_code == 0
    assert re.fullmatch(r"\d+ passed, 0 failed, 1 open", good.output.splitlines()[-1])
    assert len(good.output.splitlines()) == len(FILES) + 1
    ids = (FOLDER / "ids.json").read_text()
    (tmp_path / "ids.json").write_text(ids.replace('"hash_prefix":"', '"hash_prefix":"00', 1))
    bad = runner.invoke(conformance, [str(tmp_path)])
    assert bad.exit_code == 1
    assert bad.output.splitlines()[0].startswith("FAILED ids.json: ")
    assert bad.output.splitlines()[-1] == "31 passed, 1 failed"
    output = runner.invoke(conformance, [str(tmp_path), "--json"]).output
    as_json = [json.loads(line) for line in output.splitlines()]
    assert as_json[-1] == {"passed": 31, "failed": 1, "open": 0}
    table = runner.invoke(conformance, ["--explain"])
    assert table.exit_code == 0
    assert "K2   refused" in table.output


def test_a_folder_without_vectors_is_a_usage_error(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError):
            judge_folder(folder)
