"""Every form in which a secret could have been written down, and whether one of them stands in some bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mosaic.core import human

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
LEAST = 16
"""So many bytes at the beginning or the end of a form are enough to be found."""

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def clamped(number: bytes) -> bytes:
    """What RFC 7748 and RFC 8032 make of 32 bytes before they multiply with them."""
    return bytes((number[0] & 248, *number[1:31], number[31] & 127 | 64))


def numbers_of(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """What is made of a secret of 32 bytes, as good as the secret itself: 32 bytes each."""
    expanded = hashlib.sha512(secret).digest()
    scalar = clamped(expanded[:32])
    yield "seed", secret
    yield "scalar", scalar
    yield "scalar before clamping", expanded[:32]
    yield "scalar mod l", (int.from_bytes(scalar, "little") % ED25519_ORDER).to_bytes(32, "little")
    yield "prefix of nonces", expanded[32:]
    yield "scalar of X25519", clamped(secret)
    yield "negative of secp256k1", ((-int.from_bytes(secret, "big")) % SECP256K1_ORDER).to_bytes(32, "big")


def nsec(secret: bytes) -> str:
    """A nostr key as nsec1… (NIP-19, bech32)."""
    bits = int.from_bytes(secret, "big") << 4
    words = [bits >> 5 * place & 31 for place in range(51, -1, -1)]
    spread = [ord(each) >> 5 for each in "nsec"] + [0] + [ord(each) & 31 for each in "nsec"]
    check = _polymod([*spread, *words, *[0] * 6]) ^ 1
    words += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return "nsec1" + "".join(_BECH32[word] for word in words)


def _polymod(words: Iterable[int]) -> int:
    check = 1
    for word in words:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for place, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> place & 1 else 0
    return check


def written(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Some bytes in each way in which they could be written."""
    yield "raw", data
    yield "hex", data.hex().encode()
    yield "HEX", data.hex().upper().encode()
    # What stands before shifts the letters of what stands in the middle of a longer text.
    for before in range(3):
        for name, make in (("base64", base64.standard_b64encode), ("base64url", base64.urlsafe_b64encode)):
            begin, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            yield f"{name} +{before}", make(bytes(before) + data)[begin:end]
    for before in range(5):
        begin, end = -(-before * 8 // 5), (before + len(data)) * 8 // 5
        yield f"z-base-32 +{before}", human.z_base_32(bytes(before) + data).encode()[begin:end]
    yield "as Python shows it", repr(data)[2:-1].encode()
    yield "numbers", ", ".join(map(str, data)).encode()
    yield "numbers without spaces", ",".join(map(str, data)).encode()
    yield "escaped in JSON", json.dumps(data.decode("latin-1"))[1:-1].encode()
    yield "percent", "".join(f"%{byte:02x}" for byte in data).encode()
    yield "PERCENT", "".join(f"%{byte:02X}" for byte in data).encode()
    yield "one number", str(int.from_bytes(data, "big")).encode()


def forms(what: str, secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Every form of a secret, with its name; each at least `LEAST` bytes long.

    Args:
        what: `text` for what people type or read, else 32 bytes (`raw` for fewer).
        secret: The secret.
    """
    if what == "text":
        yield from written(secret)
        return
    for name, number in numbers_of(secret) if len(secret) == 32 else [("bytes", secret)]:
        for order, data in (("", number), (" reversed", number[::-1])):
            for how, form in written(data):
                yield f"{name}{order}, {how}", form
    if len(secret) == 32:
        yield "nsec1", nsec(secret).encode()


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A secret where it should not be.

    Attributes:
        place: Where.
        name: Which.
        form: In which form.
    """

    place: str
    name: str
    form: str


class Search:
    """Looks for secrets.

    Args:
        secrets: By name: what kind it is (see `forms`), and the secret.
    """

    def __init__(self, secrets: Mapping[str, tuple[str, bytes]]) -> None:
        self._parts: dict[bytes, tuple[str, str]] = {}
        for name, (what, secret) in secrets.items():
            for form, pattern in forms(what, secret):
                assert len(pattern) >= LEAST, (name, form)
                for part in (pattern[:LEAST], pattern[-LEAST:]):
                    self._parts.setdefault(part, (name, form))

    def inside(self, data: bytes) -> set[tuple[str, str]]:
        """Names and forms of what stands in some bytes."""
        parts, data = self._parts, re.sub(rb"\0{64,}", bytes(64), data)
        places = range(len(data) - LEAST + 1)
        return {parts[part] for place in places if (part := data[place : place + LEAST]) in parts}

    def among(self, places: Iterable[tuple[str, bytes]]) -> list[Found]:
        """All that is found in places, each with its content."""
        found = []
        for place, data in places:
            there = self.inside(place.encode()) | self.inside(data)
            found += [Found(place, name, form) for name, form in there]
        return sorted(found)
