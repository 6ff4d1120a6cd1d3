"""Arguments of acts: JSON objects read field by field, with errors that people understand.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.core import kinds, reference
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.reference import Id, Reference
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.errors import InvalidTimestamp, UsageError
from mosaic.errors.hiding import TAKE_IT_OUT, holds_secret_key
from mosaic.node.control import Json, JsonObject
from mosaic.node.master import Unlocking

_T = TypeVar("_T")

KIND_NAMES = {
    "schedule": kinds.KEY_SCHEDULE,
    "profile": kinds.PROFILE,
    "post": kinds.MICROBLOG,
    "reply": kinds.REPLY_COMMENT,
    "blog": kinds.BLOG_POST,
    "chat": kinds.CHAT_MESSAGE,
    "example": kinds.EXAMPLE,
}
"""Kinds that have a short name in commands."""

_SECRET = frozenset({"master", "new_password", "password", "secret"})
"""Arguments in which a secret belongs."""

# The most keys that one filter element holds.
_KEYS = 63

_AGO = re.compile(r"(\d{1,9})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Arguments:
    """The arguments of one act.

    Args:
        given: The object as it came.
    """

    def __init__(self, given: JsonObject) -> None:
        self._given = given

    def text(self, name: str) -> str:
        """A text that must be there. Raises UsageError."""
        value = self.optional_text(name)
        if value is None:
            raise UsageError(f"`{name}` is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None. Raises UsageError if it can't be written as UTF-8, or is a secret."""
        value = self._of(name, str)
        return None if value is None else _whole(name, value)

    def path(self, name: str) -> Path:
        """A file's name, of any bytes. Raises UsageError if it is missing."""
        value = self._of(name, str)
        if not value:
            raise UsageError(f"`{name}` is missing")
        return Path(value)

    def number(self, name: str, default: int) -> int:
        """A number from 0 on, `default` if it is not there. Raises UsageError."""
        value = self._of(name, int)
        if value is not None and value < 0:
            raise UsageError(f"`{name}` is a number from 0 on")
        return default if value is None else value

    def flag(self, name: str) -> bool:
        """A yes or no; no if it is not there. Raises UsageError."""
        return bool(self._of(name, bool))

    def texts(self, name: str) -> list[str]:
        """Texts, none if it is not there. Raises UsageError."""
        values = self._of(name, list) or []
        if not all(isinstance(value, str) for value in values):
            raise UsageError(f"`{name}` holds texts")
        return [_whole(name, str(value)) for value in values]

    def _of(self, name: str, kind: type[_T]) -> _T | None:
        value: Json = self._given.get(name)
        if value is not None and not isinstance(value, kind):
            raise UsageError(f"`{name}` is no {kind.__name__}")
        return value

    def unlocking(self) -> Unlocking:
        """What opens a master key: `master`, its file's content, and `password`."""
        return Unlocking(self.optional_text("master"), self.optional_text("password"))

    def server(self) -> ServerAddress | None:
        """The server that `server` (a URL) and `key` name together, or None without a URL.

        Raises:
            UsageError: a URL without a key.
            FormatError: one of them is not valid.
        """
        url, key = self.optional_text("server"), self.optional_text("key")
        if url is None:
            return None
        if key is None:
            raise UsageError(
                "a server's URL needs its key beside it",
                hint="Give both --server URL and --key mosrv0…; `mosaic serve` prints them.",
            )
        where = ServerUrl.parse(url)
        return ServerAddress.by_hand(PublicKey.parse_server(key), where)

    def key_alone(self) -> NamedKey | None:
        """The person or server that `key` names without a URL, to be looked up; None if it does not.

        Raises:
            FormatError: it is no key.
        """
        url, key = self.optional_text("server"), self.optional_text("key")
        return None if key is None or url is not None else NamedKey.parse(key)

    def names_another(self) -> bool:
        """Whether another server than the own one is named, by its URL or by a key."""
        return self.optional_text("server") is not None or self.optional_text("key") is not None

    def references(self, name: str) -> list[Reference]:
        """References as `moref0…`."""
        return [reference.parse(text) for text in self.texts(name)]


def _whole(name: str, text: str) -> str:
    # A label is shown and a note is kept, a post is for everybody: no secret gets there by a slip.
    if name not in _SECRET and holds_secret_key(text):
        raise UsageError(f"a secret key was given as `{name}`", hint=TAKE_IT_OUT)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"`{name}` is not UTF-8", hint="Write it in UTF-8.") from None
    return text


def _hexadecimal(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(f"`{name}` is not hexadecimal") from None


def parse_kind(text: str) -> Kind:
    """A kind by its short name or its 16 hexadecimal digits. Raises UsageError or InvalidKind."""
    if text in KIND_NAMES:
        return KIND_NAMES[text]
    try:
        return Kind.from_bytes(bytes.fromhex(text))
    except ValueError:
        raise UsageError(
            f"{text!r} is no kind", hint=f"Write one of {', '.join(KIND_NAMES)}, or 16 hexadecimal digits."
        ) from None


def parse_tag(text: str) -> Tag:
    """A tag as TYPE:VALUE, the type a number (0x1 or 1), the value hexadecimal. Raises UsageError."""
    kind, _, value = text.partition(":")
    try:
        return Tag(int(kind, 0), bytes.fromhex(value))
    except ValueError:
        raise UsageError(
            f"{text!r} is no tag", hint="Write it as TYPE:VALUE, such as 0x1:00000000… in hexadecimal digits."
        ) from None


def parse_time(text: str, now: Timestamp) -> Timestamp:
    """A time: ISO 8601, nanoseconds as a Mosaic timestamp, or how long ago (`2h`, `7d`).

    Raises:
        InvalidTimestamp: another form.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return Timestamp(max(0, now - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000))
    if text.isdigit():
        return Timestamp(int(text))
    try:
        return Timestamp.parse_iso(text)
    except InvalidTimestamp as error:
        hint = "Say how long ago, such as 2h or 7d, or a time with its zone: 2026-01-02T03:04:05Z."
        raise InvalidTimestamp(str(error), hint=hint) from error


def parse_filters(arguments: Arguments, now: Timestamp) -> list[Filter]:
    """As `parse_filter`, in as many filters as it takes to name all authors."""
    authors = [PublicKey.parse_user(text) for text in arguments.texts("authors")]
    parts = [authors[start : start + _KEYS] for start in range(0, len(authors), _KEYS)]
    return [parse_filter(arguments, now, authors=part) for part in parts or [[]]]


def parse_filter(
    arguments: Arguments, now: Timestamp, *, authors: Sequence[PublicKey] | None = None
) -> Filter:
    """The filter that the arguments of a query describe; elements that are not given are left out.

    Args:
        arguments: Those of the act.
        now: The time, for times that say how long ago.
        authors: Instead of those of the arguments.

    A whole filter may be given instead, as the bytes of a message in hexadecimal digits (`filter`).

    Raises:
        FormatError: a part of it is not valid.
        UsageError: `filter` is not hexadecimal, or a part is of another type.
    """
    whole = arguments.optional_text("filter")
    if whole is not None:
        return Filter.parse(_hexadecimal("filter", whole))

    def some(name: str, parse: Callable[[str], _T]) -> list[_T] | None:
        return [parse(text) for text in arguments.texts(name)] or None

    def time(name: str) -> Timestamp | None:
        text = arguments.optional_text(name)
        return None if text is None else parse_time(text, now)

    return Filter.of(
        authors=some("authors", PublicKey.parse_user) if authors is None else authors or None,
        signers=some("signers", PublicKey.parse_user),
        kinds=some("kinds", parse_kind),
        timestamps=some("timestamps", lambda text: parse_time(text, now)),
        tags=some("tags", parse_tag),
        since=time("since"),
        until=time("until"),
        received_since=time("received_since"),
        received_until=time("received_until"),
        exclude=some("exclude", Id.parse),
        exclude_tags=some("exclude_tags", parse_tag),
    )
