"""What the fuzz expects of a server holds for every server that keeps to the protocol."""

from __future__ import annotations

from random import Random

import pytest
from fuzz.cases import Case, Cases
from fuzz.impostors import Impostors
from fuzz.records import Author

from mosaic.core.keys import SecretKey
from mosaic.protocol.events import Finished, GetAsked, QueryAsked, UnsubscribeAsked
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.sync_events import SyncGetAsked
from mosaic.wire.client_messages import Hello
from mosaic.wire.result_code import ResultCode


class Slow:
    """A server that takes its time over what a mutated frame asks for, and answers all else at once."""

    def __init__(self) -> None:
        self.reason = ""
        self._session = ServerSession(ServerSessionSettings(open_queries=65_536), bytes(32), 0)
        self._session.receive(Hello(0, (0, 1)).encode(), 0)

    def take(self, case: Case) -> bool:
        """Whether the session still stands after a case."""
        data = case.data
        while data:
            length = int.from_bytes(data[4:8], "little")
            event = self._session.receive(data[:length], 0)
            data = data[length:]
            asked = isinstance(event, QueryAsked | GetAsked | SyncGetAsked) and case.name != "mutated frame"
            if asked or isinstance(event, UnsubscribeAsked):
                self._session.query_closed(event.query_id, ResultCode.SUCCESS)  # type: ignore[union-attr]
            if isinstance(event, Finished):
                self.reason = event.reason
        return not self._session.is_closed


@pytest.fixture(scope="module")
def cases() -> Cases:
    random = Random(20)
    person = SecretKey.generate(random.randbytes(32)).public
    author = Author(random, person)
    return Cases(random, author.samples(), author.key, Impostors(random, person))


def test_a_link_ends_for_no_case_that_does_not_say_so(cases: Cases) -> None:
    """Also while the server is still busy with what mutated frames have opened."""
    server = Slow()
    for case in cases.take(10_000):
        if not case.whole:
            continue
        if not server.take(case):
            assert case.closes, f"{case.name}: {server.reason}"
            server = Slow()


def test_mutated_frames_open_no_query_id_that_another_case_opens(cases: Cases) -> None:
    """A query that a mutated frame has opened may stay open: no other case may use its id again."""
    seen: dict[bool, set[int]] = {True: set(), False: set()}
    for case in cases.take(10_000):
        opens = case.data[:1] in (b"\x01", b"\x02", b"\x03")
        if opens and case.whole and case.name != "random frame":
            seen[case.name == "mutated frame"].add(int.from_bytes(case.data[2:4], "little"))
    assert seen[True]
    assert not seen[True] & seen[False]
