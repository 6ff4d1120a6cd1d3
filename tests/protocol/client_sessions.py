"""Sessions of a client."""

from __future__ import annotations

import pytest
from tests.wire.examples import HASH, RECORD

from mosaic.errors import Disconnected
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.events import (
    Violation,
)
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    HelloAck,
)

NOW = 1_000_000_000_000
SECOND = 1_000_000_000
ACK = HelloAck(ResultCode.SUCCESS, 0, (0, 1)).encode()


def greeting() -> ClientSession:
    session = ClientSession(ClientSessionSettings(), NOW)
    session.hello()
    return session


def opened() -> ClientSession:
    session = greeting()
    session.receive(ACK, NOW)
    return session


def assert_violated(session: ClientSession, event: object, *words: str) -> None:
    assert isinstance(event, Violation)
    assert all(word in event.reason for word in words)
    assert session.is_closed
    assert session.is_idle
    assert session.deadline_ns is None
    assert session.receive(ACK, NOW) is None
    assert session.tick(NOW + 3600 * SECOND) is None
    assert session.refused_length(bytes(8), NOW) is None
    assert session.spooled(BlobResult.head(HASH, 1), "file", HASH, 1, NOW) is None
    with pytest.raises(Disconnected):
        session.submit(RECORD)
