"""What a form gives to open the master key, and what is said where that does not do.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mosaic.errors import InvalidSecretKey, MasterAway, MosaicError, PasswordNeeded, WrongPassword
from mosaic.web.face import Unlocking
from mosaic.web.forms import Tried, sentence

_HINTS: Final[Mapping[type[MosaicError], str]] = {
    MasterAway: "Bring the file that `mosaic key master export` wrote, or your recovery sheet, paste its text"
    " into the form, and type its password. It is used for this once and not kept.",
    PasswordNeeded: "Type it into the form; it is used for this once and not kept.",
    WrongPassword: "Type it again; mind upper and lower case and the keyboard's layout.",
    InvalidSecretKey: "Paste all of the text; the key in it begins with mocryptsec0.",
}


def opening(form: Mapping[str, str]) -> Unlocking:
    """What opens the master key: `master`, the text of its file, and `password`."""
    return Unlocking(form.get("master", "").strip() or None, form.get("password") or None)


def tried(form: str, values: Mapping[str, str], error: MosaicError) -> Tried:
    """A form that could not be done; hints are about the form and not about commands.

    Args:
        form: Which one.
        values: What was typed, without secrets.
        error: Why.
    """
    return Tried(form, values, sentence(str(error)), _HINTS.get(type(error), error.hint))
