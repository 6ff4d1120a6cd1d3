"""What the operations of profiles.json mean here: one, whatever form the profile has."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import profile
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record

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
    record = Record.parse(bytes.fromhex(case["record"]))
    read = profile.parse(record)
    fields = {name: getattr(read, name) for name in _FIELDS}
    signer = SecretKey.from_seed(bytes.fromhex(case["signing_seed"])).public
    return {
        "valid": signer == record.signer,
        "fields": {
            name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()
        },
        "master_public_key": record.author.bytes.hex(),
        "payload": record.payload.hex(),
    }


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("profiles", "reference_form"): Operation(op_profile),
        ("profiles", "spec_form"): Operation(op_profile),
    }
)
