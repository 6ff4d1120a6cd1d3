from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.core.keys import PublicKey, SecretKey


@pytest.mark.claim("C1", "C12")
def test_init_prints_the_new_key_alone_on_stdout(mosaic: Run) -> None:
    done = mosaic("init", "--name", "anna")
    assert done.code == 0
    key = PublicKey.parse_user(done.out.strip())
    assert mosaic("whoami").out == f"{key.user_text}  anna\n"


@pytest.mark.claim("C13")
def test_init_says_that_a_lost_master_key_is_a_lost_identity(mosaic: Run) -> None:
    said = mosaic("init", "--name", "anna").err
    assert "loses the identity" in said
    assert "the server's own key" in said


def test_init_makes_a_home_where_it_is_told(mosaic: Run, tmp_path: Path) -> None:
    (item,) = mosaic("init", "--name", "anna", "--home", tmp_path / "other", "--json").objects
    assert item["home"] == str(tmp_path / "other")
    assert not (tmp_path / "home").exists()
    assert mosaic("whoami", "--home", tmp_path / "other").code == 0


def test_a_second_person_lives_in_the_same_home(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    mosaic("init", "--name", "ben")
    names = [item["name"] for item in mosaic("key", "list", "--json").objects]
    assert names == ["anna", "ben"]
    again = mosaic("init", "--name", "ben", "--json")
    assert (again.code, again.error["code"]) == (4, "home_exists")
    assert mosaic("whoami", "--as", "ben").out.endswith("  ben\n")
    nobody = mosaic("whoami", "--as", "carl", "--json")
    assert (nobody.code, nobody.error["code"]) == (4, "unknown_person")


@pytest.mark.claim("C1", "C12")
def test_key_new_prints_a_secret_and_its_key_and_stores_nothing(mosaic: Run, tmp_path: Path) -> None:
    done = mosaic("key", "new")
    secret, key = done.out.splitlines()
    assert SecretKey.parse(secret).public.user_text == key
    assert list(tmp_path.iterdir()) == []
    (item,) = mosaic("key", "new", "--json").objects
    assert SecretKey.parse(item["secret"]).public.user_text == item["key"] != key


def test_commands_without_a_home_say_how_to_make_one(mosaic: Run) -> None:
    done = mosaic("feed", "--json")
    assert (done.code, done.error["code"]) == (4, "home_missing")
    assert "mosaic init" in done.error["hint"]
    assert mosaic("feed").err.startswith("mosaic: there is no Mosaic home in ")


def test_where_tells_the_home(mosaic: Run, tmp_path: Path) -> None:
    assert mosaic("where").out == f"{tmp_path / 'home'}\n"
    assert mosaic("where", "--json").objects[0]["exists"] is False
    mosaic("init", "--name", "anna")
    assert mosaic("where", "--json").objects[0]["exists"] is True


def test_a_newer_home_is_refused(mosaic: Run, tmp_path: Path) -> None:
    mosaic("init", "--name", "anna")
    (tmp_path / "home" / "VERSION").write_text("99\n")
    done = mosaic("post", "x", "--json")
    assert (done.code, done.error["code"]) == (4, "home_newer")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("post",),
        ("feed", "--limit", "many"),
        ("serve", "--tcp", "nowhere"),
        ("serve", "--web", "127.0.0.1:99999"),
        ("query", "--server", "mosaictcp://127.0.0.1:1/"),
        ("query", "--server", "ftp://x", "--key", "mosrv0x"),
        ("decode", "mopub0nonsense"),
        ("submit", "/no/such/file"),
        ("encode", "xyz", "--to", "user"),
    ],
)
def test_wrong_usage_has_its_exit_code_and_a_hint(mosaic: Run, arguments: tuple[str, ...]) -> None:
    mosaic("init", "--name", "anna")
    done = mosaic(*arguments, "--json") if arguments[0] not in {"encode", "decode"} else mosaic(*arguments)
    assert done.code == 2
    assert done.out == ""
    if "--json" in arguments:
        assert set(done.error) == {"error", "code", "hint"}
    assert done.err


def test_every_command_teaches_with_help(mosaic: Run) -> None:
    overview = mosaic("--help")
    assert overview.code == 0
    names = re.findall(r"^  (\S+)", overview.out.partition("Who you are:")[2], re.MULTILINE)
    promised = "init serve post feed follow get query watch submit blob encode decode verify key conformance"
    assert set(promised.split()) <= set(names)
    for name in names:
        done = mosaic(name, "--help")
        assert done.code == 0
        assert len(done.out.splitlines()) > 3
    assert mosaic("--version").out.startswith("mosaic, version ")
    assert mosaic().code == 0
