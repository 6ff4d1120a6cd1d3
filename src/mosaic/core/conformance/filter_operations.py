"""The operations of filters.json, whose matches name entries of its own tables.

Source: filter.md; edition §5 (F1 to F11, R5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.filter import Filter
from mosaic.core.filter_element import (
    ELEMENTS,
    ID_PREFIX_BYTES,
    AuthorKeys,
    Exclude,
    ExcludedTags,
    FilterElement,
    IncludedTags,
    Kinds,
    ReceivedSince,
    ReceivedUntil,
    SigningKeys,
    Since,
    Timestamps,
    Until,
    parse_element,
)
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import EXAMPLE
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp

_BY_NAME: Mapping[str, type[FilterElement]] = {
    element.NAME.replace(" ", "_"): element for element in ELEMENTS.values()
}


def op_type(case: Case) -> Values:
    """Number and narrowness of an element type."""
    element = _BY_NAME[case["constant"].lower()]
    return {"code": element.TYPE, "narrow": element.narrow()}


def op_element(case: Case) -> Values:
    """Values to an element, and back.

    Raises:
        ValueError: it does not read back as it was written.
        InvalidFilter: it can't be built.
    """
    element = _element(case)
    data = element.encode()
    # Under R5 a kind with reserved bits can't even be built, so what is built reads back.
    if parse_element(data) != (element, len(data)):
        raise ValueError("the element does not read back as it was written")
    return {"bytes": data.hex(), "narrow": element.narrow()}


def op_build_element(case: Case) -> Values:
    """Whether an element takes so many values; how many of what stands in the case's name alone.

    Raises:
        ValueError: the case's name does not say what is built.
        InvalidFilter: that is more than fits.
    """
    match = re.fullmatch(r"build: (?:(\d+) (.+)|(.+) of (\d+) bytes)", case["name"])
    if match is None:
        raise ValueError("the name does not say what is built")
    if match[1]:
        element = _MANY[match[2]](int(match[1]))
    else:
        element = _TAGGED[match[3]]((Tag(1, bytes(int(match[4]) - 4)),))
    data = element.encode()
    return {"len": len(data), "header": data[:8].hex()}


def op_filter(case: Case) -> Values:
    """Elements to a filter, and back.

    Raises:
        ValueError: it does not read back, or the file's table has another one.
        InvalidFilter: it breaks a rule.
    """
    elements = [parse_element(bytes.fromhex(element))[0] for element in case["elements"]]
    built = Filter(tuple(elements))
    data = built.encode()
    if Filter.parse(data) != built:
        raise ValueError("the filter does not read back as it was written")
    entry = _entry(case, "filters", "filter")
    if (entry["bytes"], f"filter: {entry['name']}") != (data.hex(), case["name"]):
        raise ValueError("the file's table has another filter under this name")
    return {"bytes": data.hex(), "narrow": built.narrow}


def op_match(case: Case) -> Values:
    """Whether a filter of the table matches a record of the table.

    Raises:
        ValueError: the file's tables don't hold exactly one of each, or a record's fields are not its own.
        FormatError: filter or record break a rule.
    """
    wanted = Filter.parse(bytes.fromhex(_entry(case, "filters", "filter")["bytes"]))
    record = _record(_entry(case, "records", "record"))
    values: dict[str, object] = {"match": wanted.matches(record)}
    if "depends_on_received_time" in case:
        received = (ReceivedSince, ReceivedUntil)
        values["depends_on_received_time"] = any(isinstance(element, received) for element in wanted.elements)
    return values


def op_parse_element(case: Case) -> Values:
    """The verdict on an element at the start of some bytes. Raises InvalidFilter."""
    return {"element_len": parse_element(bytes.fromhex(case["bytes"]))[1]}


def op_parse_filter(case: Case) -> Values:
    """The verdict on a whole filter, ours and the kernel's.

    Raises:
        ValueError: the kernel reads it otherwise.
        InvalidFilter: it breaks a rule.
    """
    data = bytes.fromhex(case["bytes"])
    parsed = Filter.parse(data)
    if parsed.compiled.narrow != parsed.narrow:
        raise ValueError("the kernel reads the filter otherwise")
    return {"filter_len": len(data)}


OPERATIONS: Operations = {
    ("filters", "type"): Operation(op_type),
    ("filters", "element"): Operation(op_element),
    ("filters", "build_element"): Operation(op_build_element),
    ("filters", "filter"): Operation(op_filter),
    ("filters", "match"): Operation(op_match),
    ("filters", "parse_element"): Operation(op_parse_element),
    ("filters", "parse_filter"): Operation(op_parse_filter),
}

_MANY: Mapping[str, Callable[[int], FilterElement]] = {
    "author keys": lambda count: AuthorKeys((PublicKey(bytes(32)),) * count),
    "signing keys": lambda count: SigningKeys((PublicKey(bytes(32)),) * count),
    "kinds": lambda count: Kinds((EXAMPLE,) * count),
    "timestamps": lambda count: Timestamps((Timestamp(0),) * count),
    "excluded ids": lambda count: Exclude((bytes(ID_PREFIX_BYTES),) * count),
}
_TIMES: Mapping[str, Callable[[Timestamp], FilterElement]] = {
    "since": Since,
    "until": Until,
    "received_since": ReceivedSince,
    "received_until": ReceivedUntil,
}
_TAGGED: Mapping[str, Callable[[tuple[Tag, ...]], FilterElement]] = {
    "included tags": IncludedTags,
    "excluded tags": ExcludedTags,
}


def _element(case: Case) -> FilterElement:
    kind = _BY_NAME[case["type"]]
    if kind in {AuthorKeys, SigningKeys}:
        keys = tuple(PublicKey.from_bytes(bytes.fromhex(key)) for key in case["keys"])
        return AuthorKeys(keys) if kind is AuthorKeys else SigningKeys(keys)
    if kind is Kinds:
        return Kinds(tuple(Kind.from_bytes(bytes.fromhex(entry)) for entry in case["kinds"]))
    if kind is Timestamps:
        return Timestamps(tuple(Timestamp(int(time)) for time in case["timestamps"]))
    if kind is Exclude:
        return Exclude(tuple(bytes.fromhex(entry)[:ID_PREFIX_BYTES] for entry in case["ids"]))
    if kind in {IncludedTags, ExcludedTags}:
        tags = tuple(Tag(tag_type, bytes.fromhex(value)) for tag_type, value in case["tags"])
        return IncludedTags(tags) if kind is IncludedTags else ExcludedTags(tags)
    return _TIMES[case["type"]](Timestamp(int(case["timestamp"])))


def _entry(case: Case, table: str, field: str) -> Mapping[str, Any]:
    """The entry of one of the file's tables that the case names."""
    found = [entry for entry in case.document[table] if entry[field] == case[field]]
    if len(found) != 1:
        raise ValueError(f"the file's table has {len(found)} entries {case[field]}")
    entry: Mapping[str, Any] = found[0]
    return entry


def _record(entry: Mapping[str, Any]) -> Record:
    """The record of a table entry, whose other fields must be its own."""
    record = Record.parse(bytes.fromhex(entry["bytes"]))
    own = {
        "record": entry["record"],
        "bytes": entry["bytes"],
        "author": record.author.bytes.hex(),
        "signing_key": record.signer.bytes.hex(),
        "kind": record.kind.bytes.hex(),
        "timestamp": str(int(record.timestamp)),
        "tags": [[tag.type, tag.value.hex()] for tag in record.tags],
    }
    if own != entry:
        raise ValueError(f"the fields of {entry['record']} are not those of its bytes")
    return record
