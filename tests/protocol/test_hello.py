from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.protocol.hello import agreement, fault_in, refusal_in, refusal_of_first
from mosaic.protocol.settings import MAJOR_VERSION
from mosaic.wire.client_messages import Hello
from mosaic.wire.codec import decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck

NUMBERS = st.lists(st.integers(0, 6), max_size=8)


@pytest.mark.claim("C43")
@given(st.integers(0, 255), NUMBERS, NUMBERS)
def test_what_a_server_agrees_to_is_what_a_client_takes(
    version: int, wanted: list[int], supported: list[int]
) -> None:
    ack = agreement(Hello(version, tuple(wanted)), supported)
    assert ack.version <= min(version, MAJOR_VERSION)
    assert set(ack.applications) == set(wanted) & set(supported)
    assert list(ack.applications) == sorted(ack.applications, key=wanted.index)
    assert len(set(ack.applications)) == len(ack.applications)
    assert fault_in(ack, wanted) is None


def test_a_client_takes_nothing_that_it_did_not_offer() -> None:
    assert fault_in(HelloAck(ResultCode.SUCCESS, MAJOR_VERSION + 1, ()), ()) is not None
    assert fault_in(HelloAck(ResultCode.SUCCESS, MAJOR_VERSION, (1, 2)), (2,)) is not None
    assert fault_in(HelloAck(ResultCode.UNAUTHORIZED, MAJOR_VERSION, ()), ()) == "HELLO ACK says UNAUTHORIZED"
    assert refusal_in(HelloAck(ResultCode.DUPLICATE, MAJOR_VERSION, ())) is None


def test_a_hello_of_the_old_framing_is_answered_in_it() -> None:
    frame, finished = refusal_of_first(bytes.fromhex("1008000000000000"), "something else")
    assert frame == bytes.fromhex("fe") + bytes([ResultCode.INVALID]) + bytes(6)
    assert "0.8.0" in finished.reason
    frame, finished = refusal_of_first(bytes(8), "something else")
    assert decode(frame) == Closing(ResultCode.INVALID)
    assert "something else" in finished.reason
