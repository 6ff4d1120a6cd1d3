"""Commands that need the master key say so, and take it in one and the same way."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Done, Run

from mosaic.core import encrypted_secret_key
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import SecretKey
from mosaic.node.home import Home
from mosaic.node.private_db import PrivateDb

PASSWORD = "correct horse battery"
SERVER = SecretKey.from_seed(bytes([7]) * 32).public
NOWHERE = "mosaictcp://127.0.0.1:9/"
ALL = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION

# The words of each command, and what is given beside them.
NEEDING = (
    (("servers", "add"), (SERVER.server_text, "--url", NOWHERE, "--dht", "127.0.0.1:9")),
    (("servers", "add"), (SERVER.server_text, "--url", NOWHERE, "--invitation", "CODE")),
    (("servers", "move"), ("here", SERVER.server_text, "--url", NOWHERE, "--dht", "127.0.0.1:9")),
    (("servers", "remove"), ("here", "--dht", "127.0.0.1:9")),
    (("profile",), ("--set", "about=bread")),
    (("pair",), ("--no-qr",)),
    (("recovery", "sheet"), ("--text", "sheet.txt", "--new-password-file", "PASSWORD")),
    (("key", "add"), ("encryption",)),
    (("key", "roll"), ()),
    (("key", "retire"), ("pen",)),
    (("key", "revoke"), ("pen",)),
    (("key", "merge"), ()),
    (("key", "persona", "add"), ("book",)),
    (("key", "nostr", "add"), ()),
    (("key", "master", "export"), ("new.key", "--new-password-file", "PASSWORD")),
    (("key", "master", "lock"), ("--new-password-file", "PASSWORD")),
)


COMMANDS = sorted({("dht", "publish"), ("servers", "resume"), *(words for words, _ in NEEDING)})


@pytest.fixture
def away(mosaic: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose master key is in a file; the file."""
    monkeypatch.chdir(tmp_path)
    plain = encrypted_secret_key.encrypt

    def quick(secret: SecretKey, password: str, *, log_n: int, salt: bytes, rand4: bytes) -> str:
        return plain(secret, password, log_n=min(log_n, 4), salt=salt, rand4=rand4)

    monkeypatch.setattr(encrypted_secret_key, "encrypt", quick)
    (tmp_path / "PASSWORD").write_text(f"{PASSWORD}\n")
    mosaic("init", "--name", "anna")
    mosaic("key", "persona", "add", "pen")
    file = tmp_path / "anna.key"
    assert mosaic("key", "master", "export", file, "--new-password-file", "PASSWORD").code == 0
    assert mosaic("key", "master", "forget", file, "--password-file", "PASSWORD").code == 0
    db = PrivateDb(Home(tmp_path / "home").private_db)
    bootstrap = UserBootstrap.parse(db.people()[0].bootstrap)
    # Another server beside the home's own, so that one of them can be given up.
    both = UserBootstrap((*bootstrap.entries, ServerUse(ALL, SecretKey.from_seed(bytes(32)).public)))
    db.connection.execute("UPDATE person SET bootstrap = ?", (both.text,))
    db.close()
    return file


def run(mosaic: Run, words: tuple[str, ...], given: tuple[str, ...], *more: str | Path) -> Done:
    offline = ("--offline",) if words[0] == "key" and words[1] != "master" else ()
    return mosaic(*words, *given, *offline, *more, "--json", stdin=b"01" * 32 + b"\n")


@pytest.mark.claim("C2", "C3")
@pytest.mark.parametrize(("words", "given"), NEEDING, ids=lambda each: " ".join(each)[:40])
def test_a_command_names_what_to_say_when_the_master_key_is_away(
    mosaic: Run, away: Path, tmp_path: Path, words: tuple[str, ...], given: tuple[str, ...]
) -> None:
    told = run(mosaic, words, given)
    assert (told.code, told.error["code"]) == (4, "master_away"), told
    hint = told.error["hint"]
    assert "--master FILE" in hint
    assert f"mosaic {' '.join(words)}" in hint
    # With the file, but without its password, it says so as well.
    told = run(mosaic, words, given, "--master", away)
    assert (told.code, told.error["code"]) == (4, "password_needed"), told
    assert "--password-file FILE" in told.error["hint"]
    (tmp_path / "wrong").write_text("another one\n")
    told = run(mosaic, words, given, "--master", away, "--password-file", "wrong")
    assert told.error["code"] == "wrong_password"


@pytest.mark.claim("C2", "C3")
@pytest.mark.parametrize(
    ("words", "given"), [each for each in NEEDING if each[0][0] in {"key", "profile", "recovery"}],
    ids=lambda each: " ".join(each)[:40],
)  # fmt: skip
def test_with_file_and_password_it_is_done(
    mosaic: Run, away: Path, words: tuple[str, ...], given: tuple[str, ...]
) -> None:
    done = run(mosaic, words, given, "--master", away, "--password-file", "PASSWORD")
    assert done.code == 0, done
    (item,) = mosaic("key", "list", "--json").objects
    assert item["master"] == ("password" if words[-1] == "lock" else "away")


@pytest.mark.claim("C3")
@pytest.mark.parametrize(
    "words",
    COMMANDS,
    ids=" ".join,
)
def test_the_help_of_such_a_command_says_that_it_needs_the_master_key(
    mosaic: Run, words: tuple[str, ...]
) -> None:
    shown = " ".join(mosaic(*words, "--help").out.split())
    assert "--master FILE The master key, which this needs" in shown
    assert "--password-file FILE" in shown


@pytest.mark.claim("C3")
def test_what_needs_no_master_key_goes_on_without_it(mosaic: Run, away: Path) -> None:
    assert mosaic("post", "still me").code == 0
    assert mosaic("post", "--persona", "pen", "still my pen").code == 0
    assert mosaic("feed").out.count("still") == 2
    assert mosaic("backup", "make", "kept.mosaicbackup").code in {0, 2}
