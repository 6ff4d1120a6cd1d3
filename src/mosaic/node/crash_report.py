"""What is told of a fault of this program's: where it happened, and no value that was at work then.

A traceback of Python's shows no variables, but the message of an exception may
quote what it was given: `KeyError('…')`. A fault that nobody foresaw may quote
anything, so in such messages everything in quotes is left out, as is whatever
could be a key: bytes, long digits, long words. Where it happened is told whole.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from mosaic.errors import MosaicError
from mosaic.errors.hiding import HIDDEN, hidden

if TYPE_CHECKING:
    import asyncio

_NAMES_ONLY: Final = (MosaicError, OSError, AttributeError, NameError, ImportError, TypeError)
"""These quote names of files, of people and of things in the program, and no values."""
_QUOTED: Final = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_VALUES: Final = (
    re.compile(r"b'(?:\\.|[^'\\])*'|b\"(?:\\.|[^\"\\])*\""),
    re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{24,}"),
    re.compile(r"(?<![\w/.])(?!mo(?:pub|srv|ref|record)0)[A-Za-z0-9][A-Za-z0-9+/_-]{31,}=*"),
    re.compile(r"\d{1,3}(?:, ?\d{1,3}){11,}"),
)
"""Bytes as Python writes them, long digits, long words (base64 …), rows of numbers."""
_STANDING: Final = ("File ", "Traceback ", "During handling ", "The above exception ", "Exception Group ")
_FRAME: Final = " |+-\n"
"""What stands around the parts of a traceback of several exceptions."""


def message_of(fault: BaseException) -> str:
    """What a fault says, with its type, in one line for whoever asked for what failed."""
    told = _shown(str(fault), quoted=isinstance(fault, _NAMES_ONLY)).strip()
    return f"{type(fault).__name__}: {told}" if told else type(fault).__name__


def report(fault: BaseException) -> str:
    """A fault as a traceback: where it happened, and of what it says no values. Ends with a line's end."""
    whole = traceback.TracebackException.from_exception(fault)
    harmless = {_name(each) for each in _chain(fault) if isinstance(each, _NAMES_ONLY)}
    return "".join(_part(part, harmless) for part in whole.format())


def _part(part: str, harmless: set[str]) -> str:
    """A part of a traceback: a place in the program stays whole, what an exception says does not."""
    inside = part.strip(_FRAME)
    if inside.startswith(_STANDING):
        return hidden(part)
    return _shown(part, quoted=inside.partition(":")[0] in harmless)


def _shown(text: str, *, quoted: bool) -> str:
    text = text if quoted else _QUOTED.sub(HIDDEN, text)
    for value in _VALUES:
        text = value.sub(HIDDEN, text)
    return hidden(text)


def _name(fault: BaseException) -> str:
    """What an exception is called in a traceback."""
    kind = type(fault)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _chain(fault: BaseException) -> list[BaseException]:
    """An exception, and those that led to it or are in it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [fault]
    while waiting:
        each = waiting.pop()
        if each is None or any(each is one for one in found):
            continue
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return found


# --- faults that nobody waits for -------------------------------------------------------------------------


def report_everywhere() -> None:
    """From now on, faults that end this process or a thread, and those that nobody sees, are told so."""
    sys.excepthook = _ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable


def tell_of_loop(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Tells of a fault in an event loop for which nobody waits; to be its exception handler.

    What the loop itself would tell shows tasks and callbacks with what they hold.
    """
    # `Exception in callback NAME(ARGUMENTS…)`
    told: dict[str, Any] = {"message": str(context.get("message", "")).partition("(")[0]}
    if context.get("exception") is not None:
        told["exception"] = context["exception"]
    loop.default_exception_handler(told)


def _ended(_kind: type[BaseException], fault: BaseException, _trace: TracebackType | None) -> None:
    _write(report(fault))


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
        name = "" if told.thread is None else f" in {told.thread.name}"
        _write(f"A fault{name}:\n{report(told.exc_value)}")


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    if told.exc_value is not None:
        _write(f"A fault that stops nothing:\n{report(told.exc_value)}")


def _write(text: str) -> None:
    # Whoever read our errors may have gone.
    if sys.stderr is not None and not sys.stderr.closed:
        sys.stderr.write(text)
        sys.stderr.flush()
