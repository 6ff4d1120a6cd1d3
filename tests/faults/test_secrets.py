"""No secret stands anywhere but where it has to be: looked for in every form, in all that processes leave.

`mosaic` runs as processes of which each secret is known (`secrets/launcher.py`),
through what people do with keys (`secrets/life.py`). Then all is searched that
they wrote, said, or show to others: homes, backups, logs at their most
talkative, crash reports, arguments and environments (`secrets/world.py` names
the few places where a secret stands by design).
"""

from __future__ import annotations

import random
import re
import signal
import sqlite3
from pathlib import Path

import pytest
from tests.faults.secrets.forms import Search, forms, nsec
from tests.faults.secrets.life import NOSTR, Life
from tests.faults.secrets.world import ALLOWED, World

from mosaic.core import encrypted_secret_key
from mosaic.core.keys import PublicKey
from mosaic.errors import WrongPassword

KEY = bytes(range(0x80, 0xA0))
PASSWORD = b"correct horse battery staple"
SEALED = re.compile(rb"mocryptsec0[a-z0-9]{93}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def holders(world: World) -> dict[str, int]:
    """How many names of each kind were looked for."""
    kinds: dict[str, int] = {}
    for name in world.secrets():
        kind = name.split()[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


# --- whoever looks finds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "secret"),
    [("raw", KEY), ("text", PASSWORD), ("raw", KEY[:16])],
    ids=["key", "password", "short"],
)
def test_each_form_is_found_in_the_midst_of_anything(what: str, secret: bytes) -> None:
    chance = random.Random(7)
    search = Search({"it": (what, secret)})
    noise = chance.randbytes(5_000)
    assert search.inside(noise) == set()
    for form, pattern in forms(what, secret):
        at = chance.randrange(len(noise))
        assert search.inside(noise[:at] + pattern + noise[at:]), form
        # Also cut off.
        assert search.inside(noise[:at] + pattern[: len(pattern) // 2 + 8] + noise[at:]), form


def test_forms_are_those_of_others() -> None:
    # RFC 8032, section 7.1, test 1, and its expanded key; NIP-19's example of an nsec.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    known = dict(forms("raw", seed))
    assert known["scalar, hex"] == b"307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f"
    secret = bytes.fromhex("67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa")
    assert nsec(secret) == "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"


@pytest.mark.parametrize("place", ["file", "name", "database", "deleted", "sparse"])
def test_each_place_is_looked_at(world: World, place: str) -> None:
    world.ledger.write_text("")
    world.texts["it"] = PASSWORD
    assert world.leaks() == []
    file = world.inside / "user" / "some" / "file"
    file.parent.mkdir()
    if place == "file":
        file.write_bytes(b"x" * 100_000 + PASSWORD)
    elif place == "name":
        file.with_name(PASSWORD.decode()).touch()
    elif place == "sparse":
        with file.open("wb") as out:
            out.seek(8_000_000)
            out.write(PASSWORD)
    else:
        database = sqlite3.connect(file)
        database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a);")
        database.execute("INSERT INTO t VALUES (?)", (PASSWORD,))
        database.commit()
        if place == "deleted":
            database.execute("DELETE FROM t")
            database.commit()
    (found, *_) = world.leaks()
    assert found.name == "it"


# --- lives --------------------------------------------------------------------------------------------------


@pytest.mark.claim("C11")
def test_a_new_home_and_its_plain_backup_show_no_secret(world: World) -> None:
    life = Life(world)
    made = world.one("init", "--name", "anna", *life.at)
    world.call(PublicKey.parse_user(made["key"]).bytes, "master of anna")
    world.run("key", "roll", *life.at)
    world.run("backup", world.inside / "plain", "--plain", *life.at)
    assert world.leaks() == []
    # Master, server, two devices; messages; the home's password.
    found = holders(world)
    assert (found["master"], found["ed25519"] >= 3, found["x25519"], found["home"]) == (1, True, 1, 2), found


@pytest.mark.slow
@pytest.mark.claim("C1", "C2", "C11", "C13")
@pytest.mark.timeout(900)
def test_no_secret_of_a_life_stands_where_it_should_not(world: World) -> None:
    life = Life(world)
    life.is_born()
    life.changes_keys()
    with world.serving(life.laptop) as laptop, world.serving(life.ben) as ben:
        life.meets(laptop, ben)
        life.pairs()
        life.prepares_for_the_worst()
        life.pastes_the_wrong_thing()
        file = life.puts_the_master_away()
    assert world.leaks() == []
    # Where a secret stands by design it was found, so it would have been found elsewhere.
    assert {allowed for allowed in ALLOWED if not allowed.place.endswith("-wal")} <= world.met
    found = holders(world)
    named = [name for name in world.secrets() if not name.startswith(("ed25519", "x25519"))]
    assert len(named) >= 20, named
    assert {
        "master", "server", "device", "encryption", "persona", "nostr", "new", "pasted", "pairing", "home",
        "page", "sheet", "backup",
    } <= set(found), found  # fmt: skip
    assert ("raw", NOSTR) in world.secrets().values()
    master_is_gone(world, life, file)


def master_is_gone(world: World, life: Life, file: Path) -> None:
    """After it was taken off the machine, what is left of the home holds it in no way, sealed or not."""
    own = world.texts["master password"].decode()
    (sealed,) = SEALED.findall(file.read_bytes())
    master = encrypted_secret_key.decrypt(sealed.decode(), own).public
    texts = {
        text: path
        for path in life.laptop.rglob("*")
        if path.is_file()
        for text in SEALED.findall(path.read_bytes())
    }
    assert len(texts) > 5
    # What the home's password opens takes little time, what a person's opens takes a second: few are tried.
    unlock = (life.laptop / "unlock").read_text().strip()
    for text, path in texts.items():
        password = unlock if encrypted_secret_key.log_n_of(text.decode()) < 18 else own
        try:
            assert encrypted_secret_key.decrypt(text.decode(), password).public != master, path
        except WrongPassword:
            raise AssertionError(f"{path} holds a key that is under another password") from None


# --- crashes ------------------------------------------------------------------------------------------------


@pytest.mark.claim("C11")
def test_a_command_that_fails_tells_where_and_no_secret(world: World) -> None:
    home = world.inside / "home"
    told = world.run(
        "init", "--name", "anna", "--home", home, fault="mosaic.node.people:People.check_name", code=4
    )
    assert "check_name" in told
    assert "KeyError" in told
    assert "please report" in told.lower()
    assert not home.exists()
    assert world.leaks() == []


@pytest.mark.slow
@pytest.mark.claim("C11")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_node_that_fails_tells_where_and_no_secret(world: World, form: str) -> None:
    home, log = world.inside / "home", world.inside / "said" / "node.log"
    world.run("init", "--name", "anna", "--home", home)
    (home / "mosaic.toml").write_text(f'[log]\nlevel = "debug"\nformat = "{form}"\nfile = "{log}"\n')
    password = world.text("sheet password", "five words for the sheet")
    at = ("--home", home)
    with world.serving(home, "mosaic.node.recovery:weakness"):
        sheet = ("recovery", "sheet", "--text", world.inside / "sheet", "--new-password-file", password)
        told = world.run(*sheet, *at, code=4)
        assert "KeyError" in told
        assert "an act failed" in log.read_text()
        assert "in sheet" in log.read_text()
    with world.serving(home, "mosaic.node.face:Face.people"):
        Life(world).looks_at_the_page(at)
        assert "in people" in log.read_text()
    with world.serving(home, "beside") as started:
        started.process.send_signal(signal.SIGUSR1)
        # Whatever it was asked for before, it has told of by the time that it answers again.
        world.run("status", *at)
    said = log.read_text() + started.err
    for words in ("Exception in callback", "Task exception was never retrieved", "in beside"):
        assert words in said, said
    # A fault outside of all that: the process ends with it.
    at_once = ("--tcp", "127.0.0.1:0", "--quic", "off", "--ws", "off", "--dht", "off", "--web", "off")
    told = world.run("serve", *at, *at_once, fault="mosaic.cli.serving:_tell", code=4)
    assert "_tell" in told
    assert world.leaks() == []


@pytest.mark.slow
@pytest.mark.claim("C11")
def test_a_process_that_is_killed_leaves_no_picture_of_its_memory(world: World) -> None:
    home = world.inside / "home"
    world.run("init", "--name", "anna", "--home", home)
    with world.serving(home) as started:
        started.process.send_signal(signal.SIGABRT)
        started.process.wait(60)
    assert started.code == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in started.err
    assert not [path for path in world.inside.rglob("*") if path.name.startswith("core")]
    assert world.leaks() == []
