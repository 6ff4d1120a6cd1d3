from __future__ import annotations

import sqlite3
import stat
from hashlib import blake2b
from pathlib import Path

import pytest

from mosaic.errors import HomeDamaged, HomeNewer
from mosaic.node.migrations import MIGRATIONS
from mosaic.node.private_db import VERSION, PersonRow, PrivateDb

ANNA = PersonRow("anna", b"A" * 32, "mocryptsec0a", b"a" * 32, "mocryptsec0b", "U", 0, 5)
BEN = PersonRow("ben", b"B" * 32, "mocryptsec0c", b"b" * 32, "mocryptsec0d", "U", 0, 6)


@pytest.fixture
def db(tmp_path: Path) -> PrivateDb:
    return PrivateDb(tmp_path / "private.db")


def test_the_file_is_its_owners_alone(db: PrivateDb, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "private.db").stat().st_mode) == 0o600


def test_it_is_there_again_after_closing(db: PrivateDb, tmp_path: Path) -> None:
    db.add_person(ANNA)
    db.set_meta("home_id", "x")
    db.close()
    again = PrivateDb(tmp_path / "private.db")
    assert again.people() == [ANNA]
    assert again.meta("home_id") == "x"
    assert again.meta("other") is None


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "private.db"
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(HomeNewer):
        PrivateDb(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


def test_another_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "private.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(HomeDamaged):
        PrivateDb(path)


def test_a_failed_migration_leaves_the_former_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "private.db"
    PrivateDb(path).close()
    steps = (*MIGRATIONS, "CREATE TABLE extra (n); SELECT nonsense;")
    monkeypatch.setattr("mosaic.node.private_db.MIGRATIONS", steps)
    monkeypatch.setattr("mosaic.node.private_db.VERSION", len(steps))
    with pytest.raises(HomeDamaged):
        PrivateDb(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (0,)


def test_a_step_that_homes_have_taken_stays_as_it_is() -> None:
    taken = [blake2b(step.encode(), digest_size=8).hexdigest() for step in MIGRATIONS[:3]]
    assert taken == ["af73e3c959065157", "d3848c410297c220", "c58cbf7501c12697"]


@pytest.mark.parametrize("has_it", [False, True])
def test_homes_with_and_without_the_horizons_come_to_the_same(tmp_path: Path, *, has_it: bool) -> None:
    path = tmp_path / "private.db"
    with sqlite3.connect(path) as raw:
        raw.executescript("".join(MIGRATIONS[:5]) + "PRAGMA user_version = 5;")
        if has_it:
            raw.execute("CREATE TABLE horizon (rule TEXT PRIMARY KEY, until_ns INTEGER NOT NULL) STRICT")
            raw.execute("INSERT INTO horizon VALUES ('a rule', 5)")
            raw.execute("DROP TABLE counter")
    PrivateDb(path).close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT rule, until_ns FROM horizon").fetchall() == [("a rule", 5)] * has_it
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'counter'").fetchone() == (0,)


def test_secrets_stay_out_of_the_repr() -> None:
    assert "mocryptsec0" not in repr(ANNA)


def test_each_person_follows_for_themselves(db: PrivateDb) -> None:
    db.add_person(ANNA)
    db.add_person(BEN)
    assert db.follow(ANNA.master_key, b"x" * 32, 2)
    assert not db.follow(ANNA.master_key, b"x" * 32, 3)
    assert db.follow(ANNA.master_key, b"w" * 32, 4)
    assert db.follow(BEN.master_key, b"x" * 32, 4)
    assert db.follows(ANNA.master_key) == [b"x" * 32, b"w" * 32]
    assert db.all_followed() == [b"w" * 32, b"x" * 32]
    assert db.unfollow(ANNA.master_key, b"x" * 32)
    assert not db.unfollow(ANNA.master_key, b"x" * 32)
    assert db.follows(BEN.master_key) == [b"x" * 32]


def test_servers_are_learned_in_order_and_their_uses_add_up(db: PrivateDb) -> None:
    db.learn_server(b"x" * 32, b"1" * 32, 1, ["mosaictcp://a/"], 1)
    db.learn_server(b"x" * 32, b"2" * 32, 1, ["mosaictcp://c/"], 2)
    db.learn_server(b"x" * 32, b"1" * 32, 2, ["mosaictcp://b/"], 3)
    first, second = db.servers_of(b"x" * 32)
    assert (first.server_key, first.usage, first.urls) == (b"1" * 32, 3, ("mosaictcp://b/", "mosaictcp://a/"))
    assert second.urls == ("mosaictcp://c/",)
    assert db.servers_of(b"y" * 32) == []


def test_what_was_heard_never_goes_back(db: PrivateDb) -> None:
    assert db.heard_until(b"1" * 32, b"x" * 32) == 0
    db.set_heard_until(b"1" * 32, b"x" * 32, 10)
    db.set_heard_until(b"1" * 32, b"x" * 32, 7)
    assert db.heard_until(b"1" * 32, b"x" * 32) == 10


def test_a_transaction_is_all_or_nothing(db: PrivateDb) -> None:
    def write_and_fail() -> None:
        with db.transaction():
            db.set_meta("a", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert db.meta("a") is None
