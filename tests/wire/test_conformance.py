from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mosaic.core import conformance
from mosaic.wire.conformance import MESSAGE_OPERATIONS

VECTORS = Path(__file__).parent.parent / "vectors" / "messages.json"


def judged(content: bytes) -> conformance.FileReport:
    (report,) = conformance.run([("messages.json", content)], MESSAGE_OPERATIONS).files
    return report


@pytest.mark.claim("C42", "C44", "C45", "C46")
def test_the_vectors_of_messages_pass() -> None:
    report = judged(VECTORS.read_bytes())
    assert report.failures == []
    assert report.passed >= 190


def _broken(cases: list[dict[str, Any]], name: str, field: str, value: object) -> bytes:
    changed = [dict(case, **{field: value}) if case["name"] == name else case for case in cases]
    assert changed != cases
    return json.dumps({"cases": changed}).encode()


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("type Get", "code", 2),
        ("type DhtResponse", "has_result_code", False),
        ("result code NOT_FOUND", "is_a_server_error", True),
        ("result code 5 is undefined", "code", 4),
        ("Hello 2", "application_ids", [0, 2]),
        ("Query 0", "limit", 51),
        ("Query 0", "query_id", "0100"),
        ("SubmissionResult 0", "result", 2),
        ("BlobGet 0", "bytes", "08"),
        ("parse: trailing byte", "valid", True),
        ("parse: Get without references", "valid", False),
        ("parse: DhtLookup server byte 2", "error", "NoSuchError"),
        ("Closing INVALID", "extra", 1),
    ],
)
def test_a_changed_vector_fails(name: str, field: str, value: object) -> None:
    cases = json.loads(VECTORS.read_bytes())["cases"]
    assert [failure.case for failure in judged(_broken(cases, name, field, value)).failures] == [name]
