"""What a server notes beside a stored record about who may read it, in one byte.

A label only ever narrows what the record's kind allows.

Source: network.md (encryption role, inbox), edition §4; the byte itself: this project's own design.
"""

from __future__ import annotations

from enum import IntFlag


class Label(IntFlag):
    """Bits of the label of a record."""

    NONE = 0
    """Nothing but the kind says who may read it."""
    ONLY_TAGGED = 1
    """Only the keys in its Notify tags read it: it came to them through the encryption role."""
    WITHHELD = 2
    """Held back until its recipient approves it: only the keys in its Notify tags see it."""
    HIDDEN = 4
    """A moderator hid it: it is served to nobody."""
