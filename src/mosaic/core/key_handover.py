"""Key Hand-over: how keys reach the other devices of a person, later than at their pairing.

Two forms of one kind, which only the author reads:

    by a device       32 bytes: the X25519 key to which it wants keys handed over
    by the master     what is handed over, encrypted (`mosaic.core.encryption`) to such keys of those
                      devices that may sign: u32 length, then JSON

A device's hand-over key is made from its signing key by a hash, so it is on
that device alone, and neither key tells anything of the other. It stands in no
key schedule: nobody else encrypts to it. A device that is revoked is left out,
so what was handed over before is all that a thief ever reads.

Source: keyschedule.md (encryption secrets go to every device); edition §4 (Encryption); this
project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from mosaic._kernel import _rust as kernel
from mosaic.core import nonce
from mosaic.core.encryption import MAX_CONTENT, unpadded
from mosaic.core.handover import MOST_KEYS, HandedKey, listed_keys, told_keys
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.x25519 import KEY_LENGTH, X25519Secret
from mosaic.errors import FormatError, InvalidMessage

_CONTEXT: Final = b"Mosaic 2026 key hand-over\0"
_LENGTH_BYTES: Final = 4


def secret_of(device: SecretKey) -> X25519Secret:
    """What opens what is handed over to a device, from the secret that signs on it."""
    return X25519Secret(kernel.blake3(_CONTEXT + device.reveal(), KEY_LENGTH))


def nonce_of(signer: PublicKey, device: PublicKey) -> bytes:
    """Where the newest of each form stands: each device writes its own.

    Args:
        signer: Who signs, the device or the master.
        device: The device that writes it.
    """
    return nonce.from_string(_CONTEXT + signer.bytes + device.bytes)


def encode(keys: Iterable[HandedKey]) -> bytes:
    """What is to be encrypted: of many keys the first that there is room for.

    Args:
        keys: The most important first.
    """
    given = list(keys)[:MOST_KEYS]
    while True:
        data = json.dumps(told_keys(given), ensure_ascii=False, separators=(",", ":")).encode()
        if len(data) + _LENGTH_BYTES <= MAX_CONTENT:
            return len(data).to_bytes(_LENGTH_BYTES, "little") + data
        given = given[: len(given) // 2]


def parse(plaintext: bytes) -> tuple[HandedKey, ...]:
    """The keys in what was decrypted, with its padding. Raises InvalidMessage."""
    length = int.from_bytes(plaintext[:_LENGTH_BYTES], "little") + _LENGTH_BYTES
    try:
        return listed_keys(json.loads(unpadded(plaintext, length)[_LENGTH_BYTES:]))
    except (ValueError, TypeError, LookupError, RecursionError, FormatError) as error:
        raise InvalidMessage(f"what another device handed over can't be read: {error!r}") from None
