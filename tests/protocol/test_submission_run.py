from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.server_sessions import FRAMES
from tests.wire.examples import RECORD

from mosaic.errors import InvalidMessage
from mosaic.protocol.submission_run import records_of_run
from mosaic.wire.client_messages import Submission
from mosaic.wire.codec import decode

SUBMISSION = Submission(RECORD).encode()


@given(st.lists(FRAMES | st.just(SUBMISSION), max_size=20), st.integers(0, 20))
def test_a_run_is_what_the_codec_takes_for_submissions(frames: list[bytes], start: int) -> None:
    expected = []
    for frame in frames[start:]:
        try:
            message = decode(frame)
        except InvalidMessage:
            break
        if not isinstance(message, Submission):
            break
        expected.append(message.record)
    assert records_of_run(frames, start) == expected


def test_a_run_ends_at_what_is_not_well_formed() -> None:
    for bad in (b"", SUBMISSION[:-1], SUBMISSION + b"\0", SUBMISSION[:8] + b"\x80" + SUBMISSION[9:]):
        assert records_of_run([SUBMISSION, bad, SUBMISSION]) == [RECORD]
    assert records_of_run([SUBMISSION, SUBMISSION], 1) == [RECORD]
    assert records_of_run([]) == []
