"""What the operations of ids.json, addresses.json and references.json mean here.

Source: reference.md, record.md; edition §5 (R4, R5, K4).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic._kernel import _rust as kernel
from mosaic.core import nonce, reference
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id, Reference
from mosaic.core.timestamp import Timestamp


def _id_values(value: Id) -> Values:
    return {
        "bytes": value.bytes.hex(),
        "text": value.text,
        "timestamp": str(value.timestamp),
        "hash_prefix": value.hash.hex(),
    }


def _address_values(value: Address) -> Values:
    return {
        "bytes": value.bytes.hex(),
        "text": value.text,
        "nonce": value.nonce.hex(),
        "kind": value.kind.bytes.hex(),
        "author_public_key": value.author.bytes.hex(),
    }


def _values(value: Reference) -> Values:
    is_id = isinstance(value, Id)
    return {
        **(_id_values(value) if isinstance(value, Id) else _address_values(value)),
        "is_id": is_id,
        "is_address": not is_id,
        "as_id_error": None if is_id else "NotAnId",
        "as_address_error": "NotAnAddress" if is_id else None,
    }


def op_id_from_parts(case: Case) -> Values:
    """An id of a timestamp and a hash."""
    timestamp = Timestamp(int(case["timestamp"]))
    return _id_values(Id.from_parts(timestamp, bytes.fromhex(case["hash_prefix"])))


def op_id_of_record(case: Case) -> Values:
    """The id of a record, and the whole hash of its signed data."""
    record = Record.parse(bytes.fromhex(case["record"]))
    return {**_id_values(record.id), "full_hash": kernel.blake3(record.signed_data, 64).hex()}


def op_id_parse(case: Case) -> Values:
    """An id's text."""
    return _id_values(Id.parse(case["input"]))


def op_id_from_bytes(case: Case) -> Values:
    """An id's bytes."""
    return _id_values(Id.from_bytes(bytes.fromhex(case["input"])))


def _address(case: Case, nonce_bytes: bytes) -> Values:
    kind = Kind(bytes.fromhex(case["kind"]))
    author = PublicKey.from_bytes(bytes.fromhex(case["author_public_key"]))
    return _address_values(Address.from_parts(nonce_bytes, kind, author))


def op_address_deterministic(case: Case) -> Values:
    """The address of a well-known string."""
    return _address(case, nonce.from_string(bytes.fromhex(case["key"])))


def op_address_from_parts(case: Case) -> Values:
    """An address of a nonce, whose first bit is set."""
    return _address(case, nonce.marked(bytes.fromhex(case["nonce_input"])))


def op_address_parse(case: Case) -> Values:
    """An address's text."""
    return _address_values(Address.parse(case["input"]))


def op_address_from_bytes(case: Case) -> Values:
    """An address's bytes."""
    return _address_values(Address.from_bytes(bytes.fromhex(case["input"])))


def op_valid(case: Case) -> Values:
    """A reference and what it is."""
    return _values(reference.from_bytes(bytes.fromhex(case["bytes"])))


def op_parse(case: Case) -> Values:
    """A reference's text."""
    return _values(reference.parse(case["input"]))


def op_from_bytes(case: Case) -> Values:
    """A reference's bytes."""
    return _values(reference.from_bytes(bytes.fromhex(case["bytes"])))


def op_sort(case: Case) -> Values:
    """References in their order, which asks nothing of what they name."""
    references = [bytes.fromhex(data) for data in case["input"]]
    ordered = sorted((Address(data) if data[0] & 0x80 else Id(data) for data in references), key=bytes)
    return {"sorted": [value.bytes.hex() for value in ordered]}


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("ids", "from_parts"): Operation(op_id_from_parts),
        ("ids", "of_record"): Operation(op_id_of_record),
        ("ids", "parse"): Operation(op_id_parse, library=library_forms.identifier),
        ("ids", "from_bytes"): Operation(op_id_from_bytes),
        ("addresses", "deterministic"): Operation(op_address_deterministic),
        ("addresses", "from_parts"): Operation(op_address_from_parts, library=library_forms.address),
        ("addresses", "parse"): Operation(op_address_parse, library=library_forms.address),
        ("addresses", "from_bytes"): Operation(op_address_from_bytes),
        ("references", "valid"): Operation(op_valid, library=library_forms.reference),
        ("references", "parse"): Operation(op_parse),
        ("references", "from_bytes"): Operation(op_from_bytes),
        ("references", "sort"): Operation(op_sort),
    }
)
