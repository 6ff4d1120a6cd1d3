"""`mosaic export` and `mosaic import`: what leaves one home arrives in another, whole, once, and resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mosaic.core import human
from mosaic.errors import StoreFull
from mosaic.node import exchange_acts
from mosaic.server.server import Server
from mosaic.store.record_source import RecordSource

from .conftest import Run

FORMATS = pytest.mark.parametrize("form", ["binary", "jsonl"])
NOTE_OF_MINE = "0000006300020002"  # replaceable, for the author's eyes


KEPT: dict[str, Path] = {}
"""Homes that were made once; every test works with a copy."""


@pytest.fixture
def full(mosaic: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A home of two people with some posts."""
    home = tmp_path / "home"
    if "full" not in KEPT:
        mosaic("init", "--name", "anna")
        mosaic("init", "--name", "ben")
        for number in range(14):
            mosaic("post", f"post {number} " + "x" * 500)
        mosaic("post", "from ben", "--as", "ben")
        KEPT["full"] = shutil.copytree(home, tmp_path_factory.mktemp("kept") / "full")
    else:
        shutil.copytree(KEPT["full"], home)
    return mosaic


def records(run: Run, home: Path | None = None) -> set[str]:
    more = ("--home", str(home)) if home else ()
    return set(run("query", "--limit", "0", "--records", *more).out.split())


def imported(run: Run, file: Path, home: Path, *more: str) -> dict[str, Any]:
    done = run("import", file, "--home", home, "--json", *more)
    last = json.loads(done.out.splitlines()[-1])
    assert isinstance(last, dict)
    return {**last, "code": done.code}


@pytest.fixture
def other(mosaic: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path / "other"
    if "other" not in KEPT:
        mosaic("init", "--name", "clara", "--home", home)
        KEPT["other"] = shutil.copytree(home, tmp_path_factory.mktemp("kept") / "other")
    else:
        shutil.copytree(KEPT["other"], home)
    return home


@FORMATS
def test_all_records_of_a_home_arrive_in_another_one_once(
    full: Run, other: Path, tmp_path: Path, form: str
) -> None:
    file = tmp_path / "all"
    (told,) = full("export", "--format", form, file, "--json").objects
    assert told["records"] == str(len(records(full)))
    first = imported(full, file, other)
    assert (first["code"], first["accepted"], first["complete"]) == (0, told["records"], True)
    assert records(full) <= records(full, other)
    second = imported(full, file, other)
    assert (second["code"], second["accepted"], second["duplicate"]) == (0, "0", told["records"])


def test_the_name_of_the_file_tells_the_form(full: Run, tmp_path: Path) -> None:
    for name, begins in (("all.jsonl", b"{"), ("all.mosaic", b"MOSAICEX"), ("all", b"MOSAICEX")):
        full("export", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)
    (tmp_path / "all.jsonl").unlink()
    full("export", "--format", "binary", tmp_path / "all.jsonl")
    assert not (tmp_path / "all.jsonl").read_bytes().startswith(b"{")


@FORMATS
def test_an_export_goes_through_stdout_and_stdin(full: Run, other: Path, form: str) -> None:
    out = full("export", "--format", form).raw
    done = full("import", "-", "--home", other, stdin=out)
    assert done.code == 0, done
    assert records(full) <= records(full, other)


def test_a_file_is_for_its_owner_alone_and_appears_when_it_is_whole(full: Run, tmp_path: Path) -> None:
    file = tmp_path / "all"
    full("export", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("all*")) == [file]


def test_a_filter_a_place_and_a_reader_narrow_an_export(full: Run, tmp_path: Path) -> None:
    file = tmp_path / "all"
    (all_of_it,) = full("export", file, "--json").objects
    full("record", "--kind", NOTE_OF_MINE, "for my eyes only")
    full("post", "one more", "--as", "ben")
    (since,) = full("export", file, "--from", all_of_it["position"], "--json").objects
    assert since["records"] == "2"
    (posts,) = full("export", file, "--kind", "post", "--json").objects
    assert posts["records"] == "16"
    (of_ben,) = full("export", file, "--from", all_of_it["position"], "--as", "ben", "--json").objects
    assert of_ben["records"] == "1"


def test_an_import_that_was_broken_off_goes_on_where_it_was(
    full: Run, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all"
    (told,) = full("export", file, "--json").objects
    monkeypatch.setattr(exchange_acts, "BATCH", 8)
    submit = Server.submit
    calls = []

    async def failing(self: Server, *arguments: Any) -> Any:
        calls.append(len(arguments[0]))
        if len(calls) == 2:
            raise StoreFull
        return await submit(self, *arguments)

    monkeypatch.setattr(Server, "submit", failing)
    assert full("import", file, "--home", other).code == 4
    again = imported(full, file, other)
    assert (again["code"], again["skipped"], again["accepted"]) == (0, "8", str(int(told["records"]) - 8))
    assert records(full) <= records(full, other)


def test_a_file_that_has_changed_since_is_imported_from_its_beginning(
    full: Run, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_acts, "BATCH", 8)
    file = tmp_path / "all"
    full("export", file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-48])
    assert imported(full, file, other)["code"] == 5
    changed = bytearray(whole)
    changed[6_000] ^= 1
    file.write_bytes(changed)
    again = imported(full, file, other)
    assert (again["code"], again["skipped"], again["complete"]) == (5, "0", False)


def test_an_export_that_was_broken_off_goes_on_at_its_last_place(
    full: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all"
    monkeypatch.setattr("mosaic.store.stream._PLACE_RECORDS", 5)
    full("export", file)
    whole = file.read_bytes()
    file.unlink()
    part = tmp_path / "all.part"
    part.write_bytes(whole[:-3_000])
    read: list[int] = []
    follow = RecordSource.follow

    def following(self: RecordSource, wanted: Any, position: int, viewers: Any) -> Any:
        read.append(position)
        return follow(self, wanted, position, viewers)

    monkeypatch.setattr(RecordSource, "follow", following)
    full("export", file)
    assert len(read) == 1
    assert read[0] > 0
    assert file.read_bytes() == whole
    assert not part.exists()


@pytest.mark.claim("C72")
def test_what_was_deleted_here_does_not_come_back_by_an_import(full: Run, tmp_path: Path) -> None:
    file = tmp_path / "all"
    full("export", file)
    (newest,) = full("query", "--kind", "post", "--limit", "1", "--json").objects
    reference = human.decode("moref0", newest["id"], 48).hex()
    tag = f"0x4D01:{bytes(4).hex()}{newest['kind']}{reference}"
    deletion = ("record", "--kind", "def0843a0001000c", "--payload", "", "--tag", tag, "--as", "ben")
    assert full(*deletion).code == 0
    done = imported(full, file, tmp_path / "home")
    assert (done["code"], done["accepted"], done["refused"]) == (5, "0", {"UNAUTHORIZED": "1"})
    assert newest["id"] not in {item["id"] for item in full("query", "--limit", "0", "--json").objects}


def test_what_can_not_be_read_is_told_and_the_rest_taken(full: Run, other: Path, tmp_path: Path) -> None:
    file = tmp_path / "all"
    full("export", "--format", "jsonl", file)
    lines = file.read_text().splitlines(keepends=True)
    lines[6] = lines[6].replace("post", "most", 1)
    file.write_text("".join(lines))
    done = imported(full, file, other)
    assert (done["code"], done["unreadable"], done["complete"]) == (5, "2", False)
    assert done["faults"][0].startswith("line 7: ")


def test_nothing_is_taken_from_what_is_no_stream(full: Run, tmp_path: Path) -> None:
    file = tmp_path / "letter"
    file.write_text("Dear anna")
    assert full("import", file).code == 2
    assert full("import", tmp_path / "nowhere").code == 2
    assert full("export", tmp_path / "nowhere" / "all").code == 2


def test_a_broken_off_stream_of_no_valid_record_is_refused(full: Run, other: Path, tmp_path: Path) -> None:
    file = tmp_path / "all"
    file.write_text('{"id": "moref0"}\n')
    assert imported(full, file, other)["code"] == 1


def test_received_times_stand_in_the_stream_and_are_not_believed(
    full: Run, other: Path, tmp_path: Path
) -> None:
    """Whoever made a file could write any time into it: an import receives now."""
    file = tmp_path / "all"
    full("export", "--format", "jsonl", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(int(line["received_ns"]) > 0 for line in lines if "id" in line)
    before = full("query", "--home", other, "--received-until", "0s", "--json").objects
    done = imported(full, file, other)
    assert done["code"] == 0
    now = full("query", "--home", other, "--received-since", "1m", "--limit", "0", "--json").objects
    assert len(now) >= len(before) + int(done["accepted"]) - 1
