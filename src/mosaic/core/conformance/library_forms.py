"""What the reference library makes of cases that are refused here.

Where a ruling refuses what the library accepts, the case still gives the
library's values. They are rebuilt from the case's input, so that a damaged
vector is noticed there as well; nothing outside of the judge uses any of this.

Source: edition §5.
"""

from __future__ import annotations

import io
import re
from typing import Any

import cbor2

from mosaic.core import human
from mosaic.core.conformance.case import Case, Values
from mosaic.core.keys import PublicKey
from mosaic.core.reference import Address, Id

_DUPLICATES = ("Unique", "Ephemeral", "Replaceable", "Versioned")
_READERS = ("AuthorOnly", "AuthorAndTagged", "Reserved", "Everybody")
_PROFILE = ("name", "display_name", "about", "avatar", "website", "banner", "org", "bot", "lud16")


def kind(case: Case) -> Values:
    """The parts of any 8 bytes, reserved bits or not (R5)."""
    data = bytes.fromhex(case["bytes"])
    flags = int.from_bytes(data[6:8], "big")
    return {
        "u64": str(int.from_bytes(data, "big")),
        "application_id": int.from_bytes(data[0:4], "big"),
        "application_specific_kind": int.from_bytes(data[4:6], "big"),
        "duplicate_handling": _DUPLICATES[flags & 3],
        "read_access": _READERS[flags >> 2 & 3],
        "content_is_printable": bool(flags & 0x10),
        "reserved_bits_set": bool(flags & 0xFFE0),
    }


def address(case: Case) -> Values:
    """An address whose kind may not be (R5), or whose text is not the canonical one (K2)."""
    if "input" in case and "text" in case:
        return _canonical(case) | _parts_of_address(Address.parse(case["text"]).bytes)
    if "nonce" not in case:
        return {}
    parts = (case["nonce"], case["kind"], case["author_public_key"])
    return _parts_of_address(bytes.fromhex("".join(parts)))


def reference(case: Case) -> Values:
    """The address in a reference whose kind may not be (R5)."""
    data = bytes.fromhex(case["bytes"]) if "bytes" in case else b""
    if len(data) != 48 or "text" not in case:
        return {}
    told: dict[str, object] = {"is_id": False, "is_address": True, "as_id_error": "NotAnId"}
    return told | _parts_of_address(data)


def identifier(case: Case) -> Values:
    """An id whose text is not the canonical one (K2)."""
    if "text" not in case:
        return {}
    value = Id.parse(case["text"])
    return _canonical(case) | {
        "bytes": value.bytes.hex(),
        "timestamp": str(int(value.timestamp)),
        "hash_prefix": value.hash.hex(),
    }


def url(case: Case) -> Values:
    """A URL of the library's schemes (U1), its path replaced and its query dropped (U2, U3).

    Raises:
        ValueError: it is not of the library's schemes.
    """
    return {"normalised": _url(case["input"])}


def server_text(case: Case) -> Values:
    """URLs of the library's schemes as a server bootstrap (U1)."""
    text = "\n".join(["S", *(entry.removesuffix("/") for entry in case["urls"])])
    return {"text": text, "len": len(text.encode())}


def server_bootstrap(case: Case) -> Values:
    """A server bootstrap of the library's schemes (U1), of any length (B3).

    Raises:
        ValueError: a URL is not of the library's schemes.
    """
    text: str = case["text"]
    urls = [_url(line) for line in text.splitlines()[1:]]
    rewritten = "\n".join(["S", *(entry.removesuffix("/") for entry in urls)])
    return {"len": len(text.encode()), "urls": urls, "rewritten": rewritten}


def user_bootstrap(case: Case) -> Values:
    """A user bootstrap: three bits of any character (B1), anything (B2), a key; of any length (B3)."""
    if "entries" not in case:
        return {}
    lines = [(ord(line[0]) & 7, line[2:]) for line in case["text"].splitlines()[1:]]
    keys = [PublicKey.parse_user(text).bytes.hex() for _, text in lines]
    return {
        "entries": [[usage, key] for (usage, _), key in zip(lines, keys, strict=True)],
        "rewritten": "\n".join(["U", *(f"{usage} {text}" for usage, text in lines)]),
    }


def segment_url(case: Case) -> Values:
    """A tag with an image or video URL of any length (G3)."""
    value = case["offset"].to_bytes(4, "little") + case["url"].encode()
    head = (4 + len(value)).to_bytes(2, "little") + case["type"].to_bytes(2, "little")
    return {"value": value.hex(), "bytes": (head + value).hex()}


def profile_fields(payload: bytes) -> dict[str, object] | None:
    """The fields of a profile in the library's own form (integer keys, bytes as arrays: P1, P4), or None."""
    try:
        read: Any = cbor2.load(io.BytesIO(payload))
    except (cbor2.CBORDecodeError, ValueError):
        return None
    if not isinstance(read, dict):
        return None
    fields = {name: read.get(number) for number, name in enumerate(_PROFILE)}
    types = {"avatar": list, "banner": list, "org": bool, "bot": bool}
    fits = (value is None or isinstance(value, types.get(name, str)) for name, value in fields.items())
    if fields["name"] is None or not all(fits):
        return None
    return {name: bytes(value).hex() if isinstance(value, list) else value for name, value in fields.items()}


def key(case: Case) -> Values:
    """A public key whose text has unused bits set (K2): the first 51 characters hold all but its last bit."""
    return {"public_key": _key(case["text"], human.USER_KEY)} if "public_key" in case else {}


def secret_key(case: Case) -> Values:
    """A secret key whose text has unused bits set (K2) or lacks a character (K3)."""
    return {"seed": _key(case["text"], human.SECRET_KEY)} if "seed" in case else {}


def _key(text: str, prefix: str) -> str:
    """The key in a text of 51 or 52 characters, whose last one counts for one bit."""
    body = text.removeprefix(prefix)
    last = "o" if body[51:] and _Z_BASE_32.index(body[51]) & 0x10 else "y"
    return human.decode("", body[:51] + last, 32).hex()


_Z_BASE_32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def _canonical(case: Case) -> dict[str, object]:
    """The canonical text differs from what was given in its last character alone."""
    same = case["input"][:-1] == case["text"][:-1]
    return {"text": case["text"] if same else "another text"}


def _parts_of_address(data: bytes) -> dict[str, object]:
    return {
        "bytes": data.hex(),
        "text": Address(data).text,
        "nonce": data[0:8].hex(),
        "kind": data[8:16].hex(),
        "author_public_key": data[16:48].hex(),
    }


def _url(text: str) -> str:
    match = re.match(r"(?i)(wss|https)://([^/?#]*)", text)
    if match is None:
        raise ValueError("a URL is not of the library's schemes")
    return f"{match[1].lower()}://{match[2]}/"
