"""Records and texts as commands read and write them: binary, morecord0… lines, JSON.

Binary records stand one after another, each as long as its header says.

Source: record.md (lengths in the header), human_encodings.md; edition §5 (J1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from mosaic.core import human, record_json, reference
from mosaic.core.keys import PublicKey
from mosaic.core.record import HEADER_BYTES, SIGNATURE_BYTES, Record, padded
from mosaic.core.reference import Address
from mosaic.errors import FormatError, InvalidJson, InvalidSecretKey, MosaicError, RecordTooShort, UsageError
from mosaic.node.control import JsonObject


def read_records(data: bytes) -> Iterator[Record]:
    """The valid records in a file of any of the three forms. Raises FormatError at the first that is not."""
    for found in check_records(data):
        if isinstance(found, MosaicError):
            raise found
        yield found


def check_records(data: bytes) -> Iterator[Record | MosaicError]:
    """The records in a file, an error in the place of each that is not valid.

    Raises:
        InvalidJson: it begins as text and is not UTF-8.
    """
    parsers = _text_parsers(data) if _is_text(data) else _binary_parsers(data)
    for parse in parsers:
        try:
            yield parse()
        except FormatError as error:
            yield error


def _is_text(data: bytes) -> bool:
    start = data.lstrip()[:9]
    return start.startswith((b"{", b"[")) or start == b"morecord0"


def _binary_parsers(data: bytes) -> Iterator[Callable[[], Record]]:
    at = 0
    while at < len(data):
        length = _length_of(data[at : at + HEADER_BYTES])
        piece = data[at : at + length] if length else data[at:]
        yield lambda piece=piece: Record.parse(piece)  # type: ignore[misc]
        at += len(piece)
    if not data:
        yield _nothing


def _nothing() -> Record:
    raise RecordTooShort("there is no record", hint="Give a file that holds records.")


def _length_of(header: bytes) -> int:
    """The length that a record's header announces, or 0 for half a header."""
    if len(header) < HEADER_BYTES:
        return 0
    tags, payload = int.from_bytes(header[144:146], "little"), int.from_bytes(header[148:152], "little")
    return HEADER_BYTES + padded(tags) + padded(payload) + SIGNATURE_BYTES


def _text_parsers(data: bytes) -> Iterator[Callable[[], Record]]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidJson("the text is not UTF-8") from None
    decoder = json.JSONDecoder()
    at = 0
    while (at := _skip_blanks(text, at)) < len(text):
        if text.startswith("{", at):
            try:
                _, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                end = len(text)
            yield lambda piece=text[at:end]: record_json.from_json(piece)  # type: ignore[misc]
        else:
            end = next((place for place in range(at, len(text)) if text[place].isspace()), len(text))
            yield lambda word=text[at:end]: Record.parse(human.decode(human.RECORD, word, None))  # type: ignore[misc]
        at = end


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def json_form(record: Record) -> JsonObject:
    """A record's JSON form, which `mosaic encode` turns back into the same bytes."""
    return record_json.to_json(record)


def decode_text(text: str) -> JsonObject | None:
    """What a human encoding holds, or None if the text is none of them.

    Raises:
        InvalidText: it begins like one and is not valid.
        InvalidSecretKey: it is a secret.
    """
    if text.startswith((human.SECRET_KEY, human.ENCRYPTED_SECRET_KEY)):
        raise InvalidSecretKey("this is a secret, which is not shown", hint="Keep it off screens and logs.")
    if text.startswith((human.USER_KEY, human.SERVER_KEY)):
        key = PublicKey.parse(text)
        return {"hex": key.bytes.hex(), "user": key.user_text, "server": key.server_text}
    if text.startswith(human.REFERENCE):
        return _reference_object(text)
    if text.startswith(human.RECORD):
        return json_form(Record.parse(human.decode(human.RECORD, text, None)))
    return None


def encode_hex(text: str, form: str) -> str:
    """The human encoding of hexadecimal bytes: of a `user`, a `server` or a `reference`.

    Raises:
        UsageError: not hexadecimal.
        FormatError: the bytes are no key or reference.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise UsageError("this is not hexadecimal", hint="Give two digits for each byte.") from None
    if form == "reference":
        return reference.from_bytes(data).text
    key = PublicKey.from_bytes(data)
    return key.user_text if form == "user" else key.server_text


def _reference_object(text: str) -> JsonObject:
    named = reference.parse(text)
    if isinstance(named, Address):
        return {
            "type": "address",
            "nonce": named.nonce.hex(),
            "kind": named.kind.bytes.hex(),
            "author": named.author.user_text,
            "hex": named.bytes.hex(),
        }
    return {
        "type": "id",
        "time": str(int(named.timestamp)),
        "time_iso": named.timestamp.iso(),
        "hash": named.hash.hex(),
        "hex": named.bytes.hex(),
    }
