from __future__ import annotations

import pytest
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("typed", "meant"), [("pots", "post"), ("folow", "follow"), ("test-servers", "test-server")]
)
def test_a_misspelt_command_is_told_which_one_is_spelt_alike(mosaic: Run, typed: str, meant: str) -> None:
    done = mosaic(typed, "hello", "--json")
    assert done.code == 2
    assert f"'{meant}'" in done.error["error"]
    assert "mosaic --help" in done.error["hint"]


def test_what_is_like_no_command_names_none(mosaic: Run) -> None:
    done = mosaic("xyzzy", "--json")
    assert done.code == 2
    assert "Did you mean" not in done.error["error"]


@pytest.mark.parametrize(
    "group",
    [
        (),
        ("servers",),
        ("recovery",),
        ("key",),
        ("key", "master"),
        ("dht",),
        ("blob",),
        ("keep",),
        ("admin",),
    ],
)
def test_help_cuts_no_sentence(mosaic: Run, group: tuple[str, ...]) -> None:
    done = mosaic(*group, "--help")
    assert done.code == 0
    assert "..." not in done.out.partition("\n\n")[2]


def test_help_sorts_every_command(mosaic: Run) -> None:
    told = mosaic("--help").out
    for about in ("Who you are:", "What is said:", "What is on this machine:"):
        assert about in told
    assert told.index("Who you are:") < told.index("\n  recovery ") < told.index("\n  serve ")


@pytest.mark.parametrize("typed", [("--home", "d", "status"), ("admin", "--home", "d", "serve")])
def test_an_option_before_its_command_is_told_where_it_stands(mosaic: Run, typed: tuple[str, ...]) -> None:
    done = mosaic(*typed)
    assert done.code == 2
    assert "COMMAND --home" in done.err
    assert "--help" not in done.err
