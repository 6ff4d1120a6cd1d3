"""Judging vector files: whether this implementation does what text, library and edition say.

`rulings` is the table of whose answer holds, `judge` runs the cases, the
`…_operations` modules say what each operation of a vector file means here.
Files and operations are arguments: reading folders is the caller's, and the
operations of other rooms (messages) are added by the caller.
"""

from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.conformance.judge import Failure, FileReport, Report, run
from mosaic.core.conformance.operations import CORE_OPERATIONS
from mosaic.core.conformance.rulings import RULINGS, explain

__all__ = [
    "CORE_OPERATIONS",
    "RULINGS",
    "Case",
    "Failure",
    "FileReport",
    "Operation",
    "Operations",
    "Report",
    "Values",
    "explain",
    "run",
]
