"""Errors about what is encrypted, or should be.

Source: this project's own design, docs/architecture.md "Where to find a rule".
"""

from __future__ import annotations

from mosaic.errors.base import MosaicError


class WrongPassword(MosaicError):
    """The password does not open the secret key."""

    default_hint = "Try again; mind upper and lower case and the keyboard's layout."


class Undecryptable(MosaicError):
    """The message does not open with the keys of this device."""

    default_hint = "A new device gets the older keys when it is paired with one that has them."


class SealingError(MosaicError):
    """Nothing can be encrypted to this person now."""


class NoEncryptionKey(SealingError):
    """This person has published no key that anything could be encrypted to."""

    default_hint = "Ask for it in public: newer software publishes one when the key schedule changes."


class ScheduleStale(SealingError):
    """The keys of this person were last looked up more than an hour ago."""

    default_hint = "Try again as soon as one of the person's outboxes is reached."


class PairingFailed(MosaicError):
    """Two devices could not be paired; nothing of it holds on either."""

    default_hint = "Begin again: `mosaic pair` on the device that you have, a new code for the new one."
