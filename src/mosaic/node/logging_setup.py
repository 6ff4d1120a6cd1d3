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
from typing import Final

from mosaic.errors import SettingsInvalid
from mosaic.node.operating_settings import LogSettings

HIDDEN: Final = "(hidden)"
"""In place of a secret."""
_SECRETS: Final = (
    re.compile(r"mo(?:crypt)?sec0\w*"),
    re.compile(r"(?<=token=)[^\s&\"']+"),
    re.compile(r"(?<=://)[^\s/@\"']+(?=@)"),
    re.compile(r"(?i)(?<=password[=:])\s*\S+"),
    re.compile(r"(?i)(?<=password[\"'][=:])\s*(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\S+)"),
)
_IPV4: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*:[0-9a-fA-F]*:)[0-9a-fA-F:]{3,40}(?!\w|\.\d)")
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def clean(text: str) -> str:
    """A text without secrets, its addresses shortened to their networks."""
    for secret in _SECRETS:
        text = secret.sub(HIDDEN, text)
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


class TextLines(logging.Formatter):
    """Lines for people, cleaned."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """One entry; an error's traceback stands below it."""
        return clean(super().format(record))


class JsonLines(logging.Formatter):
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
