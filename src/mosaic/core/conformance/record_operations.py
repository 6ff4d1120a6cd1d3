"""The operations of records.json, record_json.json and signatures.json.

Source: record.md, cryptography.md; edition §5 (J1, R1 to R10).
"""

from __future__ import annotations

import json
from typing import Any

from mosaic._kernel import _rust
from mosaic.core import builder, human, nonce, record_json, validation
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import EXAMPLE
from mosaic.core.record import HEADER_BYTES, SIGNATURE_BYTES, Record, padded
from mosaic.core.tag import Tag
from mosaic.errors import InvalidRecord

_CONTEXT = b"Mosaic"
_BYTES = "bytes (first bit is forced to 1)"
_KEY = "deterministic key"


def op_valid(case: Case) -> Values:
    """Fields to a record, and every field read back from its bytes.

    Raises:
        ValueError: the case names a source of nonces that is unknown.
        FormatError: no record has such fields.
    """
    secret = SecretKey.from_seed(bytes.fromhex(case["signing_seed"]))
    author = SecretKey.from_seed(bytes.fromhex(case["author_seed"])) if "author_seed" in case else secret
    built = builder.seal(
        secret,
        author=author.public,
        kind=Kind.from_bytes(bytes.fromhex(case["kind"])),
        nonce=_nonce(case),
        timestamp=int(case["timestamp"]),
        flags=bytes.fromhex(case["flags"]),
        section=_section(case),
        payload=_payload(case),
    )
    record = Record.parse(built.data)
    values: dict[str, object] = {
        "id": record.id.bytes.hex(),
        "id_text": record.id.text,
        "address": record.address.bytes.hex(),
        "address_text": record.address.text,
        "author_public_key": record.author.bytes.hex(),
        "signing_public_key": record.signer.bytes.hex(),
        "kind": record.kind.bytes.hex(),
        "nonce": record.nonce.hex(),
        "timestamp": str(int(record.timestamp)),
        "flags": record.flags.hex(),
        "tags": [[tag.type, tag.value.hex()] for tag in record.tags],
        "tags_len": len(record.tags_section),
        "payload": record.payload.hex(),
        "payload_len": len(record.payload),
        "signature": record.signature.hex(),
        "signature_len": len(record.signature),
        "full_hash": _rust.blake3(record.signed_data, 64).hex(),
        "record": record.data.hex(),
        "record_blake3": _rust.blake3(record.data).hex(),
        "record_len": len(record),
    }
    if "json" in case:
        values["json"] = _json(record)
        values["json_lossy"] = record.kind.printable and record_json.to_json(record)["payload"] is None
    if "zstd_content" in case:
        values["zstd_content"] = record.content().hex()
    return values


def op_build(case: Case) -> Values:
    """Whether the builder takes what exceeds or just meets a limit."""
    secret = SecretKey.from_seed(bytes(range(32)))
    if "flags" in case:
        flags = bytes.fromhex(case["flags"])
        builder.seal(
            secret,
            author=secret.public,
            kind=EXAMPLE,
            nonce=nonce.FIXED,
            timestamp=0,
            flags=flags,
            section=b"",
            payload=b"",
        )
        return {}
    record = builder.build(
        secret,
        kind=EXAMPLE,
        nonce=nonce.FIXED,
        timestamp=0,
        tags=_tags_of_length(case["tags_len"]) if "tags_len" in case else (),
        payload=_by_rule(case["payload_rule"]) if "payload_rule" in case else b"",
    )
    return {"tags_len": len(record.tags_section)}


def op_check(case: Case) -> Values:
    """The verdict on bytes, and on the record that stands at their start.

    Raises:
        ValueError: the case's seed is not that of the signing key.
    """
    data = _checked_bytes(case)
    if "signing_seed" in case:
        public = SecretKey.from_seed(bytes.fromhex(case["signing_seed"])).public
        _require(data[96:128] == public.bytes, "signing_seed is not that of the signing key")
    values: dict[str, object] = {
        "record_len": len(data),
        "record_blake3": _rust.blake3(data).hex(),
        "prefix_valid": _prefix_is_valid(data),
    }
    try:
        validation.validate(data)
    except InvalidRecord as refusal:
        values.update(valid=False, refusal=refusal)
    return values


def op_from_json(case: Case) -> Values:
    """JSON to a record; what comes out is valid and goes back to JSON.

    Raises:
        ValueError: its JSON does not come back.
        InvalidJson: it is no record.
    """
    record = record_json.from_json(case["json"])
    _require(record_json.from_json(record_json.to_text(record)) == record, "its JSON does not come back")
    return {"record": record.data.hex(), "record_valid": True}


def op_signature(case: Case) -> Values:
    """One signature over the prehash of a message."""
    digest = _rust.blake3(bytes.fromhex(case["message"]), 64)
    key = bytes.fromhex(case["public_key"])
    signature = bytes.fromhex(case["signature"])
    values: dict[str, object] = {
        "digest": digest.hex(),
        "valid": len(signature) == SIGNATURE_BYTES and _rust.verify(key, digest, signature, _CONTEXT),
    }
    if "seed" in case:
        values["public_key"] = SecretKey.from_seed(bytes.fromhex(case["seed"])).public.bytes.hex()
    return values


def record_of(case: Case) -> Record:
    """The record of a case that is about its payload: itself it is valid, or the case is damaged.

    Raises:
        ValueError: its record is not valid.
    """
    try:
        return Record.parse(bytes.fromhex(case["record"]))
    except InvalidRecord as error:
        raise ValueError(f"its record is not valid: {error}") from error


def rebuilt(case: Case, record: Record) -> dict[str, object]:
    """What holds of a record whatever its payload means: it is sealed again from its own fields."""
    sealed = builder.seal(
        SecretKey.from_seed(bytes.fromhex(case["signing_seed"])),
        author=record.author,
        kind=record.kind,
        nonce=record.nonce,
        timestamp=record.timestamp,
        flags=record.flags,
        section=record.tags_section,
        payload=bytes.fromhex(case["payload"]),
    )
    return {
        "master_public_key": record.author.bytes.hex(),
        "payload": record.payload.hex(),
        "record": sealed.data.hex(),
    }


OPERATIONS: Operations = {
    ("records", "valid"): Operation(op_valid),
    ("records", "build"): Operation(op_build),
    # `reference_tag_iteration` decides R6 and is no value of ours.
    ("records", "check"): Operation(op_check, frozenset({"reference_tag_iteration"})),
    ("record_json", "from_json"): Operation(op_from_json),
    # What the case is about, and where the library stopped; the verdict is all that counts.
    ("signatures", None): Operation(op_signature, frozenset({"category", "stage"})),
}


def _nonce(case: Case) -> bytes:
    if case["nonce_from"] == _KEY:
        return nonce.from_string(bytes.fromhex(case["deterministic_key"]))
    _require(case["nonce_from"] == _BYTES, f"nothing is known of a nonce from {case['nonce_from']}")
    return nonce.marked(bytes.fromhex(case["nonce_input"]))


def _section(case: Case) -> bytes:
    """The tags section as the case gives it, padding tags (type 0) too, which our builder does not write."""
    if "tags_rule" in case:
        tags = [(rule["type"], _by_rule({**rule, "len": rule["value_len"]})) for rule in case["tags_rule"]]
    else:
        tags = [(tag_type, bytes.fromhex(value)) for tag_type, value in case["tags"]]
    return b"".join(
        (4 + len(value)).to_bytes(2, "little") + tag_type.to_bytes(2, "little") + value
        for tag_type, value in tags
    )


def _payload(case: Case) -> bytes:
    return _by_rule(case["payload_rule"]) if "payload_rule" in case else bytes.fromhex(case["payload"])


def _by_rule(rule: dict[str, int]) -> bytes:
    """Byte i is (i · mul + add) mod 256: that repeats after 256 bytes."""
    period = bytes((place * rule["mul"] + rule["add"]) % 256 for place in range(256))
    return (period * (rule["len"] // 256 + 1))[: rule["len"]]


def _tags_of_length(length: int) -> tuple[Tag, Tag]:
    first = length // 2
    return Tag(1911, bytes(first - 4)), Tag(1911, bytes(length - first - 4))


def _json(record: Record) -> str:
    """Our JSON, which must come back; with the library's loss where the text is not UTF-8 (J1)."""
    text = record_json.to_text(record)
    _require(record_json.from_json(text) == record, "its JSON does not come back")
    fields: dict[str, Any] = json.loads(text)
    if not record.kind.printable or fields["payload"] is not None:
        return text
    _require(fields["z32_payload"] == human.z_base_32(record.payload), "its JSON does not hold the payload")
    fields |= {"payload": record.payload.decode(errors="replace"), "z32_payload": None}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _checked_bytes(case: Case) -> bytes:
    if "record" in case:
        return bytes.fromhex(case["record"])
    payload = _by_rule(case["payload_rule"])
    padding = bytes(-len(payload) % 8)
    return bytes.fromhex(case["header"]) + payload + padding + bytes.fromhex(case["signature"])


def _prefix_is_valid(data: bytes) -> bool:
    """Whether a valid record stands at the start of `data`, whatever follows."""
    if len(data) < HEADER_BYTES:
        return False
    tags, payload = int.from_bytes(data[144:146], "little"), int.from_bytes(data[148:152], "little")
    length = HEADER_BYTES + padded(tags) + padded(payload) + SIGNATURE_BYTES
    return length <= len(data) and validation.check_batch([data[:length]])[0] == _rust.RECORD_OK


def _require(held: bool, reason: str) -> None:  # noqa: FBT001 - an assertion's condition
    if not held:
        raise ValueError(reason)
