"""Sessions of a server, and frames that somebody may send to one."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.wire.examples import EXAMPLES, RECORD

from mosaic.protocol.events import (
    Finished,
)
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.wire.client_messages import (
    Hello,
    Submission,
)
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    Closing,
)

NOW = 1_000_000_000_000
SECOND = 1_000_000_000
IDS = (bytes([1] * 48), bytes([2] * 48))

FRAMES = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([data for _, data in EXAMPLES]),
    st.builds(
        lambda kind, fields, body: bytes([kind]) + fields + (8 + len(body)).to_bytes(4, "little") + body,
        st.integers(0, 255),
        st.binary(min_size=3, max_size=3),
        st.binary(max_size=300),
    ),
)


def new(**settings: int) -> ServerSession:
    return ServerSession(ServerSessionSettings(**settings), None, NOW)  # type: ignore[arg-type]


def opened(**settings: int) -> ServerSession:
    session = new(**settings)
    session.receive(Hello(0).encode(), NOW)
    session.take_outgoing()
    return session


def assert_finished(session: ServerSession, event: object, result: ResultCode) -> None:
    assert isinstance(event, Finished)
    assert event.result is result
    assert event.reason
    assert session.is_closed
    assert session.deadline_ns is None
    assert session.take_outgoing()[-1] == Closing(result).encode()
    assert session.receive(Hello(0).encode(), NOW) is None
    assert session.receive(Submission(RECORD).encode(), NOW) is None
    assert session.receive_run([Submission(RECORD).encode()]) == []
    assert session.tick(NOW + 3600 * SECOND) is None
    assert session.refused_length(bytes(8), NOW) is None
    assert session.take_outgoing() == []
