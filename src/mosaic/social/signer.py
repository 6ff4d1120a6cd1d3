"""Who speaks: the person and the key of the device that signs for them.

Source: identity.md (a master key stays away; each device has a signing subkey).
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core.keys import PublicKey, SecretKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs records in a person's name.

    Args:
        author: The person (master key).
        secret: The key that signs: a device's subkey, or the master for the two kinds that need it.
    """

    author: PublicKey
    secret: SecretKey
