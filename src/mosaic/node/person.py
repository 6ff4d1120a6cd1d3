"""Somebody who lives in a home, and somebody who comes to live there.

Source: identity.md, keyschedule.md, bootstrap.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.x25519 import X25519Secret
from mosaic.social.signer import Signer


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who lives in this home.

    Args:
        name: The name within the home.
        key: The person's key (master).
        device: The secret that signs for the person on this machine.
        bootstrap: The text of the bootstrap to be published.
    """

    name: str
    key: PublicKey
    device: SecretKey = field(repr=False)
    bootstrap: str

    @property
    def signer(self) -> Signer:
        """Signs in the person's name."""
        return Signer(self.key, self.device)


@dataclass(frozen=True, slots=True, repr=False)
class Newcomer:
    """Somebody who comes to live in this home.

    Args:
        name: The name within the home.
        key: The person's key (master).
        master: The master key's secret; None if it stays away.
        device: The secret that signs on this machine.
        encryption: Secrets that open what is encrypted to the person.
        bootstrap: The text of the person's bootstrap.
        schedule: The person's newest key schedule, which lists the device.
        made_ns: The time, ns.
    """

    name: str
    key: PublicKey
    master: SecretKey | None
    device: SecretKey
    encryption: Sequence[X25519Secret]
    bootstrap: str
    schedule: Record
    made_ns: int
