"""The compiled kernel: `from mosaic._kernel import _rust`, then `_rust.check(…)`.

What each name does stands in `_rust.pyi`. There is no logic here but the
refusal of a compiled module that belongs to other Python code. Rooms take the
module from this package and never from inside it: the tool that checks the
layers does not see a compiled module, only who imports the package.
"""

from __future__ import annotations

from mosaic._kernel import _rust as _rust
from mosaic.errors import KernelOutdated

EXPECTED_KERNEL_VERSION = "0.1.0"
"""The kernel's version that this code was written for."""

if _rust.KERNEL_VERSION != EXPECTED_KERNEL_VERSION:
    raise KernelOutdated(
        f"the compiled kernel is {_rust.KERNEL_VERSION}, this code needs {EXPECTED_KERNEL_VERSION}"
    )
