"""The judge of vector files, on files made for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mosaic.core.conformance import RULINGS, Case, Operation, Operations, Values, explain
from mosaic.core.conformance.judge import judge_file, run
from mosaic.core.conformance.rulings import Answer
from mosaic.errors import InvalidTag, RecordHash


def double(case: Case) -> Values:
    if case["number"] < 0:
        raise InvalidTag("negative")
    return {"double": 2 * case["number"], "text": str(case["number"])}


def crash(case: Case) -> Values:
    return {"value": 1 // case["number"]}


def tells(case: Case) -> Values:
    values = {"valid": case["number"] > 0, "double": 2 * case["number"], "refusal": RecordHash()}
    return {**values, "library_valid": True} if case["number"] == -2 else values


OPERATIONS: Operations = {
    ("numbers", "double"): Operation(
        double, frozenset({"remark"}), lambda case: {"double": 2 * case["number"]}
    ),
    ("numbers", "crash"): Operation(crash),
    ("numbers", "tells"): Operation(tells),
}


def judged(*cases: Mapping[str, Any], file: str = "numbers.json") -> tuple[int, int, int]:
    named = [{"name": f"case {place}", **case} for place, case in enumerate(cases)]
    report = judge_file(file, json.dumps({"cases": named}).encode(), OPERATIONS)
    return report.passed, report.failed, report.open


PASSED, FAILED, OPEN = (1, 0, 0), (0, 1, 0), (0, 0, 1)
GOOD = {"op": "double", "number": 3, "double": 6, "valid": True}
BAD = {"op": "double", "number": -3, "valid": False, "error": "TagTooLong"}


def test_values_and_verdicts_are_compared() -> None:
    assert judged(GOOD) == PASSED
    assert judged(BAD) == PASSED
    assert judged({**GOOD, "double": 7}) == FAILED
    assert judged({**GOOD, "double": 6.0}) == FAILED
    assert judged({**GOOD, "valid": False}) == FAILED
    assert judged({**BAD, "valid": True}) == FAILED
    assert judged({**GOOD, "valid": "true"}) == FAILED
    without_verdict = {name: value for name, value in GOOD.items() if name != "valid"}
    assert judged(without_verdict) == PASSED


def test_true_is_not_one() -> None:
    assert judged({"op": "crash", "number": 1, "value": 1}) == PASSED
    assert judged({"op": "crash", "number": 1, "value": True}) == FAILED


def test_what_nobody_knows_fails() -> None:
    assert judged({**GOOD, "op": "triple"}) == FAILED
    assert judged({**GOOD, "op": ["double"]}) == FAILED
    assert judged({"number": 3}) == FAILED
    assert judged(GOOD, file="others.json") == FAILED
    assert judged({**GOOD, "disagreement": "Q1"}) == FAILED
    assert judged({**GOOD, "remarc": "x"}) == FAILED
    assert judged({**GOOD, "remark": "x"}) == PASSED
    assert judged({**BAD, "error": "NoSuchError"}) == FAILED
    assert judged({**BAD, "prefix_error": "NoSuchError"}) == PASSED  # names of errors count where they decide
    assert judged({**BAD, "dobble": 1}) == FAILED


def test_a_field_of_a_refused_case_needs_to_mean_something_elsewhere() -> None:
    assert judged({**BAD, "text": "x"}) == FAILED
    assert judged({**BAD, "text": "x"}, {**GOOD, "text": "3"}) == (2, 0, 0)


def test_errors_are_of_the_family_that_the_vector_names() -> None:
    assert judged({**BAD, "error": "CborDecode"}) == FAILED
    assert judged({**BAD, "error": "(panic)"}) == PASSED
    assert judged({"op": "tells", "number": -1, "valid": False, "error": "HashMismatch"}) == PASSED
    assert judged({"op": "tells", "number": -1, "valid": False, "error": "RecordTooLong"}) == FAILED


def test_an_operation_may_refuse_and_still_tell_values() -> None:
    told = {"op": "tells", "number": -1, "valid": False}
    assert judged({**told, "double": -2}) == PASSED
    assert judged({**told, "double": 2}) == FAILED


def test_a_crash_fails_the_case_and_not_the_run() -> None:
    assert judged({"op": "crash", "number": 0, "value": 1}, GOOD) == (1, 1, 0)


def test_the_texts_answer_replaces_the_librarys() -> None:
    disagreed = {
        "op": "double",
        "number": 3,
        "double": 5,
        "spec_double": 6,
        "valid": False,
        "spec_valid": True,
    }
    assert judged({**disagreed, "disagreement": "T2"}) == PASSED
    assert judged({**disagreed, "disagreement": "T2", "spec_double": 5}) == FAILED
    assert judged({**disagreed, "disagreement": "T2", "spec_valid": False}) == FAILED


def test_settled_cases_are_measured_by_the_ruling() -> None:
    silent = {"spec_silent": True}
    assert judged({**GOOD, **silent, "disagreement": "R3"}) == PASSED
    assert judged({**GOOD, **silent, "disagreement": "K2"}) == FAILED
    refused = {**BAD, **silent, "valid": True, "disagreement": "K2"}
    assert judged({**refused, "double": -6}) == PASSED
    assert judged(refused) == FAILED  # what the library accepts has values
    assert judged({**BAD, **silent, "disagreement": "M8"}) == FAILED


def test_the_librarys_values_of_what_is_refused_must_fit() -> None:
    refused = {**BAD, "valid": True, "disagreement": "K2"}
    assert judged({**refused, "double": -6}) == PASSED
    assert judged({**refused, "double": -5}) == FAILED


def test_the_librarys_verdict_on_what_is_refused_must_fit() -> None:
    assert judged({"op": "tells", "number": -2, "valid": True, "disagreement": "K2"}) == PASSED
    assert judged({"op": "tells", "number": -2, "valid": False, "disagreement": "K2"}) == FAILED


def test_a_boolean_field_may_decide() -> None:
    case = {"op": "double", "valid": True, "disagreement": "J1"}
    assert judged({**case, "number": -3, "double": -6, "record_valid": False}) == PASSED
    assert judged({**case, "number": 3, "record_valid": False}) == FAILED
    assert judged({**case, "number": 3, "record_valid": True}) == PASSED


def test_open_cases_are_counted_apart() -> None:
    assert judged({**GOOD, "disagreement": "E2"}) == OPEN
    assert judged({**BAD, "disagreement": "E2"}) == OPEN
    assert judged({"op": "crash", "number": 0, "disagreement": "E2"}) == FAILED


def test_names_stand_once() -> None:
    assert judged({**GOOD, "name": "a"}, {**GOOD, "name": "a"}) == (1, 1, 0)
    assert judged({**GOOD, "name": 1}) == FAILED


NO_VECTORS = [b"", b"{", b"[]", b"{}", b'{"cases":[]}', b'{"cases":{}}', b'{"cases":[1]}', b"\xff"]


@pytest.mark.parametrize("content", [*NO_VECTORS, b"[" * 100_000, b'{"cases":[{"name":"a","name":"b"}]}'])
def test_what_is_no_vector_file_fails(content: bytes) -> None:
    assert judge_file("numbers.json", content, OPERATIONS).failed == 1


def content(**case: object) -> bytes:
    return json.dumps({"cases": [{"name": "a", **case}]}).encode()


def test_the_report() -> None:
    both = run([("numbers.json", content(**GOOD)), ("others.json", content(**GOOD))], OPERATIONS)
    assert list(both.lines()) == [
        "FAILED others.json: a: the operation 'double' of others is unknown",
        "numbers.json: 1 passed, 0 failed",
        "others.json: 0 passed, 1 failed",
        "1 passed, 1 failed",
    ]
    still_open = run([("numbers.json", content(**GOOD, disagreement="E2"))], OPERATIONS)
    assert list(still_open.lines())[-1] == "0 passed, 0 failed, 1 open"


def test_the_table_explains_itself() -> None:
    lines = list(explain())
    for code, ruling in RULINGS.items():
        assert any(line.startswith(f"{code} ") and ruling.sentence in line for line in lines)
    assert [code for code, ruling in RULINGS.items() if Answer.OPEN in {ruling.stated, ruling.silent}] == [
        "E2"
    ]
