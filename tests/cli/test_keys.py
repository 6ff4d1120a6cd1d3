from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.mark.claim("C2", "C8")
def test_keys_are_listed_added_and_revoked(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    done = mosaic("key", "persona", "add", "pen")
    assert "mosaic follow mopub0" in done.err
    mosaic("post", "--persona", "pen", "by pen")
    shown = mosaic("key", "list")
    assert [line.split()[0] for line in shown.out.splitlines()[1::2]] == ["device", "encryption", "persona"]
    device, encryption, persona = (line.strip() for line in shown.out.splitlines()[2::2])
    assert device.startswith("this machine, active")
    assert encryption == "active"
    assert persona.startswith("pen, active, last used 20")
    assert "mosaic key master export" in shown.err
    wrong = mosaic("key", "revoke", "pen", "--since", "1x", "--json")
    assert "such as 2h or 7d" in wrong.error["hint"]
    done = mosaic("key", "revoke", "pen", "--since", "1h")
    assert "0 of its records stay valid, 1 do not" in done.err
    (item,) = mosaic("key", "list", "--json").objects
    assert [each["state"] for each in item["keys"]] == ["active", "out of use", "revoked since", "active"]
    assert mosaic("feed").out == ""
    done = mosaic("key", "retire", "nobody", "--json")
    assert (done.code, done.error["code"]) == (4, "unknown_key")


@pytest.mark.slow
@pytest.mark.claim("C2", "C11", "C13")
def test_the_master_key_goes_and_is_given_by_file_and_password(mosaic: Run, tmp_path: Path) -> None:
    mosaic("init", "--name", "anna")
    password, file = tmp_path / "password", tmp_path / "anna.key"
    password.write_text("correct horse battery\n")
    done = mosaic("key", "master", "export", file, "--json")
    assert (done.code, done.error["code"]) == (4, "password_needed")
    assert not file.exists()
    assert mosaic("key", "master", "export", file, "--new-password-file", password).code == 0
    assert mosaic("key", "master", "forget", file, "--password-file", password).code == 0
    away = mosaic("key", "roll", "--json")
    assert (away.code, away.error["code"]) == (4, "master_away")
    assert "--master FILE" in away.error["hint"]
    given = ("--master", file, "--password-file", password)
    assert mosaic("key", "roll", *given).code == 0
    text = file.read_bytes()
    assert mosaic("profile", "--set", "about=bread", "--master", "-", *given[2:], stdin=text).code == 0
    assert "about: bread" in mosaic("profile").out
    password.write_text("wrong\n")
    wrong = mosaic("key", "roll", *given, "--json")
    assert (wrong.code, wrong.error["code"]) == (4, "wrong_password")


@pytest.mark.claim("C8")
def test_a_nostr_key_is_read_from_standard_input(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    (item,) = mosaic("key", "nostr", "add", "--json", stdin=b"01" * 32 + b"\n").objects
    assert len(item["nostr"]) == 64
    assert mosaic("key", "nostr", "add", "--json", stdin=b"nsec1q\n").error["code"] == "invalid_secret_key"
