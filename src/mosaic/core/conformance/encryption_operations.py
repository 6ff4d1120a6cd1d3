"""What the operations of encryption.json mean here.

Source: edition §4 (Encryption).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mosaic.core import encryption, x25519
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.encryption import EncryptedPayload
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidContent


def op_open(case: Case) -> Values:
    """A payload in its record's head to what is in it; its parts are made again from what it was made of.

    Raises:
        InvalidContent: the case's content key does not make the payload's body.
    """
    payload, record_head = _hex(case, "payload"), _hex(case, "record_head")
    plaintext = encryption.opened(payload, record_head, _master(case), _secrets(case))
    values: dict[str, object] = {"keys": payload[1]}
    if "length" in case:
        values["content"] = encryption.unpadded(plaintext, case["length"]).hex()
    if "content_key" in case:
        values["ephemerals"] = _made_of(case, payload, record_head, plaintext)
    return values


def op_open_record(case: Case) -> Values:
    """A whole record to what is in it."""
    record = Record.parse(_hex(case, "record"))
    plaintext = encryption.opened_record(record, _master(case), _secrets(case))
    return {"content": encryption.unpadded(plaintext, case["length"]).hex()}


def op_pad(case: Case) -> Values:
    """A content's length to that of its padded form and, for a number of keys, of the payload."""
    length = case["length"]
    return {
        "padded": encryption.padded_length(length),
        "payload_length": encryption.sealed_length(case["keys"], length),
    }


def op_key(case: Case) -> Values:
    """Whether anything can be encrypted to a key."""
    return {"valid": x25519.is_usable(_hex(case, "key"))}


def _made_of(case: Case, payload: bytes, record_head: bytes, plaintext: bytes) -> list[str]:
    """The case's ephemeral secrets, if they and its content key make this payload."""
    parts = EncryptedPayload.parse(payload)
    cipher = ChaCha20Poly1305(_hex(case, "content_key"))
    if cipher.encrypt(encryption.NONCE, plaintext, record_head + parts.head) != parts.body:
        raise InvalidContent("the content key does not make this body")
    ephemerals: list[str] = case["ephemerals"]
    publics = [X25519Secret(bytes.fromhex(each)).public for each in ephemerals]
    fit = publics == [stanza.sealed[:32] for stanza in parts.stanzas]
    return ephemerals if fit else []


def _secrets(case: Case) -> list[X25519Secret]:
    return [X25519Secret(bytes.fromhex(text)) for text in case["secrets"]]


def _master(case: Case) -> PublicKey:
    return PublicKey.from_bytes(_hex(case, "master"))


def _hex(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("encryption", "open"): Operation(op_open),
        ("encryption", "open_record"): Operation(op_open_record),
        ("encryption", "pad"): Operation(op_pad),
        ("encryption", "key"): Operation(op_key),
    }
)
