"""X25519 keys: what is encrypted to a person goes to one of these, never to a signing key.

The secret is given to every device of the person that is to read; it signs
nothing, so that losing it does not cost the name.

Source: keyschedule.md (ACTIVE_ENCRYPTION_KEY), cryptography.md; edition §4 (Encryption).
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mosaic.errors import InvalidSecretKey

KEY_LENGTH: Final = 32


class X25519Secret:
    """The secret of an X25519 key, held as its 32 bytes; never shown by `repr`, never pickled.

    Args:
        seed: 32 bytes.

    Raises:
        InvalidSecretKey: another length.
    """

    __slots__ = ("_seed", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_LENGTH:
            raise InvalidSecretKey(f"an X25519 secret has {KEY_LENGTH} bytes, not {len(seed)}")
        self._seed = bytearray(seed)
        private = X25519PrivateKey.from_private_bytes(bytes(seed))
        self.public: Final = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        """The public key, 32 bytes."""

    def reveal(self) -> bytes:
        """The secret (32 bytes). Raises InvalidSecretKey after `erase`."""
        if not self._seed:
            raise InvalidSecretKey("this secret key was erased", hint="Unlock the key again.")
        return bytes(self._seed)

    def erase(self) -> None:
        """Overwrites the secret; the public key stays."""
        self._seed[:] = bytes(len(self._seed))
        self._seed = bytearray()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, X25519Secret) and hmac.compare_digest(self._seed, other._seed)

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return "X25519Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise InvalidSecretKey("a secret key can't be pickled", hint="Keep it as mocryptsec0 text.")


def is_usable(key: bytes) -> bool:
    """Whether anything can be encrypted to a public key: 32 bytes that are no point of small order.

    A key schedule can list any bytes. With a point of small order everybody
    would share the secret, so libraries refuse to use it.
    """
    if len(key) != KEY_LENGTH:
        return False
    try:
        X25519PrivateKey.from_private_bytes(_PROBE).exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        return False
    return True


# Any secret tells points of small order apart: its product with one is zero.
_PROBE: Final = bytes(range(KEY_LENGTH))
