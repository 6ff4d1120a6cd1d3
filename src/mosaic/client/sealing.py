"""Sealing: encrypts a payload to the X25519 keys of those who are to read it.

The content key and what HPKE encapsulates are drawn from the system's source
of randomness by the library; nothing of it is given in, so nothing can be used
twice.

Source: edition §4 (Encryption); RFC 9180 (SealBase). Layout and opening: `mosaic.core.encryption`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mosaic.core import x25519
from mosaic.core.encryption import (
    MAX_STANZAS,
    NONCE,
    RECORD_HEAD_BYTES,
    SUITE,
    Stanza,
    head,
    info,
    padded,
)
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.errors import NoEncryptionKey, ScheduleStale, UsageError

FRESH_NS: Final = 3_600_000_000_000
"""How long ago a recipient's key schedule may have been checked: 1 h."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One key to encrypt to.

    Args:
        master: Whose it is.
        x25519: The key, 32 bytes.
    """

    master: PublicKey
    x25519: bytes


def recipients(schedule: KeySchedule, checked_ns: int, now_ns: int) -> tuple[Recipient, ...]:
    """The keys of somebody: the 16 newest active ones of the newest key schedule.

    A key that nobody can encrypt to (of small order) is passed over.

    Args:
        schedule: The newest one of the person.
        checked_ns: When an outbox of the person last said that it is the newest, ns.
        now_ns: The time.

    Raises:
        ScheduleStale: that is more than an hour ago: the keys may be those of a stolen device.
        NoEncryptionKey: there is none.
    """
    if now_ns - checked_ns > FRESH_NS:
        raise ScheduleStale
    keys = [key for key in schedule.encryption_keys() if x25519.is_usable(key)]
    if not keys:
        raise NoEncryptionKey
    return tuple(Recipient(schedule.master, key) for key in keys)


def seal(content: bytes, to: Sequence[Recipient], record_head: bytes) -> bytes:
    """Encrypts a payload.

    Args:
        content: What to encrypt: something that ends by itself, at most 524,288 bytes.
        to: 1 to 16 keys.
        record_head: The bytes [48:136] of the record that will hold it (`encryption.record_head`).

    Raises:
        InvalidContent: it is too long.
        NoEncryptionKey: a key is one that nobody can encrypt to.
        UsageError: no key, too many, or not the head of a record.
    """
    if not 1 <= len(to) <= MAX_STANZAS:
        raise UsageError(f"a payload is encrypted to 1 to {MAX_STANZAS} keys, not {len(to)}")
    if len(record_head) != RECORD_HEAD_BYTES:
        raise UsageError(f"a payload is bound to {RECORD_HEAD_BYTES} bytes of its record")
    plaintext = padded(content)
    key = ChaCha20Poly1305.generate_key()
    begin = head([_stanza(key, recipient, record_head) for recipient in to])
    return begin + ChaCha20Poly1305(key).encrypt(NONCE, plaintext, record_head + begin)


def _stanza(key: bytes, to: Recipient, record_head: bytes) -> Stanza:
    if not x25519.is_usable(to.x25519):
        raise NoEncryptionKey("nobody can encrypt to this key")
    public = X25519PublicKey.from_public_bytes(to.x25519)
    return Stanza(to.x25519, SUITE.encrypt(key, public, info(to.master, record_head)))
