"""Keys: who somebody is, and the secret with which he signs.

Source: human_encodings.md, cryptography.md, edition §5 (K1 to K5).
"""

from __future__ import annotations

import builtins
import hmac
from dataclasses import dataclass, field
from typing import NoReturn

from mosaic._kernel import _rust as kernel
from mosaic.core import human
from mosaic.errors import InvalidKey, InvalidSecretKey, InvalidText

KEY_LENGTH = 32
SEED_LENGTH = 32


@dataclass(frozen=True, slots=True, order=True, repr=False)
class PublicKey:
    """An Ed25519 public key: of a user, a subkey or a server.

    The constructor takes 32 bytes that were judged already, as those of a valid
    record are; `from_bytes` and the parsers judge. Ordered by its bytes.

    Raises:
        InvalidKey: not 32 bytes.
    """

    bytes: builtins.bytes

    def __post_init__(self) -> None:
        if len(self.bytes) != KEY_LENGTH:
            raise InvalidKey(f"a public key has {KEY_LENGTH} bytes, not {len(self.bytes)}")

    @classmethod
    def from_bytes(cls, data: builtins.bytes) -> PublicKey:
        """The key in 32 bytes from elsewhere.

        Raises:
            InvalidKey: another length, not canonical, not on the curve, or of small order.
        """
        key = cls(data)
        if not kernel.key_is_acceptable(data):
            raise InvalidKey("the bytes are not an Ed25519 public key that may be used")
        return key

    @classmethod
    def parse_user(cls, text: str) -> PublicKey:
        """The key in `mopub0…`. Raises InvalidText or InvalidKey."""
        return cls.from_bytes(human.decode(human.USER_KEY, text, KEY_LENGTH))

    @classmethod
    def parse_server(cls, text: str) -> PublicKey:
        """The key in `mosrv0…`. Raises InvalidText or InvalidKey."""
        return cls.from_bytes(human.decode(human.SERVER_KEY, text, KEY_LENGTH))

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """The key in `mopub0…`, `mosrv0…` or the same text without prefix.

        One key may be user and server at once; who is given a bare one looks up both.

        Raises:
            InvalidText: none of the three.
            InvalidKey: the bytes are no acceptable key.
        """
        for prefix in (human.USER_KEY, human.SERVER_KEY):
            if text.startswith(prefix):
                return cls.from_bytes(human.decode(prefix, text, KEY_LENGTH))
        return cls.from_bytes(human.decode("", text, KEY_LENGTH))

    @property
    def user_text(self) -> str:
        """`mopub0…` (58 characters)."""
        return human.encode(human.USER_KEY, self.bytes)

    @property
    def server_text(self) -> str:
        """`mosrv0…` (58 characters)."""
        return human.encode(human.SERVER_KEY, self.bytes)

    def __bytes__(self) -> builtins.bytes:
        return self.bytes

    def __repr__(self) -> str:
        return f"PublicKey({self.user_text})"


@dataclass(slots=True, repr=False, eq=False)
class SecretKey:
    """An Ed25519 secret key, held as its 32-byte seed.

    Never shown by `repr`, never pickled. `erase` overwrites the seed held here;
    copies that `reveal` and `text` gave away are their callers' affair.

    Raises:
        InvalidSecretKey: not 32 bytes.
    """

    _seed: bytearray
    _public: PublicKey | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if len(self._seed) != SEED_LENGTH:
            raise InvalidSecretKey(f"a secret key has {SEED_LENGTH} bytes, not {len(self._seed)}")
        self._seed = bytearray(self._seed)

    @classmethod
    def generate(cls, entropy: bytes) -> SecretKey:
        """A new key from 32 fresh random bytes. Raises InvalidSecretKey on another length."""
        return cls(bytearray(entropy))

    @classmethod
    def from_seed(cls, seed: bytes) -> SecretKey:
        """The key of a 32-byte seed. Raises InvalidSecretKey on another length."""
        return cls(bytearray(seed))

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """The key in `mosec0…`. Raises InvalidSecretKey, which never quotes the text."""
        try:
            return cls(bytearray(human.decode(human.SECRET_KEY, text, SEED_LENGTH)))
        except InvalidText as error:
            raise InvalidSecretKey(str(error), hint=error.hint) from None

    @property
    def public(self) -> PublicKey:
        """The public key (computed once)."""
        if self._public is None:
            self._public = PublicKey(kernel.public_key(self.reveal()))
        return self._public

    def reveal(self) -> bytes:
        """The seed (32 bytes). Raises InvalidSecretKey after `erase`."""
        if not self._seed:
            raise InvalidSecretKey("this secret key was erased", hint="Unlock the key again.")
        return bytes(self._seed)

    @property
    def text(self) -> str:
        """`mosec0…` (58 characters): the secret itself, to be shown to its owner only."""
        return human.encode(human.SECRET_KEY, self.reveal())

    def erase(self) -> None:
        """Overwrites the seed; the public key stays if it was asked for before."""
        self._seed[:] = bytes(len(self._seed))
        self._seed = bytearray()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKey) and hmac.compare_digest(self._seed, other._seed)

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return "SecretKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise InvalidSecretKey("a secret key can't be pickled", hint="Keep it as mocryptsec0 text.")
