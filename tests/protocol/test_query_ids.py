from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import UsageError
from mosaic.protocol.query_ids import QUERY_IDS, ClientQueries, ServerQueries
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode


def test_ids_rise_pass_over_open_ones_and_begin_again() -> None:
    queries = ClientQueries()
    for expected in range(QUERY_IDS):
        assert queries.free_id() == expected
        if expected in {0, 1, 7}:
            queries.open(expected, MessageType.GET)
    assert queries.free_id() == 2
    assert queries.ids == {0, 1, 7}


def test_no_id_is_free_when_all_are_open() -> None:
    queries = ClientQueries()
    for query_id in range(QUERY_IDS):
        queries.open(query_id, MessageType.GET)
    with pytest.raises(UsageError):
        queries.free_id()
    assert queries.ended(40_000)
    assert queries.free_id() == 40_000


@given(st.integers(1, 5), st.integers(0, 8))
def test_no_more_records_are_wanted_than_were_asked_for(limit: int, come: int) -> None:
    queries = ClientQueries()
    queries.open(3, MessageType.QUERY, limit)
    assert sum(queries.record_wanted(3) for _ in range(come)) == min(limit, come)


def test_what_nobody_wants_any_more_is_dropped_until_it_ends() -> None:
    queries = ClientQueries()
    queries.open(3, MessageType.SUBSCRIBE)
    assert queries.record_wanted(3)
    assert queries.mute(3)
    assert not queries.mute(3)
    assert not queries.record_wanted(3)
    assert not queries.completed(3)
    assert queries.ended(3)
    assert not queries.ended(3)
    assert not queries.mute(3)


def test_only_a_subscription_completes_and_only_once() -> None:
    queries = ClientQueries()
    queries.open(1, MessageType.QUERY)
    queries.open(2, MessageType.SUBSCRIBE)
    assert [queries.completed(query_id) for query_id in (1, 2, 2, 3)] == [False, True, False, False]


def test_look_ups_and_questions_are_not_mixed_up() -> None:
    queries = ClientQueries()
    queries.open(1, MessageType.DHT_LOOKUP)
    queries.open(2, MessageType.GET)
    assert not queries.record_wanted(1)
    assert not queries.ended(1)
    assert not queries.looked_up(2)
    assert queries.looked_up(1)
    assert queries.ended(2)
    assert not queries.ids


def test_a_server_opens_no_id_without_room_or_for_what_is_no_reference() -> None:
    queries = ServerQueries(most=1)
    assert queries.open(1, [bytes(48), b"\xff" * 48]) is ResultCode.INVALID
    assert queries.ids == frozenset()
    assert queries.open(1, [bytes(48)]) is None
    assert queries.open(2, [b"\xff" * 48]) is ResultCode.TOO_FAST
    assert queries.ids == {1}


def test_a_server_asks_for_an_end_once_until_the_id_is_opened_again() -> None:
    queries = ServerQueries(most=1)
    assert queries.open(9) is None
    assert 9 in queries
    assert [queries.unsubscribe(9), queries.unsubscribe(9)] == [True, False]
    queries.close(9)
    assert queries.ids == frozenset()
    assert queries.open(9) is None
    assert queries.unsubscribe(9)
    queries.clear()
    assert queries.ids == frozenset()
