"""`mosaic config`: what is set, whether it is right; and every command goes by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mosaic.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOSAIC_CONFIG", "MOSAIC_PROXY", "MOSAIC_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOSAIC_KEYRING", "no")


def test_a_home_without_a_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "config", "--home", tmp_path, "--check")
    assert code == 0
    assert "not there, which is fine" in out
    assert "Everything is as it is by default" in run(capsys, "config", "--home", tmp_path)[1]


def test_faults_end_with_4_and_name_line_and_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mosaic.toml").write_text("[server]\nconections = 1\n")
    code, _, err = run(capsys, "config", "--home", tmp_path, "--check")
    assert code == 4
    assert "line 2, [server]: there is no `conections`; did you mean `connections`?" in err
    code, _, err = run(capsys, "config", "--home", tmp_path, "--check", "--json")
    assert (code, json.loads(err)["code"]) == (4, "settings_invalid")


def test_files_that_are_named_and_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        f'[backup]\nfolder = "{tmp_path}/kept"\npassword_file = "{tmp_path}/pw"\n'
        f'[[listen.name]]\nname = "a.example"\ncertificate = "{tmp_path}/c"\nkey = "{tmp_path}/k"\n'
    )
    (tmp_path / "mosaic.toml").write_text(said)
    code, _, err = run(capsys, "config", "--home", tmp_path, "--check")
    assert code == 0
    for name in ("c", "k", "pw"):
        assert f"{tmp_path}/{name} can't be read" in err
        (tmp_path / name).write_text("x")
    assert f"there is no folder {tmp_path}/kept" in err
    (tmp_path / "kept").mkdir()
    assert run(capsys, "config", "--home", tmp_path, "--check")[2] == ""


def test_what_is_set_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "other.toml"
    elsewhere.write_text('preset = "family"\n[server]\ndrain = 7\n')
    monkeypatch.setenv("MOSAIC_CONFIG", str(elsewhere))
    out = run(capsys, "config", "--home", tmp_path)[1]
    assert f'server.drain = "7s"   ({elsewhere})' in out
    assert "roles.chat = true   (preset family)" in out
    told = json.loads(run(capsys, "config", "--home", tmp_path, "--json")[1])
    assert told["values"]["server.drain"] == "7s"
    assert told["origins"]["roles.chat"] == "preset family"
    assert "server.connections" not in told["values"]
    everything = json.loads(run(capsys, "config", "--home", tmp_path, "--json", "--effective")[1])
    assert everything["values"]["server.connections"] == 10_000


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("config",), ("serve",), ("run", "--no-browse")):
        code, _, err = run(capsys, *command, "--home", tmp_path, "--config", tmp_path / "none.toml")
        assert code == 4
        assert "there is no file" in err


def test_commands_go_by_the_file_of_the_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    assert run(capsys, "init", "--home", home, "--name", "ana")[0] == 0
    (home / "mosaic.toml").write_text('[server]\nrecord_limit = "300 B"\n')
    code, _, err = run(capsys, "post", "--home", home, "x" * 300)
    assert code == 1
    assert "larger than it takes" in err
    (home / "mosaic.toml").write_text("[server]\nrecord_limt = 1\n")
    code, _, err = run(capsys, "post", "--home", home, "x")
    assert code == 4
    assert "did you mean `record_limit`?" in err
