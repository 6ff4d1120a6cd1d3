"""A Server Act: what somebody who runs a server did to it, signed, so that it can be shown later.

A record of kind 28 that its author alone reads: a moderator, or the server
itself by its own key. Its payload is a canonical CBOR map: `act` (a word),
`arguments` (a map of what it was done to), `reason` (a text, may be empty),
`server` (the server's key, 32 bytes) and `before` (the id, 48 bytes, of that
server's act before this one, or null if there was none). Acts of older versions
lack the last two.

Source: edition §4 (Community application); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cbor2

from mosaic.core import builder, cbor, nonce
from mosaic.core.community_kinds import SERVER_ACT
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.errors import FormatError, InvalidContent, InvalidKey, InvalidReference

Value: TypeAlias = "str | int | bool | list[Value] | dict[str, Value] | None"
"""What an argument may be."""

_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Link:
    """The place of an act among those of its server (`mosaic.core.act_chain`).

    Args:
        server: The server's key.
        before: The act before it; None if there was none.
    """

    server: PublicKey
    before: Id | None


@dataclass(frozen=True, slots=True)
class ServerAct:
    """One act.

    Args:
        act: What was done, a word: `ban`, `serve`, …
        arguments: To what, and how.
        reason: Why, in words for those who look later.
        link: Its place; None in acts of older versions.
    """

    act: str
    arguments: Mapping[str, Value]
    reason: str
    link: Link | None = None


def build(secret: SecretKey, author: PublicKey, act: ServerAct, now_ns: int) -> Record:
    """The record of an act.

    Args:
        secret: Who signs: the author's key, or a subkey of his.
        author: The moderator's key, or the server's.
        act: The act.
        now_ns: When it is done, ns; no two acts of an author may have the same.

    Raises:
        RecordTooLong: the arguments or the reason are too long.
    """
    fields: dict[str, object] = {"act": act.act, "arguments": dict(act.arguments), "reason": act.reason}
    if act.link is not None:
        fields["server"] = act.link.server.bytes
        fields["before"] = None if act.link.before is None else act.link.before.bytes
    payload = cbor2.dumps(fields, canonical=True)
    return builder.build(
        secret,
        author=author,
        kind=SERVER_ACT,
        nonce=nonce.from_time(now_ns),
        timestamp=now_ns,
        payload=payload,
    )


def read(record: Record) -> ServerAct:
    """The act in a record.

    Raises:
        InvalidContent: it is of another kind, or its payload is none.
    """
    if record.kind != SERVER_ACT:
        raise InvalidContent("the record is no Server Act")
    fields = _fields(record.payload)
    act, arguments, reason = (fields.get(name) for name in ("act", "arguments", "reason"))
    if not isinstance(act, str) or not isinstance(arguments, dict) or not isinstance(reason, str):
        raise InvalidContent("the payload is no Server Act: `act`, `arguments` or `reason` is missing")
    if not _is_value(arguments, _DEPTH):
        raise InvalidContent("the payload is no Server Act: an argument has no name, or is none")
    link = None
    if "server" in fields or "before" in fields:
        link = _link(fields.get("server"), fields.get("before"))
    return ServerAct(act, arguments, reason, link)


def _link(server: object, before: object) -> Link:
    if not isinstance(server, bytes) or not isinstance(before, bytes | None):
        raise InvalidContent("the payload is no Server Act: `server` or `before` has another form")
    try:
        return Link(PublicKey.from_bytes(server), None if before is None else Id.from_bytes(before))
    except (InvalidKey, InvalidReference) as error:
        raise InvalidContent(f"the payload is no Server Act: {error}") from error


def _fields(payload: bytes) -> dict[str, Any]:
    """The fields of a payload by their names."""
    try:
        entries = cbor.map_entries(payload)
    except FormatError as error:
        raise InvalidContent(f"the payload is no Server Act: {error}") from error
    fields: dict[str, Any] = {}
    for key, value in entries:
        name = _decoded(key) if key[0] >> 5 == cbor.TEXT else None
        if not isinstance(name, str) or name in fields:
            raise InvalidContent("the payload is no Server Act: its fields have no names, or one twice")
        fields[name] = _decoded(value)
    return fields


def _is_value(value: object, depth: int) -> bool:
    """Whether CBOR gave nothing but what an argument may be; its tags make many other things."""
    if isinstance(value, dict | list):
        named = isinstance(value, list) or all(isinstance(name, str) for name in value)
        members = value if isinstance(value, list) else value.values()
        return depth > 0 and named and all(_is_value(each, depth - 1) for each in members)
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, str)


def _decoded(data: bytes) -> Any:
    try:
        return cbor2.loads(data, max_depth=_DEPTH)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise InvalidContent(f"the payload is no Server Act: {error}") from error
