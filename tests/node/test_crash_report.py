"""What is told of a fault that nobody foresaw: where it happened, and no value that was at work."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from mosaic.core.keys import SecretKey
from mosaic.errors import LocalError
from mosaic.node import crash_report
from mosaic.node.crash_report import message_of, report
from mosaic.node.logging_setup import JsonLines, TextLines

SEED = bytes(range(100, 132))
KEY = SecretKey.from_seed(SEED)
WORD = "correct horse battery"


def raised(make: Callable[[], BaseException]) -> BaseException:
    def fail() -> None:
        raise make()

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        fail()
    return caught.value


def chained() -> BaseException:
    first = raised(lambda: KeyError(WORD))
    second = raised(lambda: ValueError(f"{SEED!r}"))
    second.__cause__ = first
    last = RuntimeError(f"'{WORD}'")
    last.__context__ = second
    last.add_note(f"with {SEED.hex()}")
    return ExceptionGroup("several", [last, LookupError(list(SEED))])


SECRETS = (WORD, SEED.hex(), repr(SEED)[2:-1], KEY.text, str(list(SEED))[1:-1], KEY.text[6:])


@pytest.mark.claim("C11")
@pytest.mark.parametrize(
    "make",
    [
        lambda: KeyError(WORD),
        lambda: KeyError(SEED, SEED.hex()),
        lambda: ValueError(f"invalid literal: {WORD!r}"),
        lambda: ValueError(KEY.text),
        lambda: ValueError(KEY.text[6:]),
        lambda: ValueError(f"not in {list(SEED)}"),
        lambda: UnicodeDecodeError("utf-8", SEED, 0, 1, "no"),
        lambda: TypeError(f"what is {SEED!r}?"),
        lambda: AssertionError((KEY, SEED)),
        chained,
    ],
)
def test_no_value_is_told(make: Callable[[], BaseException]) -> None:
    fault = raised(make)
    for told in (report(fault), message_of(fault)):
        for secret in SECRETS:
            assert secret not in told, told
    assert type(fault).__name__ in report(fault)
    assert "in raised" in report(fault)
    assert report(fault).endswith("\n")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (AttributeError("'NoneType' object has no attribute 'key'"), "no attribute 'key'"),
        (FileNotFoundError(2, "No such file or directory", "/home/anna/x"), "'/home/anna/x'"),
        (LocalError("nobody called 'ben' lives in this home"), "nobody called 'ben'"),
        (ValueError("7 is not in range"), "7 is not in range"),
        (RuntimeError(KEY.public.user_text), KEY.public.user_text),
    ],
)
def test_what_helps_to_find_the_fault_is_told(fault: Exception, told: str) -> None:
    assert told in report(raised(lambda: fault))
    assert told in message_of(fault)


@pytest.fixture
def hooks() -> Iterator[None]:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    crash_report.report_everywhere()
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = before


@pytest.mark.usefixtures("hooks")
def test_faults_that_nobody_waits_for_are_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise KeyError(WORD)

    thread = threading.Thread(target=fails, name="beside")
    thread.start()
    thread.join()
    fault = raised(lambda: KeyError(WORD))
    sys.excepthook(type(fault), fault, fault.__traceback__)

    class Unruly:
        def __del__(self) -> None:
            fails()

    Unruly()
    told = capsys.readouterr().err
    assert "A fault in beside" in told
    assert told.count("KeyError: (hidden)") == 3
    assert WORD not in told


async def test_a_loop_tells_of_no_callbacks_arguments(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(crash_report.tell_of_loop)

    def fails(_given: str) -> None:
        raise KeyError(WORD)

    loop.call_soon(fails, WORD)
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    (entry,) = caplog.records
    for form in (TextLines(), JsonLines()):
        line = form.format(entry)
        assert "in fails" in line
        assert "KeyError" in line
        assert WORD not in line


def test_logs_tell_of_an_error_where_it_happened_and_no_values() -> None:
    fault = raised(lambda: KeyError(WORD))
    entry = logging.LogRecord(
        "x", logging.ERROR, "", 1, "it failed", (), (type(fault), fault, fault.__traceback__)
    )
    for form in (TextLines(), JsonLines()):
        assert WORD not in form.format(entry)
        assert "in raised" in form.format(entry)
