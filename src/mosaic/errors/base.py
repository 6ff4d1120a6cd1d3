"""What all errors have in common, and the one about whoever calls.

Source: this project's own design, docs/architecture.md "Where to find a rule".
"""

from __future__ import annotations

import re
from typing import ClassVar

from mosaic.errors.hiding import hidden


class MosaicError(Exception):
    """Base of all errors of this project. Secrets that were given in the wrong place are taken out of it.

    Args:
        message: What happened, as one sentence without a final stop.
        hint: What to do next; the class's own hint if not given.
    """

    default_hint: ClassVar[str] = "Please report this with the command that led to it."

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(hidden(message) or type(self).summary())
        self.hint = self.default_hint if hint is None else hidden(hint)

    @classmethod
    def summary(cls) -> str:
        """The first line of the class's docstring, without its final stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    @property
    def code(self) -> str:
        """The error's stable name for programs, for example `wrong_server_key`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


class UsageError(MosaicError):
    """The command or function was called wrongly."""

    default_hint = "See --help."
