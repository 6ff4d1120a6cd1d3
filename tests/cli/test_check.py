"""`mosaic check`: a good home is said to be good, and each damage is told with what to do."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mosaic.core import blob_hash

from .conftest import Run

BLOB = b"some bytes" * 1_000
NAME = blob_hash.of(BLOB).hex()
KEPT: dict[str, Path] = {}


@pytest.fixture
def home(mosaic: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path / "home"
    if "home" not in KEPT:
        mosaic("init", "--name", "anna")
        mosaic("post", "one")
        mosaic("blob", "put", "-", stdin=BLOB)
        KEPT["home"] = shutil.copytree(folder, tmp_path_factory.mktemp("kept") / "home")
    else:
        shutil.copytree(KEPT["home"], folder)
    return folder


def told(run: Run, *more: str) -> tuple[int, dict[str, list[Any]]]:
    done = run("check", "--json", *more)
    parts = [json.loads(line) for line in done.out.splitlines()]
    return done.code, {part["part"]: part["faults"] for part in parts if part["faults"]}


def test_a_good_home_is_good(mosaic: Run, home: Path) -> None:
    assert told(mosaic, "--blobs") == (0, {})
    done = mosaic("check")
    assert (done.code, done.err) == (0, "")
    assert "3 records" in done.out
    assert home.exists()


def test_a_blob_that_is_lost_is_told_once(mosaic: Run, home: Path) -> None:
    (home / "blobs" / NAME[:2] / NAME).unlink()
    code, faults = told(mosaic)
    assert code == 4
    ((fault,),) = faults.values()
    assert NAME in fault["text"]
    assert fault["repair"]
    assert told(mosaic) == (0, {})


def test_a_blob_that_changed_is_found_when_all_are_read(mosaic: Run, home: Path) -> None:
    (home / "blobs" / NAME[:2] / NAME).write_bytes(BLOB[::-1])
    assert told(mosaic) == (0, {})
    code, faults = told(mosaic, "--blobs")
    assert (code, list(faults)) == (4, ["blobs"])


def test_a_lost_ledger_and_a_lost_index_are_made_again(mosaic: Run, home: Path) -> None:
    shutil.rmtree(home / "index")
    for path in (home / "blobs").glob("ledger.db*"):
        path.unlink()
    assert told(mosaic, "--blobs") == (0, {})


def test_a_damaged_log_is_told_and_its_index_is_not_to_be_removed(mosaic: Run, home: Path) -> None:
    (log,) = (home / "log").glob("*.log")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    code, faults = told(mosaic)
    assert (code, list(faults)) == (4, ["records"])
    assert "is not whole" in faults["records"][0]["text"]
    assert all("mosaic export" in fault["repair"] for fault in faults["records"])
    done = mosaic("check")
    assert done.err.count("mosaic export") == 1


def test_a_damaged_private_database_is_told(mosaic: Run, home: Path) -> None:
    with sqlite3.connect(home / "private.db") as database:
        database.execute("PRAGMA journal_mode = DELETE")
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'exchange'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    with (home / "private.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x0d\xff\xff" + b"\xff" * 100)
    code, faults = told(mosaic)
    assert code == 4
    assert list(faults) == ["private"]


def test_a_database_that_can_not_be_read_at_all_is_told_with_what_to_do(mosaic: Run, home: Path) -> None:
    with sqlite3.connect(home / "private.db") as database:
        database.execute("PRAGMA journal_mode = DELETE")
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'delivery'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    with (home / "private.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    done = mosaic("post", "is anybody there", "--json")
    assert (done.code, done.error["code"]) == (4, "home_damaged")
    assert "backup" in done.error["hint"]


def test_faults_are_told_in_words(mosaic: Run, home: Path) -> None:
    (home / "blobs" / NAME[:2] / NAME).unlink()
    done = mosaic("check")
    assert done.code == 4
    assert "FAULT" in done.out
    assert "ledger.db" in done.err


def test_a_home_named_from_where_one_stands_is_checked_and_backed_up(
    mosaic: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    assert mosaic("check", "--home", home.name).code == 0
    assert mosaic("backup", "whole.backup", "--plain", "--home", home.name).code == 0
    assert (home.parent / "whole.backup").exists()
