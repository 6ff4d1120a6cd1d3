"""Secrets of a home: sealed with its password as `mocryptsec0`, and opened again.

Source: encrypted_secret_key.md; this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.core import encrypted_secret_key
from mosaic.core.encrypted_secret_key import RAND4_LENGTH, SALT_LENGTH
from mosaic.core.keys import SecretKey
from mosaic.errors import FormatError, HomeDamaged, WrongPassword

# What opens these keys is random, so a costly derivation would protect nothing.
_LOG_N = 10


class Vault:
    """Seals secrets for the private database and opens them again.

    Args:
        password: The home's password.
        entropy: Random bytes of a length.
    """

    __slots__ = ("_entropy", "_password")

    def __init__(self, password: str, entropy: Callable[[int], bytes]) -> None:
        self._password = password
        self._entropy = entropy

    def seal(self, secret: SecretKey) -> str:
        """The secret as `mocryptsec0`."""
        return self.seal_with(secret, self._password, _LOG_N)

    def seal_with(self, secret: SecretKey, password: str, log_n: int) -> str:
        """The secret as `mocryptsec0` under another password.

        Args:
            secret: What to seal.
            password: What opens it.
            log_n: How costly it is to try a password: 2^log_n rounds.

        Raises:
            InvalidSecretKey: there is not enough memory.
            WrongPassword: the password can't be written as UTF-8.
        """
        salt, rand4 = self._entropy(SALT_LENGTH), self._entropy(RAND4_LENGTH)
        return encrypted_secret_key.encrypt(secret, password, log_n=log_n, salt=salt, rand4=rand4)

    def open(self, text: str) -> SecretKey:
        """The secret in a `mocryptsec0`. Raises HomeDamaged when the password is not the one."""
        try:
            return encrypted_secret_key.decrypt(text, self._password)
        except (WrongPassword, FormatError):
            raise HomeDamaged(
                "the password of this home does not open its keys",
                hint="Put the home's own `unlock` file back, or unlock the keyring of this account.",
            ) from None
