"""Somebody who comes to live in a home: made here, come with the master key, or paired with another device.

Source: identity.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.x25519 import X25519Secret


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
