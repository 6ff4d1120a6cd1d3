"""The operations of authentications.json.

Source: this project's own design, docs/architecture.md "Small on purpose"; what is signed: edition §2.
"""

from __future__ import annotations

from mosaic.core.authentication import Authentication, Role, nonce_of_text
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import SecretKey
from mosaic.core.web_authority import parse_authority


def op_verify(case: Case) -> Values:
    """What one side signs, and whether a signature of it holds; made again where the case has the seed."""
    names = ("server_key", "client_key", "client_nonce", "server_nonce")
    parts = [bytes.fromhex(case[name]) for name in names]
    authentication = Authentication(parts[0], parts[1], parts[2], parts[3], case["authority"])
    role = Role(case["role"])
    signature = bytes.fromhex(case["signature"])
    values: dict[str, object] = {
        "signed": authentication.signed_bytes(role).hex(),
        "valid": authentication.verify(role, signature),
    }
    if "seed" in case:
        secret = SecretKey.from_seed(bytes.fromhex(case["seed"]))
        values["signature"] = authentication.sign(role, secret).hex()
    return values


def op_nonce(case: Case) -> Values:
    """What is signed for a nonce in a header's field."""
    return {"nonce": nonce_of_text(case["text"]).hex()}


def op_authority(case: Case) -> Values:
    """The one form of an authority."""
    return {"authority": parse_authority(case["text"]), "valid": True}


OPERATIONS: Operations = {
    ("authentications", "verify"): Operation(op_verify),
    ("authentications", "nonce"): Operation(op_nonce),
    ("authentications", "authority"): Operation(op_authority),
}
