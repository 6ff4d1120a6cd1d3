"""What the operation of urls.json means here.

Source: url.md; edition §5 (U1 to U5).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.url import ServerUrl


def op_parse(case: Case) -> Values:
    """A URL in its one form."""
    return {"normalised": str(ServerUrl.parse(case["input"]))}


OPERATIONS: Final[Operations] = MappingProxyType(
    {("urls", "parse"): Operation(op_parse, library=library_forms.url)}
)
