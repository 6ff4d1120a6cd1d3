"""What the operations of keys.json mean here.

Source: human_encodings.md, cryptography.md; edition §5 (K1 to K5).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import human
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import PublicKey, SecretKey


def op_derive(case: Case) -> Values:
    """A seed to its public key and texts."""
    secret = SecretKey.from_seed(bytes.fromhex(case["seed"]))
    return {
        "public_key": secret.public.bytes.hex(),
        "mopub0": secret.public.user_text,
        "mosrv0": secret.public.server_text,
        "mosec0": secret.text,
    }


def op_parse_public(case: Case) -> Values:
    """A public key's text, of a user or a server."""
    text = case["text"]
    server = text.startswith(human.SERVER_KEY)
    key = PublicKey.parse_server(text) if server else PublicKey.parse_user(text)
    return {"public_key": key.bytes.hex()}


def op_parse_secret(case: Case) -> Values:
    """A secret key's text."""
    return {"seed": SecretKey.parse(case["text"]).reveal().hex()}


def op_public_key_from_bytes(case: Case) -> Values:
    """Whether bytes are a public key that may be used."""
    PublicKey.from_bytes(bytes.fromhex(case["bytes"]))
    return {}


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("keys", "derive"): Operation(op_derive),
        ("keys", "parse_public"): Operation(op_parse_public, library=library_forms.key),
        ("keys", "parse_secret"): Operation(op_parse_secret, library=library_forms.secret_key),
        ("keys", "public_key_from_bytes"): Operation(op_public_key_from_bytes),
    }
)
