"""What is remembered of servers outlives restarts and changes of address, and is bounded."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.makers import NOW

from mosaic.client.reputation import UNKNOWN, Observation, What
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.node.private_db import PrivateDb
from mosaic.node.reputations import Reputations

SERVER = SecretKey.from_seed(bytes([9]) * 32).public
MINUTE = 60 * 1_000_000_000


class Time:
    def __init__(self) -> None:
        self.now = int(NOW)

    def __call__(self) -> int:
        return self.now


@contextlib.contextmanager
def opened(path: Path | None, time: Time, most: int = 100) -> Iterator[Reputations]:
    db = PrivateDb(path)
    known = Reputations(db, time, servers=most)
    yield known
    known.write()
    db.close()


@pytest.mark.claim("C51")
def test_a_server_keeps_its_reputation_over_a_restart_wherever_it_listens(tmp_path: Path) -> None:
    time = Time()
    with opened(tmp_path / "private.db", time) as known:
        known.noted(SERVER, Observation(What.WRONG, note="it sent a false signature"))
        for _ in range(3):
            known.noted(SERVER, Observation(What.FAILED))
            time.now += MINUTE
        before = known.of(SERVER)
    with opened(tmp_path / "private.db", time) as known:
        assert known.of(SERVER) == before
        assert known.failing(SERVER)
        assert known.score(SERVER) < 0.2


def test_of_too_many_those_go_that_were_not_seen_for_longest() -> None:
    time = Time()
    with opened(None, time, most=10) as known:
        for number in range(30):
            time.now += MINUTE
            known.noted(PublicKey(number.to_bytes(32, "big")), Observation(What.WRONG))
            known.write()
        for number in range(30):
            bad = known.of(PublicKey(number.to_bytes(32, "big"))) != UNKNOWN
            assert bad == (number >= 20)


def test_a_change_of_judgement_is_told_and_nothing_else() -> None:
    time, told = Time(), list[PublicKey]()
    known = Reputations(PrivateDb(None), time, told.append)
    for _ in range(10):
        known.noted(SERVER, Observation(What.REACHED))
    assert not told
    for _ in range(5):
        time.now += MINUTE
        known.noted(SERVER, Observation(What.FAILED))
    assert told == [SERVER]
    known.noted(SERVER, Observation(What.REACHED))
    assert told == [SERVER, SERVER]


@pytest.mark.parametrize("text", ["", "[]", "7", '{"good": "many"}', '{"unheard": 1}'])
def test_what_can_not_be_read_counts_as_nothing(text: str) -> None:
    db = PrivateDb(None)
    db.connection.execute("INSERT INTO reputation VALUES (?, 1, ?)", (SERVER.bytes, text))
    assert Reputations(db, Time()).of(SERVER) == UNKNOWN
