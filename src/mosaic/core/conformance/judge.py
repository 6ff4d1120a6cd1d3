"""The judge of vector files: runs each case and compares every field it has.

A case passes when our verdict is the one that `rulings` gives it and every
field of the case was either made by the operation, with the same value, or
read as its input. A field that nobody looked at, an operation, a code or an
error name that nobody knows fails the case: nothing is passed over.

Source: edition §5 (silent cases); this project's own design, docs/architecture.md "Small on purpose".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.conformance.error_names import ERROR_NAMES
from mosaic.core.conformance.rulings import Answer, Ruling, ruling_for
from mosaic.errors import FormatError, MosaicError, Undecryptable, WrongPassword

INFORMATIVE = frozenset({"name", "op", "note", "disagreement", "spec_silent", "valid", "spec_valid", "error"})
"""Fields of the judge itself and words for people; never compared as values."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that did not pass.

    Args:
        file: The file's name.
        case: The case's name.
        reason: What was expected and what came.
    """

    file: str
    case: str
    reason: str


@dataclass(slots=True)
class FileReport:
    """What became of the cases of one file.

    Attributes:
        name: Of the file.
        passed: How many cases passed.
        open: How many cases no rule decides.
        failures: The others, with the reason of each.
    """

    name: str
    passed: int = 0
    open: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many cases failed; a file that can't be read counts as one."""
        return len(self.failures)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all files."""

    files: tuple[FileReport, ...]

    @property
    def passed(self) -> int:
        """Cases that passed."""
        return sum(file.passed for file in self.files)

    @property
    def failed(self) -> int:
        """Cases that failed."""
        return sum(file.failed for file in self.files)

    @property
    def open(self) -> int:
        """Cases about which neither text nor edition says anything."""
        return sum(file.open for file in self.files)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Every case that failed, in order."""
        return tuple(failure for file in self.files for failure in file.failures)

    def lines(self) -> Iterator[str]:
        """Each failing case, one line for each file, last the sums."""
        for failure in self.failures:
            yield f"FAILED {failure.file}: {failure.case}: {failure.reason}"
        for file in self.files:
            yield f"{file.name}: {_sums(file.passed, file.failed, file.open)}"
        yield _sums(self.passed, self.failed, self.open)


def _sums(passed: int, failed: int, left_open: int) -> str:
    return f"{passed} passed, {failed} failed" + (f", {left_open} open" if left_open else "")


class _CaseFailed(Exception):
    """Carries the reason."""


def run(files: Iterable[tuple[str, bytes]], operations: Operations) -> Report:
    """Judges vector files.

    Args:
        files: (name with its ending, content) of each file.
        operations: What to run for each operation.
    """
    return Report(tuple(judge_file(name, content, operations) for name, content in files))


def judge_file(name: str, content: bytes, operations: Operations) -> FileReport:
    """Judges one vector file, whatever its bytes are."""
    report = FileReport(name)
    try:
        document = json.loads(content, object_pairs_hook=_unique)
        cases = _cases(document)
    except (ValueError, RecursionError, _CaseFailed) as error:
        report.failures.append(Failure(name, "(the file)", f"it is no vector file: {error}"))
        return report
    names: set[str] = set()
    known: defaultdict[object, set[str]] = defaultdict(set)
    judged: list[tuple[Case, bool]] = []
    for fields in cases:
        case = Case(fields, document)
        try:
            _remember(names, fields.get("name"))
            passed = judge_case(name.removesuffix(".json"), case, operations)
        except _CaseFailed as failure:
            report.failures.append(Failure(name, str(fields.get("name")), str(failure)))
            continue
        known[fields.get("op")] |= case.meant
        judged.append((case, passed))
    for case, passed in judged:
        strange = _strange_fields(case, known[case.get("op")])
        if strange:
            reason = f"the field {min(strange)} means nothing to this operation"
            report.failures.append(Failure(name, case["name"], reason))
        else:
            report.passed += passed
            report.open += not passed
    return report


def _remember(names: set[str], name: object) -> None:
    if not isinstance(name, str) or name in names:
        raise _CaseFailed("its name is missing or stands twice")
    names.add(name)


def _strange_fields(case: Case, known: set[str]) -> set[str]:
    """Fields that mean nothing to the case's operation.

    Of a case that is refused not every field is looked at: there it is enough
    that the name means something in another case of the operation.
    """
    names = {name.removeprefix("spec_") for name in case if name not in INFORMATIVE}
    return {name for name in names - known if not name.endswith("error")}


def judge_case(file: str, case: Case, operations: Operations) -> bool:
    """Whether the case passed (True) or is open (False).

    Raises:
        _CaseFailed: it failed, with the reason.
    """
    name = case.get("op")
    operation = operations.get((file, name)) if name is None or isinstance(name, str) else None
    if operation is None:
        raise _CaseFailed(f"the operation {name!r} of {file} is unknown")
    ruling = ruling_for(file, dict(case))
    if ruling is None:
        raise _CaseFailed(f"the code {case.get('disagreement')!r} is unknown")
    answer = ruling.answer(dict(case))
    values, refusal = _run(operation, case)
    case.meant |= values.keys() | operation.untold | ruling.set_aside
    if answer is Answer.OPEN:
        _compare_refused(operation, case)
        return False
    expected = _expected(answer, case)
    accepted = refusal is None and values.get("valid", True) is True
    reported = refusal or values.get("refusal")
    if accepted != expected:
        came = "it was accepted" if accepted else f"it was refused: {reported or 'not valid'}"
        raise _CaseFailed(f"it must be {'accepted' if expected else 'refused'}, {came}")
    if values.get("library_valid", case.get("valid")) != case.get("valid"):
        raise _CaseFailed("the library's verdict does not fit the case")
    if not accepted and answer is not Answer.ACCEPTED:
        _compare_error(case, reported)
    if refusal is None:
        _compare(operation, ruling, answer, case, values)
    else:
        _compare_refused(operation, case)
    return True


def _run(operation: Operation, case: Case) -> tuple[Values, MosaicError | None]:
    try:
        return operation.run(case), None
    except (FormatError, Undecryptable, WrongPassword) as refusal:
        return {}, refusal
    except Exception as error:  # a crash on any input is what vectors are to find
        raise _CaseFailed(f"it crashed: {type(error).__name__}: {error}") from error


def _expected(answer: Answer, case: Mapping[str, Any]) -> bool:
    if answer is Answer.ACCEPTED:
        return True
    if answer is Answer.REFUSED:
        return False
    verdict = case.get("valid", True)
    if answer is Answer.TEXT:
        verdict = case.get("spec_valid", verdict)
    if not isinstance(verdict, bool):
        raise _CaseFailed(f"its verdict is {verdict!r} instead of true or false")
    return verdict


def _compare(operation: Operation, ruling: Ruling, answer: Answer, case: Case, values: Values) -> None:
    for name in case:
        if name in INFORMATIVE or name in ruling.set_aside:
            continue
        if name.endswith("error") and name not in values:
            _require_known(dict.__getitem__(case, name))
            continue
        if answer is Answer.TEXT and f"spec_{name}" in case:
            continue
        made = name.removeprefix("spec_")
        if made in values:
            if not _same(values[made], dict.__getitem__(case, name)):
                raise _CaseFailed(f"{name} is {_short(values[made])} instead of {_short(case[name])}")
        elif name not in case.meant and name not in operation.untold:
            raise _CaseFailed(f"the field {name} means nothing to this operation")


def _compare_refused(operation: Operation, case: Case) -> None:
    """Compares what the library makes of a case that we refuse."""
    if operation.library is None or case.get("valid", True) is not True:
        return
    try:
        values = operation.library(case)
    except Exception as error:  # the case is damaged
        raise _CaseFailed(f"its values do not fit together: {error}") from error
    if values and not values.keys() & case.keys():
        raise _CaseFailed("the library is said to accept it, but none of its values are given")
    for name, made in values.items():
        if name in case and not _same(made, case[name]):
            raise _CaseFailed(f"its {name} does not fit its other fields")


def _compare_error(case: Mapping[str, Any], refusal: object) -> None:
    """The library's name of an error is known, and ours is of its family."""
    name = case.get("error")
    if name is None:
        return
    family = _require_known(name)
    if isinstance(refusal, MosaicError) and not isinstance(refusal, family):
        raise _CaseFailed(f"it was refused as {refusal.code}, which is not {name}: {refusal}")


def _require_known(name: object) -> tuple[type[MosaicError], ...]:
    family = ERROR_NAMES.get(str(name))
    if family is None:
        raise _CaseFailed(f"the error {name!r} is unknown")
    return family


def _same(made: object, given: object) -> bool:
    # JSON's true must not pass as 1.
    if isinstance(made, list | tuple) and isinstance(given, list):
        return len(made) == len(given) and all(map(_same, made, given))
    if isinstance(made, dict) and isinstance(given, dict):
        return made.keys() == given.keys() and all(_same(made[name], given[name]) for name in made)
    return type(made) is type(given) and made == given


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 100 else f"{text[:90]}… ({len(text)} characters)"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _CaseFailed("a field stands twice in one object")
    return fields


def _cases(document: object) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        raise _CaseFailed("it is no JSON object")
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases or not all(isinstance(case, dict) for case in cases):
        raise _CaseFailed("`cases` is no list of objects")
    return cases
