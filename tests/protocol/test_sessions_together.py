"""A client's session against a server's, in any order that a network allows.

The model is what each side should believe: what was asked and not answered,
which ids are open. Frames wait in two queues, delivered in order, as late as
hypothesis likes.
"""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.wire.examples import FILTER, KEY, RECORD, SIGNATURE

from mosaic.core import blob_hash
from mosaic.errors import Disconnected
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.events import (
    BlobAnswered,
    BlobArrived,
    BlobAsked,
    BlobSubmitted,
    ClientEvent,
    DhtAnswered,
    DhtAsked,
    Finished,
    GetAsked,
    HelloAccepted,
    HelloDone,
    LocallyCompleted,
    QueryAsked,
    QueryEnded,
    RecordArrived,
    ServerClosing,
    ServerEvent,
    SubmissionAnswered,
    Submitted,
    SubscribeAsked,
    UnsubscribeAsked,
    Violation,
)
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ClientSessionSettings, ServerSessionSettings
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import DhtItem, Record

pytestmark = pytest.mark.claim("C42", "C43", "C44", "C45")

NOW = 5_000_000_000
RESULTS = st.sampled_from(ResultCode)
OPEN_QUERIES = 4


def record(number: int) -> bytes:
    return bytes([0, number]) + RECORD[2:]


class Sessions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.client = ClientSession(ClientSessionSettings(applications=(1, 9)), NOW)
        self.server = ServerSession(ServerSessionSettings(open_queries=OPEN_QUERIES), None, NOW)
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes] = deque()
        self.requests: deque[ServerEvent] = deque()  # what the server was asked and has not answered
        self.sent: Counter[bytes] = Counter()  # records submitted, not yet answered at the client
        self.subscriptions: set[int] = set()  # at the server, stored records sent
        self.client_open: set[int] = set()
        self.client_muted: set[int] = set()
        self.over = False

    def ask(self, frame: bytes) -> None:
        if frame:
            self.to_server.append(frame)

    def tell(self, frame: bytes) -> None:
        self.to_client.append(frame)

    @initialize()
    def hello(self) -> None:
        self.ask(self.client.hello())

    # --- the client asks

    @precondition(lambda self: not self.over)
    @rule(number=st.integers(0, 3))
    def submit(self, number: int) -> None:
        self.ask(self.client.submit(record(number)))
        self.sent[record(number)[:32]] += 1

    @precondition(lambda self: not self.over)
    @rule(kind=st.sampled_from(["get", "query", "subscribe"]))
    def open_query(self, kind: str) -> None:
        if kind == "get":
            query_id, frame = self.client.get((bytes(48),))
        elif kind == "query":
            query_id, frame = self.client.query(FILTER, 2)
        else:
            query_id, frame = self.client.subscribe(FILTER)
        assert query_id not in self.client_open
        self.client_open.add(query_id)
        self.ask(frame)

    @precondition(lambda self: not self.over and self.client_open)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        query_id = data.draw(st.sampled_from(sorted(self.client_open)))
        self.ask(self.client.unsubscribe(query_id))
        self.client_muted.add(query_id)

    @precondition(lambda self: not self.over)
    @rule(blob=st.binary(max_size=3), put=st.booleans())
    def blob(self, blob: bytes, put: bool) -> None:
        name = blob_hash.of(blob)
        self.ask(self.client.blob_put(name, blob) if put else self.client.blob_get(name))

    @precondition(lambda self: not self.over)
    @rule(server=st.booleans())
    def look_up(self, server: bool) -> None:
        self.ask(self.client.dht_lookup(KEY, server=server)[1])

    @precondition(lambda self: self.over)
    @rule()
    def ask_when_it_is_over(self) -> None:
        with pytest.raises(Disconnected):
            self.client.submit(RECORD)

    # --- the network

    @precondition(lambda self: self.to_server)
    @rule()
    def deliver_to_server(self) -> None:
        event = self.server.receive(self.to_server.popleft(), NOW)
        self.to_client.extend(self.server.take_outgoing())
        assert not isinstance(event, Finished), event
        if isinstance(event, HelloDone):
            assert event.applications == (1,)
        elif event is not None:
            self.requests.append(event)

    @precondition(lambda self: self.to_client)
    @rule()
    def deliver_to_client(self) -> None:
        was_over = self.client.is_closed
        event = self.client.receive(self.to_client.popleft(), NOW)
        assert not isinstance(event, Violation), event
        assert event is None or not was_over
        self.believe(event)

    def believe(self, event: ClientEvent | None) -> None:
        match event:
            case SubmissionAnswered(prefix):
                assert self.sent[prefix] > 0
                self.sent[prefix] -= 1
            case QueryEnded(query_id):
                self.client_open.remove(query_id)
                self.client_muted.discard(query_id)
            case RecordArrived(query_id) | LocallyCompleted(query_id):
                assert query_id in self.client_open - self.client_muted
            case ServerClosing():
                self.over = True
            case BlobArrived(name, result, length, body):
                assert (body is not None) == result.is_success
                assert body is None or (blob_hash.of(body) == name and len(body) == length)
            case HelloAccepted(_, applications):
                assert applications == (1,)
            case None | BlobAnswered() | DhtAnswered():
                pass
            case _:
                pytest.fail(f"unexpected {event}")

    # --- the server answers, in the order of the requests

    @precondition(lambda self: self.requests and not self.server.is_closed)
    @rule(result=RESULTS, blob=st.binary(max_size=3))
    def answer(self, result: ResultCode, blob: bytes) -> None:
        server = self.server
        match self.requests.popleft():
            case Submitted(data):
                self.tell(server.submission_result(data[:32], result))
            case GetAsked(query_id) | QueryAsked(query_id):
                if query_id in server.open_queries:
                    self.tell(Record(query_id, RECORD).encode())
                    self.tell(server.query_closed(query_id, result))
            case SubscribeAsked(query_id):
                if query_id in server.open_queries:
                    self.tell(Record(query_id, RECORD).encode())
                    self.tell(server.locally_complete(query_id))
                    self.subscriptions.add(query_id)
            case UnsubscribeAsked(query_id):
                if query_id in server.open_queries:
                    self.subscriptions.discard(query_id)
                    self.tell(server.query_closed(query_id, ResultCode.SUCCESS))
            case BlobSubmitted(name):
                self.tell(server.blob_submission_result(name, result))
            case BlobAsked(name) if name == blob_hash.of(blob):
                self.tell(server.blob_result_head(name, len(blob)) + blob)
            case BlobAsked(name):
                self.tell(server.blob_result(name, ResultCode.NOT_FOUND))
            case DhtAsked(query_id):
                item = DhtItem(1, SIGNATURE, b"U\n") if result is ResultCode.SUCCESS else None
                failure = result if not result.is_success else ResultCode.NOT_FOUND
                self.tell(server.dht_response(query_id, result if item else failure, item))

    @precondition(lambda self: self.subscriptions and not self.server.is_closed)
    @rule(data=st.data(), result=RESULTS, end=st.booleans())
    def live(self, data: st.DataObject, result: ResultCode, end: bool) -> None:
        query_id = data.draw(st.sampled_from(sorted(self.subscriptions)))
        if end:
            self.subscriptions.remove(query_id)
            self.tell(self.server.query_closed(query_id, result))
        else:
            self.tell(Record(query_id, RECORD).encode())

    @precondition(lambda self: not self.server.is_closed)
    @rule(result=RESULTS, sure=st.integers(0, 9))
    def close(self, result: ResultCode, sure: int) -> None:
        if sure == 0:
            self.tell(self.server.closing(result))

    # --- what holds at every moment

    @invariant()
    def tables_agree(self) -> None:
        assert len(self.server.open_queries) <= OPEN_QUERIES
        assert self.server.outgoing == []
        if not self.over:
            assert self.client_open <= self.client.open_queries
        if self.client.is_closed:
            assert self.client.is_idle

    def teardown(self) -> None:
        """Everything delivered and answered: nothing is left open on either side."""
        if self.over or self.server.is_closed:
            return
        for _ in range(3):
            while self.to_server:
                self.deliver_to_server()
            while self.requests:
                self.answer(ResultCode.SUCCESS, b"")
            while self.to_client:
                self.deliver_to_client()
        for query_id in sorted(self.subscriptions):
            self.tell(self.server.query_closed(query_id, ResultCode.SUCCESS))
        while self.to_client:
            self.deliver_to_client()
        assert self.client.is_idle
        assert not self.server.open_queries
        assert not self.client_open
        assert not any(self.sent.values())


Sessions.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

TestSessions = Sessions.TestCase
