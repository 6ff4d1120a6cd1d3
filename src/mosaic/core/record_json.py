"""Records as JSON and back.

The form has the fields of `FIELDS` in that order. `tags` is the tags section
as a list of bytes. The payload stands in `payload` if the kind is printable
and the bytes are UTF-8, else in `z32_payload` (z-base-32); the other one is
null. `kind` and `author_key` are for people: on import the address decides.
`padding` (z-base-32) is there only where a record's padding is not zero.

Importing verifies everything: what comes out is a valid record, the very one
that its id names.

Source: edition §5 (J1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from mosaic.core import human
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.record import SIGNATURE_BYTES, Record, padded
from mosaic.core.reference import Address, Id
from mosaic.core.validation import MAX_RECORD_BYTES, MAX_TAGS_BYTES
from mosaic.errors import FormatError, InvalidJson

MAX_TEXT: Final = 8 * MAX_RECORD_BYTES
"""Characters of JSON that are looked at; a record of 1 MiB takes at most six for each byte."""

FIELDS: Final = (
    "id",
    "address",
    "author_key",
    "signing_key",
    "kind",
    "timestamp",
    "flags",
    "tags",
    "payload",
    "z32_payload",
    "signature",
)

_DUPLICATES = {
    Duplicates.UNIQUE: "Unique",
    Duplicates.EPHEMERAL: "Ephemeral",
    Duplicates.REPLACEABLE: "Replaceable",
    Duplicates.VERSIONED: "Versioned",
}
_READERS = {
    Readers.AUTHOR: "AuthorOnly",
    Readers.AUTHOR_AND_TAGGED: "AuthorAndTagged",
    Readers.EVERYBODY: "Everybody",
}


def to_json(record: Record) -> dict[str, Any]:
    """A valid record as an object for `json`; `from_json` makes the same bytes of it."""
    payload = record.payload
    text = _text(payload) if record.kind.printable else None
    fields: dict[str, Any] = {
        "id": record.id.text,
        "address": record.address.text,
        "author_key": record.author.user_text,
        "signing_key": record.signer.user_text,
        "kind": _kind(record.kind),
        "timestamp": int(record.timestamp),
        "flags": int.from_bytes(record.flags, "little"),
        "tags": list(record.tags_section),
        "payload": text,
        "z32_payload": human.z_base_32(payload) if text is None else None,
        "signature": human.z_base_32(record.signature),
    }
    if any(record.padding):
        fields["padding"] = human.z_base_32(record.padding)
    return fields


def to_text(record: Record, *, pretty: bool = False) -> str:
    """A valid record as JSON text, in one line or (`pretty`) with two spaces of indent."""
    if pretty:
        return json.dumps(to_json(record), indent=2, ensure_ascii=False)
    return json.dumps(to_json(record), separators=(",", ":"), ensure_ascii=False)


def from_json(source: str | Mapping[str, Any]) -> Record:
    """Imports a record; nothing in it is believed that is not verified.

    Args:
        source: The JSON text, or the object that it holds. Fields that are not of the form are ignored.

    Raises:
        InvalidJson: it is no JSON, or a field is missing or not what it should be.
        InvalidRecord: the record breaks a rule; RecordHash where the id is another record's.
    """
    fields = _Fields(_object(source) if isinstance(source, str) else source)
    section = fields.octets("tags", MAX_TAGS_BYTES)
    payload = fields.payload()
    if len(payload) > MAX_RECORD_BYTES:
        raise InvalidJson("the payload is longer than any record")
    padding = fields.padding(padded(len(section)) - len(section) + padded(len(payload)) - len(payload))
    tags_padding = padded(len(section)) - len(section)
    fields.of_type("author_key", str)
    fields.of_type("kind", Mapping)
    data = b"".join(
        (
            fields.parsed("id", Id.parse).bytes,
            fields.parsed("address", Address.parse).bytes,
            fields.parsed("signing_key", PublicKey.parse_user).bytes,
            fields.number("timestamp").to_bytes(8, "big"),
            fields.number("flags").to_bytes(8, "little"),
            len(section).to_bytes(2, "little"),
            SIGNATURE_BYTES.to_bytes(2, "little"),
            len(payload).to_bytes(4, "little"),
            section,
            padding[:tags_padding],
            payload,
            padding[tags_padding:],
            fields.parsed("signature", _signature),
        )
    )
    return Record.parse(data)


class _Fields:
    """The fields of the form, each read with one precise error."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def of_type(self, name: str, kind: type) -> Any:
        value = self._fields.get(name)
        # True is an int to Python, but none in JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidJson(f"the field {name} is missing or not of the right type")
        return value

    def parsed(self, name: str, parser: Any) -> Any:
        text = self.of_type(name, str)
        try:
            return parser(text)
        except FormatError as error:
            raise InvalidJson(f"the field {name} does not hold: {error}", hint=error.hint) from error

    def number(self, name: str) -> int:
        value: int = self.of_type(name, int)
        if not 0 <= value < 2**64:
            raise InvalidJson(f"the field {name} does not fit into 64 bits")
        return value

    def octets(self, name: str, most: int) -> bytes:
        value = self.of_type(name, list)
        if len(value) > most:
            raise InvalidJson(f"the field {name} has {len(value)} entries, at most {most} may stand")
        if not all(type(octet) is int and 0 <= octet < 256 for octet in value):
            raise InvalidJson(f"the field {name} is no list of numbers from 0 to 255")
        return bytes(value)

    def payload(self) -> bytes:
        if self._fields.get("payload") is not None:
            text: str = self.of_type("payload", str)
            try:
                return text.encode()
            except UnicodeEncodeError:
                raise InvalidJson("the field payload holds half of a surrogate pair") from None
        if self._fields.get("z32_payload") is not None:
            data: bytes = self.parsed("z32_payload", _octets)
            return data
        return b""

    def padding(self, length: int) -> bytes:
        if self._fields.get("padding") is None:
            return bytes(length)
        data: bytes = self.parsed("padding", _octets)
        if len(data) != length:
            raise InvalidJson(f"the field padding holds {len(data)} bytes instead of {length}")
        return data


def _object(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_TEXT:
        raise InvalidJson(f"the text has {len(text):,} characters, more than any record needs")
    try:
        fields = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"the text is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidJson("the text is JSON, but no object")
    return fields


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidJson("a field stands twice")
    return fields


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _octets(text: str) -> bytes:
    return human.decode("", text)


def _signature(text: str) -> bytes:
    return human.decode("", text, SIGNATURE_BYTES)


def _kind(kind: Kind) -> dict[str, Any]:
    return {
        "as_number": int(kind),
        "as_bytes": list(kind.bytes),
        "application_id": kind.application,
        "application_kind": kind.number,
        "duplicate_handling": _DUPLICATES[kind.duplicates],
        "read_access": _READERS[kind.readers],
        "content_is_printable": kind.printable,
    }
