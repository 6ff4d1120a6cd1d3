"""Secret keys at rest: encrypted with a password, as `mocryptsec0…` text.

    [0]     version, 1
    [1]     log_n: scrypt makes 2^log_n rounds
    [2:18]  salt
    [18:58] (seed ‖ rand4 ‖ rand4 ⊕ check bytes) ⊕ scrypt(password, salt, r = 8, p = 1, 40 bytes)

There is no MAC: a wrong password shows by the check bytes alone, so about one in
four thousand million wrong passwords opens to a wrong key. Who knows the public
key should compare it.

Source: encrypted_secret_key.md, edition §5 (E1, E2).
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mosaic.core import human
from mosaic.core.keys import SecretKey
from mosaic.errors import InvalidSecretKey, InvalidText, WrongPassword

DEFAULT_LOG_N: Final = 18
MAX_LOG_N: Final = 22
SALT_LENGTH: Final = 16
RAND4_LENGTH: Final = 4

_VERSION = 1
_LENGTH = 58
_SECRET_LENGTH = 40
_CHECK = bytes.fromhex("b960a1e2")


def encrypt(
    secret: SecretKey,
    password: str,
    *,
    salt: bytes,
    rand4: bytes,
    log_n: int = DEFAULT_LOG_N,
) -> str:
    """The `mocryptsec0…` text of a secret key.

    Args:
        secret: What to encrypt.
        password: Normalised to NFKC here, so that every keyboard can enter it.
        salt: 16 fresh random bytes.
        rand4: 4 fresh random bytes.
        log_n: 1 to 22; time and memory (2^log_n KiB) double with each step.

    Raises:
        InvalidSecretKey: lengths or log_n are wrong, or there is not enough memory for this log_n.
        WrongPassword: it can't be written as UTF-8.
    """
    if len(salt) != SALT_LENGTH or len(rand4) != RAND4_LENGTH:
        raise InvalidSecretKey(f"{SALT_LENGTH} bytes of salt and {RAND4_LENGTH} random bytes are needed")
    checked = bytearray(secret.reveal() + rand4 + _xor(rand4, _CHECK))
    pad = _pad(password, salt, log_n)
    sealed = _xor(checked, pad)
    _wipe(checked, pad)
    return human.encode(human.ENCRYPTED_SECRET_KEY, bytes((_VERSION, log_n)) + salt + sealed)


def decrypt(text: str, password: str) -> SecretKey:
    """The secret key in a `mocryptsec0…` text.

    Raises:
        InvalidSecretKey: not such a text, another version, log_n 0 or over 22, or not enough memory.
        WrongPassword: the password does not open it.
    """
    data = _decode(text)
    pad = _pad(password, data[2:18], data[1])
    checked = bytearray(_xor(data[18:], pad))
    try:
        if not hmac.compare_digest(_xor(checked[32:36], checked[36:40]), _CHECK):
            raise WrongPassword
        return SecretKey(checked[:32])
    finally:
        _wipe(checked, pad)


def log_n_of(text: str) -> int:
    """The log_n (1 to 22) of a `mocryptsec0…` text: how hard its password is to guess.

    Raises:
        InvalidSecretKey: not such a text, another version, or another log_n.
    """
    return _decode(text)[1]


def memory_needed(text: str) -> int:
    """How many bytes of memory it takes to open a `mocryptsec0…` text, with any password.

    Raises:
        InvalidSecretKey: not such a text, another version, or another log_n.
    """
    return 1024 << log_n_of(text)


def _decode(text: str) -> bytes:
    try:
        data = human.decode(human.ENCRYPTED_SECRET_KEY, text, _LENGTH)
    except InvalidText as error:
        raise InvalidSecretKey(str(error), hint=error.hint) from None
    if data[0] != _VERSION:
        raise InvalidSecretKey(
            f"the secret key is encrypted in version {data[0]}, this software knows version {_VERSION}",
            hint="Use the software that made it, or a newer version of this one.",
        )
    _check_log_n(data[1])
    return data


def _check_log_n(log_n: int) -> None:
    if not 0 < log_n <= MAX_LOG_N:
        raise InvalidSecretKey(
            f"log_n is {log_n}, this software takes 1 to {MAX_LOG_N}",
            hint="Encrypt the key again with another log_n, 18 if in doubt.",
        )


def _pad(password: str, salt: bytes, log_n: int) -> bytearray:
    """The 40 bytes that scrypt makes of a password."""
    _check_log_n(log_n)
    try:
        word = unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise WrongPassword("the password holds half of a character (a lone surrogate)") from None
    try:
        return bytearray(Scrypt(salt=salt, length=_SECRET_LENGTH, n=1 << log_n, r=8, p=1).derive(word))
    except MemoryError:
        raise InvalidSecretKey(
            f"log_n {log_n} needs {1 << log_n >> 10} MiB of memory, which this machine does not have free",
            hint="Close other programs, or use a machine with more memory.",
        ) from None


def _xor(left: bytes | bytearray, right: bytes | bytearray) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _wipe(*secrets: bytearray) -> None:
    """Overwrites what was secret, as far as Python lets one."""
    for secret in secrets:
        secret[:] = bytes(len(secret))
