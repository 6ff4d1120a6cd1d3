"""Server Info: what a server says about itself, signed by its own key.

A record of kind 20 that everybody may read, one for each server: author and
signer are the server's key, the address nonce is the fixed one. Its payload is
a canonical CBOR map with text keys. A field that says nothing is left out; a
reader passes over fields that it does not know.

    name         text           what the server is called
    serves       text           whom: home, list, invitations, hook, everyone
    roles        array of text  outbox, inbox, encryption, chat
    inbox        text           who reads what strangers sent: everybody; recipient; approved (its
                                recipient, and others once a moderator has approved it)
    work         map text→uint  by role: zero bits that a stranger's record must show
    limits       map text→uint  what a stranger may do; bytes, seconds, counts
    rules        array of text  the server's rules, a sentence each
    contact, terms, service_url text

The edition names no payload, so its form is this project's own, as of other
kinds with a CBOR payload.

Source: edition §4 (Community application, proof of work); docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

import cbor2

from mosaic.core import builder, cbor, nonce
from mosaic.core.community_kinds import SERVER_INFO
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.errors import FormatError, InvalidContent

_DEPTH: Final = 3
_MOST_BITS: Final = 255
_MOST: Final = (1 << 64) - 1
_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_TEXTS: Final = frozenset({"name", "serves", "inbox", "contact", "terms", "service_url"})
_LISTS: Final = frozenset({"roles", "rules"})
_NUMBERS: Final = frozenset({"work", "limits"})


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says about itself. Empty is what it does not say.

    Args:
        name: What it is called.
        serves: Whom it serves: `home`, `list`, `invitations`, `hook` or `everyone`.
        roles: Its roles: `outbox`, `inbox`, `encryption`, `chat`.
        inbox: Who reads what strangers sent: `everybody`; `recipient`; or `approved`, its recipient alone
            until a moderator has approved it.
        work: By role the zero bits (0 to 255) that it asks of strangers' records; 0 where a role is missing.
        limits: By name what a stranger may do: bytes, seconds or counts.
        rules: Its rules, a sentence each.
        contact: How its operator is reached.
        terms: The address of its whole terms.
        service_url: The address where people manage what they have there.
    """

    name: str = ""
    serves: str = ""
    roles: tuple[str, ...] = ()
    inbox: str = ""
    work: Mapping[str, int] = field(default_factory=lambda: _NONE, hash=False)
    limits: Mapping[str, int] = field(default_factory=lambda: _NONE, hash=False)
    rules: tuple[str, ...] = ()
    contact: str = ""
    terms: str = ""
    service_url: str = ""

    @property
    def work_bits(self) -> int:
        """The most bits that any of its roles asks: who does so much is let in by all of them."""
        return max(self.work.values(), default=0)

    def payload(self) -> bytes:
        """The payload, in canonical CBOR (the same Server Info always gives the same bytes).

        Raises:
            InvalidContent: a text is no text, a number is below 0, or a role asks more than 255 bits.
        """
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {
            name: dict(value) if name in _NUMBERS else list(value) if name in _LISTS else value
            for name, value in said.items()
            if value
        }
        try:
            data = cbor2.dumps(plain, canonical=True)
        except (UnicodeEncodeError, cbor2.CBOREncodeError) as error:
            raise InvalidContent(f"the Server Info can't be written: {error}") from None
        from_payload(data)
        return data


def from_payload(data: bytes) -> ServerInfo:
    """The Server Info in a payload.

    Raises:
        InvalidContent: not one CBOR map with text keys, a field twice, or one of another type than its own.
    """
    try:
        entries = cbor.map_entries(data)
    except FormatError as error:
        raise InvalidContent(f"the payload is no Server Info: {error}") from None
    known: dict[str, Any] = {}
    seen: set[str] = set()
    for key, value in entries:
        name = _decoded(key) if key[0] >> 5 == cbor.TEXT else None
        if not isinstance(name, str) or name in seen:
            raise InvalidContent("the payload is no Server Info: its fields have no names, or one twice")
        seen.add(name)
        if name in _TEXTS or name in _LISTS or name in _NUMBERS:
            known[name] = _checked(name, _decoded(value))
    return ServerInfo(**known)


def _checked(name: str, value: object) -> str | tuple[str, ...] | Mapping[str, int]:
    """The value of a known field."""
    if name in _TEXTS and isinstance(value, str):
        return value
    if name in _LISTS and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if name in _NUMBERS and isinstance(value, dict):
        most = _MOST_BITS if name == "work" else _MOST
        if all(_is_count(each, most) and isinstance(key, str) for key, each in value.items()):
            return MappingProxyType(value)
    raise InvalidContent(f"the payload is no Server Info: `{name}` is of another type than its own")


def _is_count(value: object, most: int) -> bool:
    # No bool, which is a number to Python.
    return type(value) is int and 0 <= value <= most


def _decoded(data: bytes) -> object:
    try:
        value: object = cbor2.loads(data, max_depth=_DEPTH)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise InvalidContent(f"the payload is no Server Info: {error}") from None
    return value


def build(server: SecretKey, info: ServerInfo, now_ns: int) -> Record:
    """The record of a Server Info.

    Args:
        server: The server's key.
        info: What it says.
        now_ns: When it is made, ns; later than the one before.

    Raises:
        InvalidContent: see `ServerInfo.payload`.
        RecordTooLong: its rules are over 1 MiB.
    """
    return builder.build(
        server, kind=SERVER_INFO, nonce=nonce.FIXED, timestamp=now_ns, payload=info.payload()
    )


def read(record: Record) -> ServerInfo:
    """The Server Info in a valid record.

    Raises:
        InvalidContent: another kind, not signed by the server's own key, or the payload is none.
    """
    if record.kind != SERVER_INFO:
        raise InvalidContent("the record is no Server Info")
    if record.signer_bytes != record.author_bytes:
        raise InvalidContent("the Server Info is not signed by the server's own key")
    return from_payload(record.content())
