from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

PASSWORD = "correct horse battery"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def test_a_sheet_is_asked_for_beside_the_first_post_and_put_off(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    assert "mosaic recovery sheet" in mosaic("post", "first").err
    assert "mosaic recovery" not in mosaic("post", "second").err
    assert "again in a month" in mosaic("recovery", "later").err
    assert mosaic("recovery", "later", "--json").objects[0]["again"] is False


@pytest.mark.claim("C11", "C13")
def test_a_sheet_goes_into_new_files_alone_and_never_into_a_pipe(
    mosaic: Run, password: Path, tmp_path: Path
) -> None:
    mosaic("init", "--name", "anna")
    page, text = tmp_path / "sheet.html", tmp_path / "sheet.txt"
    done = mosaic("recovery", "sheet", "--new-password-file", password, "--json")
    assert done.code == 2
    assert "terminal" in done.error["error"]
    assert mosaic("recovery", "sheet", "--html", page, "--json").error["code"] == "password_needed"
    given = ("--html", page, "--text", text, "--new-password-file", password)
    done = mosaic("recovery", "sheet", *given)
    assert done.code == 0
    assert "mocryptsec0" not in done.out + done.err
    assert (page.stat().st_mode & 0o777, text.stat().st_mode & 0o777) == (0o600, 0o600)
    assert "<svg" in page.read_text()
    assert "http" not in page.read_text()
    again = mosaic("recovery", "sheet", *given, "--json")
    assert "can't be written" in again.error["error"]
    # That is told before anything is asked, so that nobody thinks that there is another sheet.
    again = mosaic("recovery", "sheet", "--html", page, "--json")
    assert "can't be written" in again.error["error"]


@pytest.mark.slow
@pytest.mark.claim("C1", "C2")
def test_somebody_comes_back_with_a_sheet(
    mosaic: Run, password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = mosaic("init", "--name", "anna").out.strip()
    sheet = tmp_path / "sheet.txt"
    mosaic("recovery", "sheet", "--text", sheet, "--new-password-file", password)
    monkeypatch.setenv("MOSAIC_HOME", str(tmp_path / "new"))
    wrong = tmp_path / "wrong"
    wrong.write_text("another one\n")
    restore = ("recovery", "restore", sheet, "--dht", "off")
    assert mosaic(*restore, "--password-file", wrong, "--json").error["code"] == "wrong_password"
    assert mosaic(*restore, "--json").error["code"] == "password_needed"
    # Her server is down: without being told so, nobody begins anew.
    done = mosaic(*restore, "--password-file", password, "--json")
    assert done.error["code"] == "unreachable"
    assert "--offline" in done.error["hint"]
    done = mosaic(*restore, "--password-file", password, "--offline")
    assert done.out.strip() == key
    assert "records here: 0, people followed: 0" in done.err
    assert "not here yet" in done.err
    (item,) = mosaic("key", "list", "--json").objects
    assert (item["name"], item["master"]) == ("anna", "away")
    text = tmp_path / "torn.txt"
    text.write_text(sheet.read_text().replace("mocryptsec0", "mocryptsec1"))
    torn = mosaic("recovery", "restore", text, "--dht", "off", "--password-file", password, "--json")
    assert torn.error["code"] == "invalid_secret_key"
