"""Wrong passwords, tampered backups and sheets, old codes: refused, told, and nothing is left of it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from mosaic._kernel import _rust
from mosaic.core import human
from mosaic.core.keys import SecretKey
from mosaic.core.pairing import LIFETIME_NS, PairingCode
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import MosaicError
from mosaic.node.clock import Clock
from mosaic.node.people import People
from mosaic.node.private_db import PrivateDb
from mosaic.node.restore import restore, try_backup
from mosaic.store import backup_format
from mosaic.store.backup_format import CHUNK, HEAD_BYTES, BackupWriter, Manifest, Member

from .conftest import Done, Run

BLOB = random.Random(1).randbytes(3 * CHUNK)
SEALED = re.compile(r"mocryptsec0[a-z0-9]{93}")
KEPT: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rounds of scrypt: what is tested here is not how long guessing takes."""
    monkeypatch.setitem(backup_format._LOG_N, 1, 4)
    defaults = People.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "log_n", 4)


@pytest.fixture
def anna(mosaic: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A home with a post and a blob of some megabytes."""
    if "anna" not in KEPT:
        mosaic("init", "--name", "anna")
        mosaic("post", "Good morning")
        mosaic("blob", "put", "-", stdin=BLOB)
        KEPT["anna"] = shutil.copytree(tmp_path / "home", tmp_path_factory.mktemp("kept") / "anna")
    else:
        shutil.copytree(KEPT["anna"], tmp_path / "home")
    return mosaic


def password_file(tmp_path: Path, words: str = "correct horse battery") -> Path:
    file = tmp_path / "password"
    file.write_text(words + "\n")
    return file


def tree(folder: Path) -> dict[str, str]:
    """All files below a folder, each with the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.out == ""
    for word in words:
        assert word in done.err, done.err
    # What happened, and what to do next.
    message, hint = done.err.splitlines()[-2:]
    assert message.startswith("mosaic: ")
    assert hint.startswith("  ")


# --- backups ------------------------------------------------------------------------------------------------


def backed_up(run: Run, file: Path, password: Path | None) -> bytes:
    how = ("--plain",) if password is None else ("--password-file", password)
    assert run("backup", file, *how).code == 0
    return file.read_bytes()


def places(length: int) -> Iterator[int]:
    """Where a file is tried: all of its head, the borders of its parts, its end, and here and there."""
    chance = random.Random(3)
    yield from range(HEAD_BYTES)
    for border in range(HEAD_BYTES, length, CHUNK + 16):
        yield from (place for place in (border - 1, border, border + 8) if place < length)
    yield from range(length - 20, length)
    yield from (chance.randrange(length) for _ in range(20))


def comes_to_nothing_or_the_same(data: bytes, tmp_path: Path, whole: dict[str, str]) -> str:
    """Restores; the error's name, or nothing if all came out as it was."""
    new = tmp_path / "new"
    try:
        restore(io.BytesIO(data), new, "correct horse battery")
    except MosaicError as error:
        assert not new.exists()
        return error.code
    found = tree(new)
    shutil.rmtree(new)
    assert found == whole
    return ""


@pytest.mark.parametrize("plain", [False, True], ids=["encrypted", "plain"])
def test_a_backup_in_which_anything_is_changed_or_missing_restores_nothing(
    anna: Run, tmp_path: Path, plain: bool
) -> None:
    password = None if plain else password_file(tmp_path)
    data = backed_up(anna, tmp_path / "backup", password)
    restore(io.BytesIO(data), tmp_path / "new", "correct horse battery")
    whole = tree(tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    told = {}
    for place in places(len(data)):
        changed = data[:place] + bytes((data[place] ^ 1 << place % 8,)) + data[place + 1 :]
        told[place] = comes_to_nothing_or_the_same(changed, tmp_path, whole)
    # Nothing depends on the salt of what is not encrypted.
    harmless = {place for place, code in told.items() if not code}
    assert harmless <= (set(range(16, 32)) if plain else set())
    assert set(told.values()) <= {"", "usage_error", "wrong_password", "backup_damaged"}
    for length in (0, 9, HEAD_BYTES, HEAD_BYTES + 1, CHUNK, HEAD_BYTES + CHUNK + 16, len(data) - 1):
        code = comes_to_nothing_or_the_same(data[:length], tmp_path, whole)
        assert code in {"usage_error", "wrong_password", "backup_damaged"}
    for more in (b"\0", data[HEAD_BYTES:], bytes(CHUNK)):
        assert comes_to_nothing_or_the_same(data + more, tmp_path, whole) in {"backup_damaged", ""}


def given(password: Path | None) -> tuple[str, str]:
    return ("--password-file", str(password))


@pytest.mark.parametrize("plain", [False, True], ids=["encrypted", "plain"])
def test_parts_of_two_backups_of_one_home_do_not_go_together(anna: Run, tmp_path: Path, plain: bool) -> None:
    password = None if plain else password_file(tmp_path)
    first = backed_up(anna, tmp_path / "first", password)
    anna("post", "Good evening")
    second = backed_up(anna, tmp_path / "second", password)
    step = CHUNK + (0 if plain else 16)
    for border in range(HEAD_BYTES, min(len(first), len(second)), step):
        if plain and border == HEAD_BYTES:
            continue  # the head of one that is not encrypted says nothing of what follows
        mixed = first[:border] + second[border:]
        one_part = first[:border] + second[border : border + step] + first[border + step :]
        for data in {mixed, one_part} - {first}:
            code = comes_to_nothing_or_the_same(data, tmp_path, {})
            assert code in {"wrong_password", "backup_damaged"}


def framed(what: int, body: bytes, length: int | None = None) -> bytes:
    told = len(body) if length is None else length
    return told.to_bytes(4, "little") + bytes((what, 0, 0, 0)) + body + bytes(-len(body) % 8)


def plain_backup(*frames: bytes) -> bytes:
    """A backup as somebody would write it who wants to do harm; its checksum is right."""
    running = _rust.Blake3()
    for frame in frames:
        running.update(frame)
    end = len(frames).to_bytes(8, "big") + running.digest()
    return b"MOSAICBK" + bytes((1, 0)) + bytes(22) + b"".join(frames) + framed(3, end)


def manifest(*members: Member, **other: object) -> bytes:
    told = {
        "program": "x", "home": 1, "server": "mosrv0", "made_ns": 1, "end": 0, "last_received_ns": 0,
        "records": 0, "members": [asdict(member) for member in members],
    }  # fmt: skip
    return framed(16, json.dumps({**told, **other}).encode())


EMPTY = _rust.Blake3().digest().hex()
HOSTILE = {
    "a length of 4 GB": plain_backup(framed(17, bytes(4), 0xFFFFFFFF)),
    "a file of many TB that is not there": plain_backup(manifest(Member("log/0.log", 1 << 60, EMPTY))),
    "a length below zero": plain_backup(manifest(Member("log/0.log", -1, EMPTY))),
    "outside of the home": plain_backup(manifest(Member("../../evil", 0, EMPTY))),
    "an absolute name": plain_backup(manifest(Member("/tmp/evil", 0, EMPTY))),
    "a line more": plain_backup(manifest(Member("unlock\n", 0, EMPTY))),
    "one name twice": plain_backup(manifest(Member("unlock", 0, EMPTY), Member("unlock", 0, EMPTY))),
    "no number": plain_backup(manifest(Member("unlock", 0, EMPTY), records="many")),
    "deep JSON": plain_backup(framed(16, b"[" * 900_000)),
    "a number without end": plain_backup(framed(16, b'{"home": ' + b"9" * 900_000 + b"}")),
    "a layout to come": plain_backup(manifest(home=99)),
    "a layout before all": plain_backup(manifest(home=-1)),
    "pieces of nothing": plain_backup(*[framed(17, b"") for _ in range(1000)]),
    "parts that do not stand together": plain_backup(
        framed(17, bytes(4)), framed(17, bytes((0, 0, 0, 1))), framed(17, bytes(4)), manifest()
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_backup_made_to_do_harm_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    new = tmp_path / "deep" / "new"
    tracemalloc.start()
    try:
        with pytest.raises(MosaicError):
            restore(io.BytesIO(HOSTILE[name]), new, None)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert not new.exists()
    assert not list(tmp_path.rglob("evil"))


def test_what_is_not_a_database_is_no_private_database(tmp_path: Path) -> None:
    out = io.BytesIO()
    writer = BackupWriter(out, None, bytes(16))
    writer.add("private.db", io.BytesIO(b"SQLite format 3\0" + bytes(5_000)))
    writer.finish(Manifest("x", 1, "mosrv0", 1, 0, 0, 0))
    faults = try_backup(io.BytesIO(out.getvalue()), tmp_path, None).faults
    assert [fault for fault in faults if fault.startswith("private.db")]
    assert list(tmp_path.iterdir()) == []


def test_a_test_restore_that_fails_leaves_nothing(anna: Run, tmp_path: Path) -> None:
    data = bytearray(backed_up(anna, tmp_path / "backup", password_file(tmp_path)))
    data[CHUNK + 500] ^= 1
    (tmp_path / "backup").write_bytes(data)
    before = tree(tmp_path)
    done = anna("backup", "test", tmp_path / "backup", *given(tmp_path / "password"))
    is_refused(done, 4, "damaged about byte")
    assert tree(tmp_path) == before


@pytest.mark.claim("C11")
def test_a_wrong_password_of_a_backup_is_told_and_nothing_is_written(anna: Run, tmp_path: Path) -> None:
    backed_up(anna, tmp_path / "backup", password_file(tmp_path))
    wrong = password_file(tmp_path, "wrong horse battery")
    before = tree(tmp_path)
    backup = tmp_path / "backup"
    for command in (("restore", backup, "--home", tmp_path / "new"), ("backup", "test", backup)):
        is_refused(anna(*command, *given(wrong)), 4, "password does not open this backup")
    assert tree(tmp_path) == before


@pytest.mark.claim("C11")
def test_what_opens_the_page_and_what_was_deleted_is_in_no_backup(anna: Run, tmp_path: Path) -> None:
    token, label = b"0123456789abcdef0123456789abcdef", b"a label that was deleted"
    db = PrivateDb(tmp_path / "home" / "private.db")
    db.set_meta("page_token", token.decode())
    db.connection.executescript("PRAGMA secure_delete = OFF; CREATE TABLE gone (a)")
    db.connection.executemany("INSERT INTO gone VALUES (?)", [(label + bytes(3_000),)] * 20)
    db.connection.execute("DELETE FROM gone")
    db.close()
    assert label in (tmp_path / "home" / "private.db").read_bytes()
    data = backed_up(anna, tmp_path / "backup", None)
    assert b"page_token" not in data
    assert token not in data
    assert label not in data
    assert token in (tmp_path / "home" / "private.db").read_bytes()


# --- master key and sheet -----------------------------------------------------------------------------------


def sheet(run: Run, tmp_path: Path, name: str = "anna") -> str:
    file = tmp_path / f"{name}.txt"
    password = password_file(tmp_path)
    done = run("recovery", "sheet", "--text", file, "--new-password-file", password, "--as", name)
    assert done.code == 0, done
    text = file.read_text()
    file.unlink()
    return text


def come_back(run: Run, tmp_path: Path, text: str) -> Done:
    new = ("--home", str(tmp_path / "new"), "--offline", "--dht", "off")
    return run("recovery", "restore", "-", *given(tmp_path / "password"), *new, stdin=text.encode())


@pytest.mark.claim("C1", "C11")
def test_a_sheet_with_one_wrong_letter_brings_nobody_back(anna: Run, tmp_path: Path) -> None:
    text = sheet(anna, tmp_path)
    found = SEALED.search(text)
    assert found is not None
    before = tree(tmp_path)
    for place in range(found.start() + 11, found.end(), 12):
        letter = "y" if text[place] != "y" else "b"
        done = come_back(anna, tmp_path, text[:place] + letter + text[place + 1 :])
        assert done.code in {2, 4}, (place, done)
        assert len(done.err.splitlines()) >= 2
        assert tree(tmp_path) == before
    for broken in (text[: found.end() - 1], text.replace(found[0], ""), text + found[0], ""):
        assert come_back(anna, tmp_path, broken).code in {2, 4}
        assert tree(tmp_path) == before
    assert come_back(anna, tmp_path, text).code == 0


@pytest.mark.claim("C1")
def test_the_key_of_one_sheet_under_the_name_of_another_brings_nobody_back(anna: Run, tmp_path: Path) -> None:
    anna("init", "--name", "ben")
    first, second = sheet(anna, tmp_path), sheet(anna, tmp_path, "ben")
    mixed = SEALED.sub(SEALED.findall(second)[0], first)
    is_refused(come_back(anna, tmp_path, mixed), 2, "not the key of the person")
    assert not (tmp_path / "new").exists()


@pytest.mark.claim("C11")
def test_a_wrong_password_of_the_master_key_changes_nothing(anna: Run, tmp_path: Path) -> None:
    text, file = sheet(anna, tmp_path), tmp_path / "anna.key"
    anna("key", "master", "export", file, "--new-password-file", tmp_path / "password")
    wrong = password_file(tmp_path, "wrong horse battery")
    keys = anna("key", "list", "--json").objects
    master = ("--master", file, *given(wrong))
    for words in (
        ("key", "roll", *master),
        ("key", "revoke", "anna", *master),
        ("profile", "--set", "about=x", *master),
        ("key", "master", "forget", file, *given(wrong)),
        ("key", "master", "import", file, *given(wrong)),
    ):
        is_refused(anna(*words), 4, "password does not open")
        assert anna("key", "list", "--json").objects == keys
    is_refused(come_back(anna, tmp_path, text), 4, "password does not open")
    new = ("--name", "anna", "--home", tmp_path / "new", "--offline", "--dht", "off")
    is_refused(anna("key", "join", file, *given(wrong), *new), 4, "password does not open")
    assert not (tmp_path / "new").exists()


def test_a_key_that_asks_for_too_much_is_refused_before_any_work(anna: Run, tmp_path: Path) -> None:
    text = sheet(anna, tmp_path)
    data = bytearray(human.decode("mocryptsec0", SEALED.findall(text)[0]))
    for log_n in (0, 23, 40, 255):
        data[1] = log_n
        hostile = SEALED.sub(human.encode("mocryptsec0", bytes(data)), text)
        is_refused(come_back(anna, tmp_path, hostile), 2, "log_n")
    assert not (tmp_path / "new").exists()


def test_a_home_with_anothers_password_is_left_as_it_is(anna: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "unlock").write_text("y" * 52 + "\n")
    before = tree(home)
    is_refused(anna("post", "hello"), 4, "does not open its keys", "unlock")
    after = tree(home)
    assert {name: after.get(name) for name in before if name != "lock"} == {
        name: kept for name, kept in before.items() if name != "lock"
    }


# --- codes for pairing --------------------------------------------------------------------------------------


def code(until_ns: int) -> str:
    person, once = SecretKey.from_seed(b"p" * 32).public, X25519Secret(b"o" * 32)
    return PairingCode(person, once.public, b"s" * 16, until_ns).text


@pytest.mark.claim("C2")
def test_codes_that_are_old_cut_off_or_lead_nowhere_leave_nothing(mosaic: Run, tmp_path: Path) -> None:
    now = Clock().now_ns()
    good, stale = code(now + LIFETIME_NS), code(now - 1)
    for text, wanted, words in (
        (stale, 1, "too old"),
        (good[:-3], 2, "not whole"),
        (good.replace("pair=", "pear="), 2, "no code"),
        (good, 1, "can be reached"),
        ("", 2, "no code"),
    ):
        is_refused(mosaic("pair", "join", stdin=f"{text}\n".encode()), wanted, words)
        assert not (tmp_path / "home").exists()


def test_a_home_in_which_somebody_lives_stays_when_joining_fails(anna: Run, tmp_path: Path) -> None:
    before = anna("key", "list", "--json").objects, anna("feed").out
    is_refused(anna("pair", "join", stdin=f"{code(1)}\n".encode()), 1, "too old")
    assert (anna("key", "list", "--json").objects, anna("feed").out) == before


def test_a_new_home_stays_if_somebody_lives_there_and_what_was_before_stays_in_any_case(
    mosaic: Run, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "mosaic.toml").write_text("[log]\n")
    is_refused(mosaic("init", "--name", " "), 2, "name")
    assert [path.name for path in home.iterdir() if path.name != "lock"] == ["mosaic.toml"]
    nowhere = (
        "--server",
        SecretKey.from_seed(b"x" * 32).public.server_text,
        "--url",
        "mosaictcp://127.0.0.1:1/",
    )
    assert mosaic("init", "--name", "anna", "--invitation", "code", *nowhere).code == 3
    assert mosaic("whoami").code == 0
