"""What the operations of profiles.json mean here: one, whatever form the profile has.

Source: profile.md; edition §5 (P1, P3, P4).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import profile
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.conformance.record_operations import rebuilt, record_of
from mosaic.core.kinds import PROFILE
from mosaic.errors import InvalidProfile

_FIELDS: Final = (
    "name",
    "display_name",
    "about",
    "avatar",
    "website",
    "banner",
    "org",
    "bot",
    "lud16",
)


def op_profile(case: Case) -> Values:
    """A record to the profile in it."""
    record = record_of(case)
    values = rebuilt(case, record)
    try:
        read = profile.parse(record)
    except InvalidProfile as refusal:
        if case["op"] != "reference_form":
            return values | {"valid": False, "refusal": refusal}
        fields = library_forms.profile_fields(record.payload)
        accepted = fields is not None and record.kind == PROFILE
        return values | {"fields": fields, "valid": False, "refusal": refusal, "library_valid": accepted}
    fields = {name: getattr(read, name) for name in _FIELDS}
    return values | {
        "fields": {
            name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()
        },
    }


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("profiles", "reference_form"): Operation(op_profile),
        ("profiles", "spec_form"): Operation(op_profile),
    }
)
