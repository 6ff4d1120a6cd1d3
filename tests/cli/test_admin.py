"""`mosaic admin` by hand, in a home that nobody serves; over the socket see tests/loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.test_config import run

KEY = "mopub0ihdk8a3jnhkqjh4sagqjsfqpdfe6a5ugcki8xxo8kt91trhdgoqo"


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MOSAIC_CONFIG", "MOSAIC_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOSAIC_KEYRING", "no")
    assert run(capsys, "init", "--home", tmp_path / "home", "--name", "ana")[0] == 0
    return tmp_path / "home"


def test_a_person_is_served_and_the_log_tells_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys,
        "admin",
        "serve",
        KEY,
        "--home",
        home,
        "--note",
        "choir",
        "--until",
        "30d",
        "--reason",
        "asked",
    )
    assert code == 0
    assert f"Serves {KEY}" in out
    assert "choir (operator, until " in run(capsys, "admin", "served", "--home", home)[1]
    assert run(capsys, "admin", "unserve", KEY, "--home", home, "--as", "ana")[0] == 0
    code, out, _ = run(capsys, "admin", "log", "--home", home, "--verify")
    newest, oldest = out.splitlines()
    assert f"ana: unserve key={KEY}" in newest
    assert f"server: serve key={KEY} note=choir" in oldest
    assert oldest.endswith("(asked)")
    told = [
        json.loads(line) for line in run(capsys, "admin", "log", "--home", home, "--json")[1].splitlines()
    ]
    assert [item["act"] for item in told] == ["unserve", "serve"]


def test_what_needs_a_running_node_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("reload",), ("drain", "--for", "5s")):
        code, _, err = run(capsys, "admin", *command, "--home", home)
        assert code == 2
        assert "no node runs" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", KEY, "--blob-bytes", "much"), "has to be a size"),
        (("drain", "--for", "ages"), "has to be a duration"),
        (("unserve", KEY), "not on the list"),
        (("invite",), "by invitation"),
        (("serve", "mopub0x"), "the text is"),
    ],
)
def test_wrong_usage_ends_with_2(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, _, err = run(capsys, "admin", *arguments, "--home", home)
    assert code == 2
    assert words in err or arguments[0] == "serve"


def test_invitations_are_made_where_the_settings_say(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "mosaic.toml").write_text('preset = "family"\n')
    code, out, err = run(capsys, "admin", "invite", "--uses", "3", "--note", "choir", "--home", home)
    assert code == 0
    assert len(out.strip()) == 32
    assert "Good for 3" in err
    assert "for 3" in run(capsys, "admin", "invitations", "--home", home)[1]


def test_nothing_yet_is_said_in_words(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nobody has reported" in run(capsys, "admin", "reports", "--home", home)[2]
    assert "Nothing has been done" in run(capsys, "admin", "log", "--home", home)[2]
    assert run(capsys, "admin", "log", "--home", home, "--json")[1:] == ("", "")


def test_what_is_stored_is_counted_before_it_goes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "post", "--home", home, "one")[0] == 0
    code, out, _ = run(capsys, "admin", "remove", "--kind", "post", "--home", home)
    assert (code, out) == (0, "1 records would be removed. Say --yes to remove them.\n")
    assert "Microblog Root" in run(capsys, "admin", "usage", "--by", "kind", "--home", home)[1]
    assert run(capsys, "admin", "remove", "--kind", "post", "--yes", "--home", home)[1] == "Removed: 1\n"
    assert run(capsys, "admin", "remove", "--yes", "--home", home)[0] == 2
    assert "ana" in run(capsys, "admin", "usage", "--home", home)[1]
    assert "Nothing waits" in run(capsys, "admin", "held", "--home", home)[2]
    code, out, _ = run(capsys, "admin", "erase", KEY, "--home", home)
    assert (code, out) == (0, "0 records and the blobs of this key would be erased. Say --yes to do it.\n")
    code, out, err = run(capsys, "admin", "erase", KEY, "--yes", "--home", home)
    assert code == 0
    assert "Erased: 0 records" in out
    assert "Backups of before" in err


def test_the_log_tells_of_what_was_named_by_lists_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "admin", "remove", "--author", KEY, "--yes", "--home", home)[0] == 0
    item = json.loads(run(capsys, "post", "well", "--json", "--home", home)[1])
    for act in ("hide", "drop"):
        assert run(capsys, "admin", act, item["id"], "--home", home)[0] == 0
    code, out, _ = run(capsys, "admin", "log", "--verify", "--home", home)
    assert code == 0
    newest, before, first = out.splitlines()
    assert f"drop ids={item['id']}" in newest
    assert f"hide ids={item['id']}" in before
    assert f"authors={KEY}" in first


def test_bans_are_made_shown_and_lifted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(capsys, "admin", "ban", "203.0.113.0/24", "--for", "2h", "--reason", "flood", "--home", home)[0]
        == 0
    )
    code, out, _ = run(capsys, "admin", "ban", KEY, "--as", "ana", "--home", home)
    assert (code, out.splitlines()[0]) == (0, "Banned:")
    first, second = run(capsys, "admin", "bans", "--home", home)[1].splitlines()
    assert "1. 203.0.113.0/24  until " in first
    assert first.endswith("flood")
    assert f"{KEY}  for good, by ana" in second
    assert run(capsys, "admin", "unban", "1", "--home", home)[1] == "Lifted: 203.0.113.0/24\n"
    assert run(capsys, "admin", "unban", KEY, "--home", home)[0] == 0
    assert "None." in run(capsys, "admin", "bans", "--home", home)[2]
    for wrong in ("0.0.0.0/0", "nobody", "1.2.3.4.5"):
        assert run(capsys, "admin", "ban", wrong, "--home", home)[0] == 2
    assert run(capsys, "admin", "ban", KEY, "--for", "ages", "--home", home)[0] == 2
    log = run(capsys, "admin", "log", "--home", home)[1]
    assert log.count("unban") == 2
