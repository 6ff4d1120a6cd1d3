"""`mosaic keep`, `mosaic usage`, `mosaic export --archive`: what stays, how much there is, what to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.testing import Person

from .conftest import Run

FRIEND = Person("friend").key.user_text


@pytest.fixture
def home(mosaic: Run) -> Run:
    mosaic("init", "--name", "anna")
    mosaic("post", "one of mine")
    return mosaic


def test_an_account_is_kept_listed_and_kept_no_longer(home: Run) -> None:
    assert "Nothing is kept" in home("keep", "list").err
    added = home("keep", "add", FRIEND)
    assert added.code == 0
    assert "Kept from now on." in added.out
    assert "while the node runs" in added.err
    assert "kept already" in home("keep", "add", FRIEND).out
    (listed,) = home("keep", "list", "--json").objects
    assert (listed["what"], listed["records"], listed["blobs_lacking"]) == (FRIEND, "0", "0")
    assert "older posts are to come" in home("keep", "list").out
    assert home("keep", "remove", FRIEND).code == 0
    assert home("keep", "remove", FRIEND).code == 2
    assert not home("keep", "list", "--json").objects


def test_what_is_mine_or_nowhere_to_be_found_is_not_kept(home: Run) -> None:
    (me,) = home("whoami", "--json").objects
    assert home("keep", "add", me["key"]).code == 2
    (mine, *_) = home("wall", "--json").objects
    assert home("keep", "add", mine["address"]).code == 0
    missing = Person("nobody").record(1).address.text
    done = home("keep", "add", missing)
    assert done.code == 1
    assert "--server" in done.err


def test_usage_says_in_words_what_stays_and_what_may_go(home: Run) -> None:
    told = home("usage").out
    assert "stays" in told
    assert "mine" in told
    assert "of 20.0 GB that it may take" in told
    (item,) = home("usage", "--json").objects
    assert int(item["records"]["own"]["records"]) > 1
    assert item["cache"]["bytes"] == "0"


def test_an_archive_is_a_folder_to_read(home: Run, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    done = home("export", "--archive", folder)
    assert done.code == 0
    assert done.out.strip() == str(folder / "index.html")
    assert "posts: 1, files: 0" in done.err
    assert "one of mine" in "".join(page.read_text() for page in folder.rglob("*.html"))
    assert home("export", "--archive", folder, "--json").objects[-1]["done"] is True
    assert home("export", "--archive", folder, "--kind", "post").code == 2
    assert home("export", "--archive", tmp_path / "none" / "here").code == 2
