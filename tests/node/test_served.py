"""Who is served: who lives here, who is listed, who comes with a code, whom a function names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.errors import UsageError
from mosaic.node.private_db import PrivateDb
from mosaic.node.served import ServedPeople
from mosaic.testing import FakeClock, Person

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[PrivateDb]:
    db = PrivateDb(tmp_path / "private.db")
    yield db
    db.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def people(db: PrivateDb, clock: FakeClock) -> ServedPeople:
    return ServedPeople(db, ANNA.key_bytes.__eq__, clock.now_ns, lambda length: bytes(range(length)))


def test_the_list_outlives_a_restart(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    assert served.serves(ANNA.key_bytes)
    assert not served.serves(BEN.key_bytes)
    assert served.serve(BEN.key, note="a friend", blob_bytes=1_000)
    assert not served.serve(BEN.key, note="a good friend", blob_bytes=2_000)
    again = people(db, clock)
    assert again.serves(BEN.key_bytes)
    (row,) = again.listed()
    assert (row.key, row.note, row.by, row.since_ns) == (BEN.key, "a good friend", "operator", clock.now_ns())
    assert again.blob_bytes(BEN.key_bytes) == 2_000
    assert again.blob_bytes(EVE.key_bytes) is None
    assert list(again.keys()) == [BEN.key_bytes]
    assert again.unserve(BEN.key)
    assert not again.unserve(BEN.key)
    assert not people(db, clock).serves(BEN.key_bytes)


def test_who_is_listed_for_a_time_is_served_no_longer(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    served.serve(BEN.key, until_ns=clock.now_ns() + 5_000_000_000)
    clock.advance(seconds=5)
    assert served.serves(BEN.key_bytes)
    clock.advance(seconds=1)
    assert not served.serves(BEN.key_bytes)
    assert list(served.keys()) == []


def test_changes_of_the_list_are_told(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    told: list[int] = []
    served.watch(lambda: told.append(1))
    served.serve(BEN.key)
    served.unserve(BEN.key)
    served.choose("everyone")
    assert len(told) == 3


def test_serving_everyone_gives_strangers_no_wider_limits(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    served.choose("everyone")
    assert served.serves(EVE.key_bytes)
    assert not served.is_ours(EVE.key_bytes)
    served.choose("list")
    assert not served.serves(EVE.key_bytes)


def test_a_function_of_the_operator_is_asked_once_a_minute(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    asked: list[bytes] = []

    def hook(key: bytes) -> bool:
        asked.append(key)
        return key == BEN.key_bytes

    served.choose("hook", hook)
    for _ in range(3):
        assert served.serves(ANNA.key_bytes)
        assert served.serves(BEN.key_bytes)
        assert not served.serves(EVE.key_bytes)
    assert asked == [BEN.key_bytes, EVE.key_bytes]
    clock.advance(seconds=60)
    assert served.serves(BEN.key_bytes)
    assert len(asked) == 3
    # The operator's program judges each record instead.
    served.choose("hook", None)
    assert served.serves(EVE.key_bytes)


def test_an_invitation_is_for_as_many_as_it_says(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    served.choose("invitations")
    code = served.invite(uses=2, note="the choir").encode()
    assert served.invitations() == [("the choir", 2, clock.now_ns(), None)]
    assert not served.redeem(BEN.key, b"something else")
    assert served.redeem(BEN.key, code)
    assert served.redeem(BEN.key, code)
    assert served.invitations()[0][1] == 1
    assert served.redeem(EVE.key, code)
    assert served.invitations() == []
    assert not served.redeem(Person("late").key, code)
    assert [(row.key, row.note, row.by) for row in served.listed()] == [
        (key, "the choir", "invitation") for key in sorted([BEN.key, EVE.key])
    ]
    # The code is told once: what is kept of it opens nothing.
    assert code not in b"".join(bytes(row[0]) for row in db.connection.execute("SELECT hash FROM invitation"))


def test_invitations_end_and_count_only_where_they_are_chosen(db: PrivateDb, clock: FakeClock) -> None:
    served = people(db, clock)
    code = served.invite(until_ns=clock.now_ns() + 1).encode()
    assert not served.redeem(BEN.key, code)
    served.choose("invitations")
    clock.advance(seconds=1)
    assert not served.redeem(BEN.key, code)
    with pytest.raises(UsageError):
        served.invite(uses=0)
