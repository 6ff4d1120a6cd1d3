"""Keys of nostr (secp256k1, x-only): only what it takes to attest one in a key schedule.

Source: keyschedule.md (ACTIVE_NOSTR_KEY); BIP 340; NIP-19 (nsec1…, bech32).
"""

from __future__ import annotations

from typing import Final

import coincurve

from mosaic._kernel import _rust
from mosaic.core.keys import PublicKey
from mosaic.core.schedule_entry import Algorithm, attestation_head
from mosaic.errors import InvalidSecretKey

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX: Final = "nsec"
_CHECK_LENGTH: Final = 6
_LENGTH: Final = 32


class NostrSecret:
    """A nostr secret key. Never shown by `repr`.

    Args:
        secret: 32 bytes.

    Raises:
        InvalidSecretKey: they are no secret of secp256k1.
    """

    __slots__ = ("_key", "public")

    def __init__(self, secret: bytes) -> None:
        try:
            self._key = coincurve.PrivateKey(secret)
        except ValueError:
            raise InvalidSecretKey("this is no secret key of nostr") from None
        self.public: Final = self._key.public_key.format(compressed=True)[1:]
        """The public key, 32 bytes, x alone."""

    @classmethod
    def parse(cls, text: str) -> NostrSecret:
        """The key in `nsec1…` or in 64 hexadecimal digits. Raises InvalidSecretKey, which never quotes it."""
        text = text.strip()
        if text.lower().startswith(_PREFIX + "1"):
            return cls(_bech32(text))
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise InvalidSecretKey(
                "this is no secret key of nostr", hint="Give it as nsec1… or as 64 hexadecimal digits."
            ) from None

    def attestation(self, master: PublicKey) -> bytes:
        """The attestation (136 bytes) by which this key says that it belongs to `master`."""
        head = attestation_head(Algorithm.SECP256K1, self.public, master)
        # Without auxiliary randomness the signature is always the same, which BIP 340 allows.
        return head + self._key.sign_schnorr(_rust.blake3(head, 32), bytes(32))

    def __repr__(self) -> str:
        return "NostrSecret(hidden)"


def _bech32(text: str) -> bytes:
    """The 32 bytes of `nsec1…`. Raises InvalidSecretKey."""
    if text not in {text.lower(), text.upper()}:
        raise InvalidSecretKey("an nsec1… is written in small letters")
    prefix, _, body = text.lower().rpartition("1")
    try:
        words = [_ALPHABET.index(letter) for letter in body]
    except ValueError:
        raise InvalidSecretKey("this nsec1… holds a letter that none has") from None
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    if prefix != _PREFIX or _polymod([*spread, *words]) != 1:
        raise InvalidSecretKey("this nsec1… was not copied whole", hint="Copy it again, to its last letter.")
    bits = 0
    for word in words[:-_CHECK_LENGTH]:
        bits = bits << 5 | word
    spare = 5 * (len(words) - _CHECK_LENGTH) - 8 * _LENGTH
    if not 0 <= spare < 5 or bits & ((1 << spare) - 1):
        raise InvalidSecretKey("this nsec1… holds something else than a secret key")
    return (bits >> spare).to_bytes(_LENGTH, "big")


def _polymod(words: list[int]) -> int:
    check = 1
    for word in words:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for place, part in enumerate(_GENERATOR):
            check ^= part if top >> place & 1 else 0
    return check
