from __future__ import annotations

import pytest

from mosaic.client.greeting import Greeting
from mosaic.client.told import told
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.transport.events import DIAL_FAILED, DIAL_FOREIGN_CERTIFICATE, DIAL_REFUSED_FORM


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"aborted by peer: no room", "aborted by peer: no room"),
        ("gewiß später".encode(), "gewiß später"),
        (b"a\x1b]0;owned\x07\x1b[2Jb", "a ]0;owned [2Jb"),
        (b"one\n2026-11-21 CRITICAL two\r\n", "one 2026-11-21 CRITICAL two"),
        ("abc\u202edcba\u2066".encode(), "abc dcba"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_reason_is_one_line_of_printable_text(data: bytes, words: str) -> None:
    assert told(data) == words


def test_a_reason_has_a_length_that_is_bounded() -> None:
    assert told(b"a" * 300) == "a" * 300
    assert told(b"a" * 60_000) == "a" * 299 + "…"


@pytest.mark.parametrize("what", [DIAL_FAILED, DIAL_REFUSED_FORM, DIAL_FOREIGN_CERTIFICATE])
def test_what_ended_a_dial_steers_no_terminal(what: int) -> None:
    greeting = Greeting(ClientSession(ClientSessionSettings(), 0))
    assert str(greeting.failed(what, b"\x1b[2J\nowned")).isprintable()
