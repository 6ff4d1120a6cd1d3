"""The compiled kernel, re-exported: `from mosaic._kernel import check`.

What each name does stands in `_rust.pyi`. There is no logic here but the
refusal of a compiled module that belongs to other Python code.
"""

from __future__ import annotations

from mosaic._kernel._rust import KERNEL_VERSION as KERNEL_VERSION
from mosaic.errors import KernelOutdated

EXPECTED_KERNEL_VERSION = "0.1.0"

if KERNEL_VERSION != EXPECTED_KERNEL_VERSION:
    raise KernelOutdated(
        f"the compiled kernel is {KERNEL_VERSION}, this code needs {EXPECTED_KERNEL_VERSION}"
    )
