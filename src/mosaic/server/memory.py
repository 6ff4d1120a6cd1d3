"""How much memory this process holds: what a bound that an operator sets is compared with.

Pages of files that are mapped (the index, the log) don't count: the system takes
them back when it needs them.

Source: proc_pid_status(5); this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_FIELD: Final = b"RssAnon:"


def held_bytes() -> int:
    """Memory of the process that belongs to no file, in bytes; 0 where the system does not tell."""
    try:
        status = _STATUS.read_bytes()
    except OSError:
        return 0
    _, found, rest = status.partition(_FIELD)
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else 0
