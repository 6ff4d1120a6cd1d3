"""The file that a command takes in.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mosaic.errors import UsageError


@contextlib.contextmanager
def given_file(file: str) -> Iterator[Path]:
    """The path of a file that is there; all of standard input, as a file for as long, where it is `-`.

    Args:
        file: What was given on the command line.

    Raises:
        UsageError: there is no such file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(file).absolute()
        if file == "-":
            path = Path(folder) / "stdin"
            with path.open("wb") as spool:
                shutil.copyfileobj(sys.stdin.buffer, spool)
        elif not path.is_file():
            raise UsageError(f"there is no file {file}", hint="Name a file, or - for standard input.")
        yield path
