"""The oracle sees what is missing, what is old, and what nobody wrote; and servers that lie do lie."""

from __future__ import annotations

from mosaic.core.record import Record
from mosaic.errors import FormatError
from mosaic.testing.simulation.lying import Lies
from mosaic.testing.simulation.oracle import Difference, Oracle
from mosaic.testing.simulation.report import Fault, Report
from mosaic.testing.simulation.town import Lie
from tests.core.makers import MASTER, NOW, OTHER, post


def shown(address: str, text: str) -> dict[str, object]:
    return {"address": address, "text": text, "kind": "00"}


def test_a_reader_must_see_exactly_what_the_author_wants() -> None:
    oracle = Oracle()
    oracle.live(["anna"])
    for address in ("a", "b", "c"):
        oracle.posted("anna", shown(address, address), address)  # type: ignore[arg-type]
    oracle.deleted("anna", "c")
    wall = [shown("a", "a"), shown("b", "old"), shown("c", "c"), shown("d", "forged")]
    assert oracle.difference("anna", wall) == Difference(("b",), ("c", "d"))  # type: ignore[arg-type]
    assert not oracle.difference("anna", [shown("b", "b"), shown("a", "a")])  # type: ignore[list-item]


def test_what_a_liar_gives_is_less_or_does_not_hold() -> None:
    record = post(timestamp=NOW, payload=b"as it was")
    lies = Lies(Lie.WITHHOLD, frozenset({MASTER.public.bytes}))
    assert lies.given(record.data) == []
    lies.lie = Lie.FORGE
    changed, invented = lies.given(record.data)
    assert changed != record.data
    assert not holds(changed)
    # It is signed, by somebody: only the author's key schedule tells that it is not his.
    assert Record.parse(invented).author == MASTER.public
    assert lies.told == 2
    lies.about = frozenset({OTHER.public.bytes})
    assert lies.given(record.data) == [record.data]


def holds(data: bytes) -> bool:
    try:
        Record.parse(data)
    except FormatError:
        return False
    return True


def test_a_report_passes_only_when_everything_is_as_it_must_be() -> None:
    fault = Fault("a", "b", 1, 1, 1, (0.5,), 0, 1, 1)
    report = Report("here", 1, [fault], pairs=1, records=1)
    assert report.passed
    assert report.last_line.startswith("passed: 1 faults; 1 of 1 records")
    for name, value in (("missing", 1), ("wrong", 1), ("pairs", 0), ("unseen", ["an error"])):
        failed = Report("here", 1, [fault], pairs=1, records=1)
        setattr(failed, name, value)
        assert not failed.passed, name
        assert failed.last_line.startswith("failed: ")
    late = Report("here", 1, [Fault("a", "b", 1, 1, 1, (), 1, 1, 1)], pairs=1)
    untold = Report("here", 1, [Fault("a", "b", 1, 1, 1, (0.5,), 0, 1, 1, told_s=(1.0,), to_tell=2)], pairs=1)
    assert not late.passed
    assert not untold.passed
