"""Which ids of queries and syncs are open in a server's session."""

from __future__ import annotations

import pytest
from tests.protocol.server_sessions import IDS, NOW, assert_finished, opened
from tests.wire.examples import FILTER, HASH, KEY

from mosaic.protocol.events import (
    DhtAsked,
    QueryAsked,
    UnsubscribeAsked,
)
from mosaic.protocol.sync_events import SyncEnded, SyncGetAsked, SyncMessage, SyncOpened
from mosaic.wire.client_messages import (
    DhtLookup,
    Get,
    Query,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    QueryClosed,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncClose, SyncData, SyncError, SyncGet, SyncOpen


@pytest.mark.parametrize("second", [Get(5, IDS), Query(5, 0, FILTER), Subscribe(5, 0, FILTER)])
@pytest.mark.parametrize("first", [Get(5, IDS), Query(5, 0, FILTER), Subscribe(5, 0, FILTER)])
def test_a_query_id_that_is_open_closes(first: Query, second: Query) -> None:
    session = opened()
    session.receive(first.encode(), NOW)
    assert_finished(session, session.receive(second.encode(), NOW), ResultCode.INVALID)


def test_a_query_id_is_free_again_once_closed() -> None:
    session = opened()
    for _ in range(3):
        assert session.receive(Query(5, 0, FILTER).encode(), NOW) == QueryAsked(5, 0, FILTER)
        assert session.open_queries == {5}
        assert session.query_closed(5, ResultCode.SUCCESS) == QueryClosed(5, ResultCode.SUCCESS).encode()
        assert session.open_queries == frozenset()


@pytest.mark.claim("C63")
def test_a_sync_is_open_until_its_close_or_error() -> None:
    session = opened()
    for end in (
        lambda: session.receive(SyncClose(5).encode(), NOW),
        lambda: session.sync_error(5, ResultCode.TOO_OPEN),
    ):
        assert session.receive(SyncOpen(5, FILTER, b"a").encode(), NOW) == SyncOpened(5, FILTER, b"a")
        assert session.open_queries == {5}
        assert session.sync_data(5, b"b") == ServerSyncData(5, b"b").encode()
        assert session.receive(SyncData(5, b"c").encode(), NOW) == SyncMessage(5, b"c")
        assert end() in (SyncEnded(5), SyncError(5, ResultCode.TOO_OPEN).encode())
        assert session.open_queries == frozenset()
        assert session.receive(SyncClose(5).encode(), NOW) is None
        assert session.take_outgoing() == []
        assert session.receive(SyncData(5, b"d").encode(), NOW) is None
        assert session.take_outgoing() == [SyncError(5, ResultCode.NOT_FOUND).encode()]


@pytest.mark.claim("C63")
def test_syncs_and_queries_share_their_ids() -> None:
    for first in (Query(5, 0, FILTER), SyncOpen(5, FILTER, b"a"), SyncGet(5, (HASH,))):
        for second in (SyncOpen(5, FILTER, b"a"), SyncGet(5, ()), Get(5, IDS)):
            session = opened()
            session.receive(first.encode(), NOW)
            assert_finished(session, session.receive(second.encode(), NOW), ResultCode.INVALID)


def test_a_query_is_no_sync_and_a_sync_is_no_query() -> None:
    session = opened()
    assert session.receive(SyncGet(4, (HASH, KEY)).encode(), NOW) == SyncGetAsked(4, (HASH, KEY))
    session.receive(SyncOpen(5, FILTER, b"a").encode(), NOW)
    assert session.receive(SyncData(4, b"b").encode(), NOW) is None
    assert session.receive(SyncClose(4).encode(), NOW) is None
    assert session.receive(Unsubscribe(5).encode(), NOW) is None
    assert session.take_outgoing() == [
        SyncError(4, ResultCode.NOT_FOUND).encode(),
        QueryClosed(5, ResultCode.NOT_FOUND).encode(),
    ]
    assert session.open_queries == {4, 5}


def test_a_sync_beyond_the_ids_that_may_be_open_is_refused() -> None:
    session = opened(open_queries=1)
    session.receive(Query(4, 0, FILTER).encode(), NOW)
    assert session.receive(SyncOpen(5, FILTER, b"a").encode(), NOW) is None
    assert session.take_outgoing() == [SyncError(5, ResultCode.TOO_FAST).encode()]


def test_look_ups_may_share_an_id() -> None:
    session = opened()
    for _ in range(2):
        event = session.receive(DhtLookup(5, server=False, key=KEY).encode(), NOW)
        assert isinstance(event, DhtAsked)


@pytest.mark.claim("C44")
def test_unsubscribe_is_asked_once_and_answered_once() -> None:
    session = opened()
    session.receive(Subscribe(5, 0, FILTER).encode(), NOW)
    assert session.receive(Unsubscribe(5).encode(), NOW) == UnsubscribeAsked(5)
    assert session.receive(Unsubscribe(5).encode(), NOW) is None
    assert session.take_outgoing() == []
    session.query_closed(5, ResultCode.SUCCESS)
    assert session.receive(Unsubscribe(5).encode(), NOW) is None
    assert session.take_outgoing() == [QueryClosed(5, ResultCode.NOT_FOUND).encode()]


def test_an_id_that_is_used_again_can_be_unsubscribed_again() -> None:
    session = opened()
    for _ in range(2):
        session.receive(Subscribe(5, 0, FILTER).encode(), NOW)
        assert session.receive(Unsubscribe(5).encode(), NOW) == UnsubscribeAsked(5)
        session.query_closed(5, ResultCode.SUCCESS)


def test_more_queries_than_allowed_are_too_fast() -> None:
    session = opened(open_queries=2)
    for query_id in (1, 2):
        session.receive(Subscribe(query_id, 0, FILTER).encode(), NOW)
    assert session.receive(Query(3, 0, FILTER).encode(), NOW) is None
    assert session.take_outgoing() == [QueryClosed(3, ResultCode.TOO_FAST).encode()]
    session.query_closed(1, ResultCode.SUCCESS)
    assert session.receive(Query(3, 0, FILTER).encode(), NOW) == QueryAsked(3, 0, FILTER)


def test_an_address_that_no_record_can_have_ends_its_get_alone() -> None:
    address = bytes([0x80] * 8) + bytes.fromhex("0000000100010020") + KEY  # a reserved bit in the kind
    session = opened()
    assert session.receive(Get(7, (IDS[0], address)).encode(), NOW) is None
    assert session.take_outgoing() == [QueryClosed(7, ResultCode.INVALID).encode()]
    assert session.open_queries == frozenset()
    assert session.is_open
