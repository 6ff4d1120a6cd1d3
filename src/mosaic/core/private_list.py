"""Lists that their owner alone can read: one encrypted record for each entry, and the key of the list.

The address of an entry is made from what it is about under a list key, so that
two devices write to the same place and nobody else learns from it whom it is
about. The list key is in one Client State of the owner; of two, the later one
holds. Everything is encrypted to the owner's own keys, and to a recovery key
that only who has the master key can make: so a list comes back when every
device is lost.

    Client State, plaintext      [0] version, 1    [1] what: 1 = list key    [2:8] zero
                                 [8:40] list key   [40:72] recovery key (X25519, public)
    Follow, plaintext            [0] version, 1    [1] n personas            [2:8] zero
                                 [8:40] who is followed    [40:] n personas of 32 bytes; none = all

An entry without any payload takes back what stood at its address.

Source: edition §4 (lists, Client State, Follow); layouts: this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mosaic._kernel import _rust as kernel
from mosaic.core import nonce
from mosaic.core.encryption import unpadded
from mosaic.core.keyed_blake3 import keyed_hash
from mosaic.core.keys import PublicKey
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidContent

VERSION: Final = 1
LIST_KEY_BYTES: Final = 32
MOST_PERSONAS: Final = 255
AT: Final = nonce.from_string(b"Mosaic list key")
"""The nonce of the Client State that holds the list key."""

_LIST_KEY: Final = 1
_HEAD: Final = 8
_KEY: Final = 32
_RECOVERY: Final = b"Mosaic recovery encryption key\0"


def recovery_secret(master_seed: bytes) -> X25519Secret:
    """The secret that opens lists when every device is lost.

    Args:
        master_seed: The master key's 32 bytes.
    """
    return X25519Secret(kernel.blake3(_RECOVERY + master_seed, 32))


@dataclass(frozen=True, slots=True)
class ListKey:
    """The key of a person's lists.

    Args:
        secret: 32 random bytes.
        recovery: The public recovery key, 32 bytes.
    """

    secret: bytes = field(repr=False)
    recovery: bytes

    def nonce(self, about: bytes) -> bytes:
        """The nonce of the entry about something: a key of 32 bytes or a reference of 48 (8 bytes)."""
        return nonce.marked(keyed_hash(self.secret, about)[: nonce.NONCE_LENGTH])

    def encode(self) -> bytes:
        """The content of its Client State, 72 bytes."""
        return bytes((VERSION, _LIST_KEY)) + bytes(6) + self.secret + self.recovery

    @classmethod
    def parse(cls, plaintext: bytes) -> ListKey:
        """The list key in an opened Client State. Raises InvalidContent."""
        content = unpadded(plaintext, _HEAD + 2 * _KEY)
        if content[:2] != bytes((VERSION, _LIST_KEY)) or any(content[2:_HEAD]):
            raise InvalidContent("this Client State holds no list key, or one of another version")
        return cls(content[_HEAD : _HEAD + _KEY], content[_HEAD + _KEY :])


@dataclass(frozen=True, slots=True)
class FollowEntry:
    """Somebody who is followed.

    Args:
        person: The master key.
        personas: Of whom only these subkeys are read (32 bytes each), all if empty.
    """

    person: PublicKey
    personas: frozenset[bytes] = frozenset()

    def encode(self) -> bytes:
        """The content of its record. Raises InvalidContent with more than 255 personas."""
        if len(self.personas) > MOST_PERSONAS:
            raise InvalidContent(f"of one person at most {MOST_PERSONAS} personas can be followed")
        head = bytes((VERSION, len(self.personas))) + bytes(6)
        return head + self.person.bytes + b"".join(sorted(self.personas))

    @classmethod
    def parse(cls, plaintext: bytes) -> FollowEntry:
        """What an opened Follow says.

        Raises:
            InvalidContent: it is not laid out so.
            InvalidKey: it names nobody who could be followed.
        """
        if len(plaintext) < _HEAD or plaintext[0] != VERSION or any(plaintext[2:_HEAD]):
            raise InvalidContent("this Follow is laid out in another way, or in another version")
        content = unpadded(plaintext, _HEAD + _KEY * (1 + plaintext[1]))
        starts = range(_HEAD + _KEY, len(content), _KEY)
        personas = frozenset(content[start : start + _KEY] for start in starts)
        return cls(PublicKey.from_bytes(content[_HEAD : _HEAD + _KEY]), personas)
