"""What an operation is, and a case that remembers which of its fields were looked at.

Source: this project's own design, docs/architecture.md "Small on purpose".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Values: TypeAlias = Mapping[str, object]
"""What an operation made, under the names of the vector file's own fields.

An operation refuses a case by raising. One that can still say something about
what it refuses returns `valid` false, the error as `refusal` if there is one,
and the rest of its values. Where it knows what the library must have said of
what is refused here, it returns that as `library_valid`.
"""


class Case(dict[str, Any]):
    """One case of a vector file.

    `meant` collects the names of the fields that meant something: an operation
    read them, or made values for them. `document` is the whole file, for cases
    that name entries of its tables.
    """

    def __init__(self, fields: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.document = document
        self.meant: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.meant.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or `default` where the case has none."""
        self.meant.add(name)
        return super().get(name, default)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a vector file.

    Args:
        run: Makes the values from a case; raises FormatError, WrongPassword or Undecryptable to refuse.
        untold: Fields that it neither reads nor makes, because they only inform (say why where it is built).
        library: Makes the library's values of a case that `run` refuses, so that they are compared too.
    """

    run: Callable[[Case], Values]
    untold: frozenset[str] = frozenset()
    library: Callable[[Case], Values] | None = None


Operations: TypeAlias = Mapping[tuple[str, str | None], Operation]
"""(file without its ending, the case's `op`) to the operation."""
