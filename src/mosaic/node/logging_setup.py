"""The log: lines for people or JSON for programs, without secrets and without whole addresses.

What looks like a secret key, a token or a password is taken out of every line,
whoever wrote it; an address of the Internet is shortened to its network, so
that a log that is kept does not tell who read what.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import sys
import time
from logging.handlers import WatchedFileHandler
from types import TracebackType
from typing import Final

from mosaic.errors import SettingsInvalid
from mosaic.errors.hiding import HIDDEN, hidden
from mosaic.node.crash_report import report
from mosaic.node.operating_settings import LogSettings

_PASSWORDS: Final = (
    re.compile(r"(?i)(?<=password[=:])\s*\S+"),
    re.compile(r"(?i)(?<=password[\"'][=:])\s*(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\S+)"),
)
_IPV4: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*:[0-9a-fA-F]*:)[0-9a-fA-F:]{3,40}(?!\w|\.\d)")
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def clean(text: str) -> str:
    """A text without secrets, its addresses shortened to their networks."""
    text = hidden(text)
    for password in _PASSWORDS:
        text = password.sub(HIDDEN, text)
    return _IPV6.sub(_short, _IPV4.sub(_short, text))


def _short(found: re.Match[str]) -> str:
    # A colon behind an address is not of it.
    for text in (found[0], found[0].removesuffix(":")):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if address.is_loopback or address.is_unspecified:
            break
        network = ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False)
        return f"{network}{found[0][len(text) :]}"
    return found[0]


class _Cleaned(logging.Formatter):
    """Shows of an error where it happened, and no values that were at work then."""

    def formatException(  # noqa: N802 - the library's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """An error's traceback, without the last line's end."""
        return "" if ei[1] is None else report(ei[1]).rstrip("\n")


class TextLines(_Cleaned):
    """Lines for people, cleaned.

    Args:
        form: How a line is made, as in `logging`.
    """

    def __init__(self, form: str = _FORMAT) -> None:
        super().__init__(form)

    def format(self, record: logging.LogRecord) -> str:
        """One entry; an error's traceback stands below it."""
        # Another handler may have left a traceback of its own making.
        made_before, record.exc_text = record.exc_text, None
        try:
            return clean(super().format(record))
        finally:
            record.exc_text = made_before


class JsonLines(_Cleaned):
    """One JSON object a line, cleaned: time (ISO 8601), level, room, message, error if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One entry."""
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "time": f"{whole}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "room": record.name,
            "message": clean(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = clean(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)


def clean_without_settings() -> None:
    """What is told before, or without, any settings of a log is cleaned as well."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(TextLines("%(message)s"))


def set_up(settings: LogSettings) -> None:
    """Logs as the settings say from now on, in place of how it was before.

    Args:
        settings: How.

    Raises:
        SettingsInvalid: the file can't be written; it is logged as before.
    """
    handler: logging.Handler
    if settings.file:
        try:
            # The file may be moved away at any time (logrotate); then a new one is begun.
            handler = WatchedFileHandler(settings.file, encoding="utf-8")
        except OSError as error:
            raise SettingsInvalid(
                f"the log can't be written to {settings.file}: {error.strerror}",
                hint="Name another file in [log], or none for stderr.",
            ) from error
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, TextLines | JsonLines):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    # What the web server tells of itself is of no use to an operator.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
