"""What tests/docstrings.py finds in a module, and what it lets pass."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.docstrings import Package, Source, missing_source, missing_units, unnamed_exceptions


def module(folder: Path, text: str) -> Source:
    path = folder / "room.py"
    path.write_text(dedent(text), encoding="utf-8")
    return Source.read(folder, path)


def errors_of(folder: Path, text: str) -> list[str]:
    source = module(folder, text)
    return list(unnamed_exceptions(source, Package([source])))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("raise KeyError(given)", "KeyError"),
        ("raise Wrong", "Wrong"),
        ("if given:\n        raise Wrong(given)", "Wrong"),
        ("_check(given)", "Wrong"),
        ("_through(given)", "Wrong"),
        ("raise _made(given)", "Wrong"),
        ("try:\n        _check(given)\n    except KeyError:\n        pass", "Wrong"),
        ("try:\n        pass\n    except KeyError:\n        raise Wrong from None", "Wrong"),
        ("with suppress(KeyError):\n        raise Wrong", "Wrong"),
        ("raise given", "an exception"),
    ],
)
def test_what_a_function_raises_must_be_named(tmp_path: Path, body: str, named: str) -> None:
    assert len(found := errors_of(tmp_path, function(body, "Does it."))) == 1
    assert found[0].startswith("room.py:")
    assert f"does raises {named} in line" in found[0]
    assert errors_of(tmp_path, function(body, "Does it. Raises TypeError.")) == (
        [] if body == "raise given" else found
    )
    if named != "an exception":
        assert errors_of(tmp_path, function(body, f"Does it. Raises {named}.")) == []


@pytest.mark.parametrize(
    "body",
    [
        "raise NotImplementedError",
        "try:\n        raise Wrong\n    except ValueError:\n        pass",
        "try:\n        _check(given)\n    except (KeyError, Wrong):\n        pass",
        "with suppress(ValueError):\n        raise Wrong",
        "try:\n        pass\n    except ValueError as error:\n        raise error",
        "try:\n        pass\n    except ValueError:\n        raise",
        "def inner() -> None:\n        raise Wrong",
    ],
)
def test_what_does_not_leave_a_function_need_not_be_named(tmp_path: Path, body: str) -> None:
    assert errors_of(tmp_path, function(body, "Does it.")) == []


def function(body: str, docstring: str) -> str:
    return f'''
from contextlib import suppress

class Wrong(ValueError):
    """It is wrong."""

def _check(given: str) -> None:
    raise Wrong(given)

def _through(given: str) -> None:
    _check(given)

def _made(given: str) -> Wrong:
    return Wrong(given)

def does(given: str) -> None:
    """{docstring}"""
    {body}
'''


def test_a_parent_will_do_and_so_will_the_class_or_the_protocol(tmp_path: Path) -> None:
    text = '''
        class Face:
            """A face."""

            def a(self) -> None:
                """Does it. Raises KeyError."""

        class One:
            """One of them."""

            def a(self) -> None:
                """See `Face.a`."""
                raise KeyError

            def b(self) -> None:
                """Does it. Raises LookupError."""
                raise KeyError

        class Other:
            """Another. Every method raises KeyError when it is closed."""

            def __init__(self) -> None:
                raise OSError

            def a(self) -> None:
                """Does it."""
                raise KeyError
    '''
    assert [line.partition(";")[0] for line in errors_of(tmp_path, text)] == [
        "room.py:22: Other.__init__ raises OSError in line 23"
    ]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("Source: record.md; edition §3.", None),
        ("Source: RFC 8949.", None),
        ("Source: mallopt(3).", None),
        ('Source: this project\'s own design, docs/architecture.md "One home".', None),
        ("Nothing.", "has no Source:"),
        ("Source: everybody knows.", "names no page"),
        ("Source: recrod.md.", "the specification has no page recrod"),
        ("Source: edition §9.", "the edition has no such section"),
        ('Source: this project\'s own design, docs/architecture.md "Two homes".', "has no heading Two homes"),
    ],
)
def test_a_module_must_name_a_page_that_there_is(tmp_path: Path, said: str, problem: str | None) -> None:
    found = list(
        missing_source(module(tmp_path, f"'''A module.\n\n{said}\n'''\n".replace("'''", '"""')), {"One home"})
    )
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_each_public_name_may_name_its_own_page(tmp_path: Path) -> None:
    text = '''
        """A module."""

        class One:
            """It.

            Source: kind.md.
            """

        def two() -> None:
            """It."""

        def _three() -> None:
            pass
    '''
    assert list(missing_source(module(tmp_path, text), set())) == [
        "room.py:10: neither the module nor two has a Source:"
    ]


@pytest.mark.parametrize(
    ("head", "docstring", "problem"),
    [
        ("take(limit: int) -> None", "Takes some.", "take doesn't say what the number `limit` is"),
        ("take(limit: int) -> None", "Takes up to a limit.", "take doesn't say in which unit `limit` is"),
        ("take(limit: int) -> None", "Takes `limit` bytes at most.", None),
        ("take(query_id: int) -> None", "Takes what has this query id.", None),
        ("take(positions: list[int]) -> None", "Takes what is at a position.", None),
        ("take(wait_ns: int) -> None", "Takes some.", None),
        ("length() -> int", "How long it is.", "length doesn't say its unit"),
        ("length() -> int", "Its length in bytes.", None),
        ("take(limit: int) -> None", "See `Face.take`.", None),
    ],
)
def test_numbers_are_described_with_their_unit(
    tmp_path: Path, head: str, docstring: str, problem: str | None
) -> None:
    found = list(missing_units(module(tmp_path, f'def {head}:\n    """{docstring}"""\n')))
    assert found == ([] if problem is None else [f"room.py:1: {problem}"])


def test_fields_are_described_by_their_class_or_below(tmp_path: Path) -> None:
    text = """
        class Part:
            '''A part of something.

            Args:
                offset: Where it begins.
            '''

            offset: int
            left: int
            wait_ns: int
            name: str
            tries: int = field(metadata={"help": "how often"})
            count: int = 0
            '''How many.'''
            _inner: int = 0
    """
    assert list(missing_units(module(tmp_path, text))) == [
        "room.py:9: Part doesn't say in which unit `offset` is",
        "room.py:10: Part doesn't say what the number `left` is",
    ]
