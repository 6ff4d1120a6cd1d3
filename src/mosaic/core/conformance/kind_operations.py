"""What the operations of kinds.json mean here.

Source: kind.md, kinds.md; edition §5 (R5).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import kinds
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.errors import InvalidKind

_DUPLICATES: Final = MappingProxyType(
    {
        "Unique": Duplicates.UNIQUE,
        "Ephemeral": Duplicates.EPHEMERAL,
        "Replaceable": Duplicates.REPLACEABLE,
        "Versioned": Duplicates.VERSIONED,
    }
)
_READERS: Final = MappingProxyType(
    {
        "AuthorOnly": Readers.AUTHOR,
        "AuthorAndTagged": Readers.AUTHOR_AND_TAGGED,
        "Everybody": Readers.EVERYBODY,
    }
)


def _values(kind: Kind) -> Values:
    return {
        "bytes": kind.bytes.hex(),
        "u64": str(int(kind)),
        "application_id": kind.application,
        "application_specific_kind": kind.number,
        "duplicate_handling": next(name for name, value in _DUPLICATES.items() if value == kind.duplicates),
        "read_access": next(name for name, value in _READERS.items() if value == kind.readers),
        "content_is_printable": kind.printable,
    }


def op_constant(case: Case) -> Values:
    """A kind that has a name. Raises InvalidKind if none has this name."""
    constant = case["constant"]
    for kind, name in kinds.NAMES.items():
        if name.upper().replace(" ", "_") == constant:
            return {"display": name, **_values(kind)}
    raise InvalidKind(f"no kind has the name {constant}")


def op_from_parts(case: Case) -> Values:
    """A kind put together. Raises InvalidKind for parts that no kind can have."""
    readers = _READERS.get(case["read_access"])
    if readers is None:
        raise InvalidKind(f"no kind can have the read access {case['read_access']}")
    return _values(
        Kind.from_parts(
            case["application_id"],
            case["application_specific_kind"],
            duplicates=_DUPLICATES[case["duplicate_handling"]],
            readers=readers,
            printable=case["content_is_printable"],
        )
    )


def op_from_bytes(case: Case) -> Values:
    """Eight bytes to a kind. Raises InvalidKind."""
    return {**_values(Kind.from_bytes(bytes.fromhex(case["bytes"]))), "reserved_bits_set": False}


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("kinds", "constant"): Operation(op_constant),
        ("kinds", "from_parts"): Operation(op_from_parts, library=library_forms.kind),
        ("kinds", "from_bytes"): Operation(op_from_bytes, library=library_forms.kind),
    }
)
