"""New files that hold secrets: their owner alone reads them, and they are whole or not there.

Source: identity.md (a lost master key is lost for ever); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from mosaic.errors import LocalError

_HINT: Final = "Name a new file."


def check_new(path: Path) -> None:
    """Sees that there is nothing at a path yet. Raises LocalError."""
    if path.exists():
        raise LocalError(f"{path} can't be written: it is there already", hint=_HINT)


def write_new(path: Path, text: str) -> None:
    """Writes a file that was not there; it is on the disk when this returns.

    Args:
        path: Where.
        text: What.

    Raises:
        LocalError: something is there already, or it can't be written; then nothing of it stays.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise LocalError(f"{path} can't be written: {error.strerror}", hint=_HINT) from error
    try:
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        # An empty file in its place would look like the key.
        with contextlib.suppress(OSError):
            path.unlink()
        raise LocalError(f"{path} can't be written: {error.strerror}", hint=_HINT) from error
