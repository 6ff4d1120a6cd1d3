"""Makes encryption.json: encrypted payloads whose every byte is known, and each way in which one is broken.

Nothing here is of the code that is judged, but for building a record:
`python -m tests.vectors.encryption` writes the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from tests.core import hpke_by_hand as hpke

from mosaic.core import builder
from mosaic.core.community_kinds import CLIENT_STATE
from mosaic.core.keys import SecretKey
from mosaic.core.record import FLAG_ZSTD

FILE = Path(__file__).with_name("encryption.json")
DESCRIPTION = (
    "Encrypted payloads. op open: payload, record_head (bytes 48 to 136 of its record), the recipient's "
    "master key and X25519 secrets -> content of `length` bytes, or an error (InvalidEncryption: not laid "
    "out so; Undecryptable: not for these keys, or changed). `content_key` and `ephemerals` (an X25519 "
    "secret for each stanza) are what the payload was made of. op open_record: a whole record. op pad: "
    "length -> padded length, and the payload's for a number of keys. op key: whether anything can be "
    "encrypted to an X25519 public key. Made with an HPKE written by hand from RFC 9180."
)


def drawn(label: str, length: int = 32) -> bytes:
    return hashlib.shake_256(b"encryption vectors " + label.encode()).digest(length)


MASTER = SecretKey.from_seed(drawn("master"))
OTHER = SecretKey.from_seed(drawn("other master"))
DEVICE = SecretKey.from_seed(drawn("device"))
SECRETS = [drawn(f"recipient {number}") for number in range(17)]
PUBLICS = [hpke.public(secret) for secret in SECRETS]
TIME = 1_790_000_000_123_456_789
NONCE = bytes.fromhex("8877665544332211")
HEAD = NONCE + CLIENT_STATE.bytes + MASTER.public.bytes + DEVICE.public.bytes + TIME.to_bytes(8, "big")


@dataclass(frozen=True)
class Made:
    """A payload and what it is made of; every field can be made wrong."""

    content: bytes = b"\xa1\x64name\x64anna"
    keys: Sequence[bytes] = (PUBLICS[0],)
    label: str = "one"
    record_head: bytes = HEAD
    info_master: bytes = MASTER.public.bytes
    padded: int = 256
    padding: bytes = b""
    start: bytes = b""
    info_prefix: bytes = b"Mosaic"
    body_nonce: bytes = bytes(12)

    @property
    def content_key(self) -> bytes:
        return drawn(f"content key {self.label}")

    @property
    def ephemerals(self) -> list[bytes]:
        return [drawn(f"ephemeral {self.label} {number}") for number in range(len(self.keys))]

    @property
    def payload(self) -> bytes:
        info = self.info_prefix + self.info_master + self.record_head
        stanzas = b"".join(
            key + hpke.seal(self.content_key, key, info, ephemeral)
            for key, ephemeral in zip(self.keys, self.ephemerals, strict=True)
        )
        head = (self.start or bytes((1, len(self.keys))) + bytes(6)) + stanzas
        plaintext = (self.content + self.padding).ljust(self.padded, b"\0")
        sealed = ChaCha20Poly1305(self.content_key).encrypt(
            self.body_nonce, plaintext, self.record_head + head
        )
        return head + sealed

    def case(self, name: str, payload: bytes | None = None, **fields: Any) -> dict[str, Any]:
        made = {"content_key": self.content_key.hex(), "ephemerals": [each.hex() for each in self.ephemerals]}
        return {
            "name": name,
            "op": "open",
            "payload": (self.payload if payload is None else payload).hex(),
            "record_head": self.record_head.hex(),
            "master": MASTER.public.bytes.hex(),
            "secrets": [SECRETS[0].hex()],
            "length": len(self.content),
            **({} if "error" in fields else {"keys": len(self.keys), "content": self.content.hex(), **made}),
            "valid": "error" not in fields,
            **fields,
        }


ONE = Made()
THREE = Made(keys=PUBLICS[:3], label="three")
MALFORMED, CHANGED = "InvalidEncryption", "Undecryptable"


def flipped(payload: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(payload)
    changed[place] ^= 1 << bit
    return bytes(changed)


def valid() -> Iterator[dict[str, Any]]:
    yield ONE.case("one key")
    yield THREE.case("three keys, opened by the second", secrets=[SECRETS[1].hex()])
    yield THREE.case(
        "an old secret that is not meant and one that is", secrets=[SECRETS[9].hex(), SECRETS[2].hex()]
    )
    yield Made(keys=PUBLICS[:16], label="sixteen").case("sixteen keys", secrets=[SECRETS[15].hex()])
    yield Made(content=b"", label="empty").case("nothing inside")
    yield Made(content=drawn("256", 256), label="256").case("256 bytes, no padding")
    yield Made(content=drawn("257", 257), label="257", padded=512).case("257 bytes")
    yield Made(content=b"ends in zeros\0\0\0", label="zeros").case("content that ends in zeros")


def broken() -> Iterator[dict[str, Any]]:
    payload, stanza, body = ONE.payload, 8, 8 + 112
    for name, place in (
        ("the key of a stanza", stanza),
        ("the encapsulated key", stanza + 32),
        ("the sealed content key", stanza + 64),
        ("the tag of the sealed content key", stanza + 111),
        ("the first byte of the body", body),
        ("the last byte of the padding", body + 255),
        ("the tag of the body", body + 256),
        ("the last byte", len(payload) - 1),
    ):
        yield ONE.case(f"changed: {name}", flipped(payload, place), error=CHANGED)
    yield THREE.case("changed: a stanza of somebody else", flipped(THREE.payload, 8 + 112 + 5), error=CHANGED)
    swapped = THREE.payload[:8] + THREE.payload[120:232] + THREE.payload[8:120] + THREE.payload[232:]
    yield THREE.case("two stanzas in another order", swapped, error=CHANGED)
    for name, first, end in (
        ("nonce", 0, 8),
        ("kind", 8, 16),
        ("author", 16, 48),
        ("signer", 48, 80),
        ("time", 80, 88),
    ):
        head = HEAD[:first] + flipped(HEAD[first:end], -1, 1) + HEAD[end:]
        yield ONE.case(f"in a record of another {name}", record_head=head.hex(), error=CHANGED)
    yield ONE.case("to another recipient", master=OTHER.public.bytes.hex(), error=CHANGED)
    yield ONE.case("with another secret", secrets=[SECRETS[1].hex()], error=CHANGED)
    yield ONE.case("with no secret", secrets=[], error=CHANGED)
    yield replace(ONE, info_prefix=b"mosaic").case("other info", error=CHANGED)
    yield replace(ONE, body_nonce=bytes(11) + b"\1").case("a nonce that is not zero", error=CHANGED)
    yield ONE.case("n is 0", b"\1\0" + payload[2:8] + payload[body:], error=MALFORMED)
    yield ONE.case("n is 0 and a stanza stands there", b"\1\0" + payload[2:], error=MALFORMED)
    yield Made(keys=PUBLICS, label="seventeen").case("n is 17", error=MALFORMED)
    yield ONE.case("n is 2 and one stanza stands there", b"\1\2" + payload[2:], error=MALFORMED)
    yield THREE.case("n is 2 and three stanzas stand there", b"\1\2" + THREE.payload[2:], error=MALFORMED)
    yield replace(ONE, start=b"\0\1" + bytes(6)).case("version 0", error=MALFORMED)
    yield replace(ONE, start=b"\2\1" + bytes(6)).case("version 2", error=MALFORMED)
    for place in (2, 7):
        begin = flipped(bytes((1, 1)) + bytes(6), place)
        yield replace(ONE, start=begin).case(f"reserved byte {place} is not zero", error=MALFORMED)
    for cut in (0, 1, 7, 8, 40, 119, 120, 136, len(payload) - 16, len(payload) - 1):
        yield ONE.case(f"cut short to {cut} bytes", payload[:cut], error=MALFORMED)
    yield ONE.case("a byte too many", payload + b"\0", error=MALFORMED)
    yield ONE.case("256 bytes too many", payload + bytes(256), error=CHANGED)
    for padded in (16, 128, 255, 257, 300, 768):
        yield replace(ONE, padded=padded).case(f"padded to {padded}", error=MALFORMED)
    yield replace(ONE, padded=512).case("padded to 512 where 256 hold it", error=MALFORMED)
    yield replace(ONE, padding=b"\1").case("padding that begins with 1", error=MALFORMED)
    yield replace(ONE, padding=bytes(244) + b"\x80").case("padding that ends with 128", error=MALFORMED)
    yield ONE.case("content said to be longer than all", length=257, error=MALFORMED)


def records() -> Iterator[dict[str, Any]]:
    for name, payload, flags, fields in (
        ("in its record", ONE.payload, 0, {"content": ONE.content.hex(), "valid": True}),
        ("the record says zstd", ONE.payload, FLAG_ZSTD, {"valid": False, "error": MALFORMED}),
        ("the record's payload is no encrypted one", b"plain", 0, {"valid": False, "error": MALFORMED}),
    ):
        record = builder.seal(
            DEVICE,
            author=MASTER.public,
            kind=CLIENT_STATE,
            nonce=NONCE,
            timestamp=TIME,
            flags=bytes((flags,)) + bytes(7),
            section=b"",
            payload=payload,
        )
        yield {
            "name": name,
            "op": "open_record",
            "record": record.data.hex(),
            "master": MASTER.public.bytes.hex(),
            "secrets": [SECRETS[0].hex()],
            "length": len(ONE.content),
            **fields,
        }


def lengths() -> Iterator[dict[str, Any]]:
    for length, keys, padded in (
        (0, 1, 256), (1, 1, 256), (256, 16, 256), (257, 2, 512), (512, 1, 512), (513, 3, 1024),
        (65_536, 1, 65_536), (65_537, 1, 131_072), (262_145, 1, 524_288), (524_288, 16, 524_288),
    ):  # fmt: skip
        yield {
            "name": f"{length} bytes to {keys} keys",
            "op": "pad",
            "length": length,
            "keys": keys,
            "padded": padded,
            "payload_length": 8 + keys * 112 + padded + 16,
            "valid": True,
        }
    yield {
        "name": "524,289 bytes are too many",
        "op": "pad",
        "length": 524_289,
        "keys": 1,
        "valid": False,
        "error": MALFORMED,
    }


# The points of small order that RFC 7748's curve has, of order 1, 2, 4 and 8, and forms that are not reduced.
SMALL = (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
)


def keys() -> Iterator[dict[str, Any]]:
    yield {"name": "a public key", "op": "key", "key": PUBLICS[0].hex(), "valid": True}
    yield {"name": "31 bytes are no key", "op": "key", "key": PUBLICS[0][:31].hex(), "valid": False}
    for number, text in enumerate(SMALL, 1):
        yield {"name": f"point of small order {number}", "op": "key", "key": text, "valid": False}


def text() -> str:
    cases = [*valid(), *broken(), *records(), *lengths(), *keys()]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    about = f'"description": {json.dumps(DESCRIPTION)},\n"reference": "none: the text leaves it open"'
    return f'{{\n{about},\n"cases": [\n{lines}\n]\n}}\n'


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
