"""The embedded store: the kernel's record log and index in a folder of this machine.

Source: this project's own design, docs/architecture.md "The kernel".
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path

from mosaic._kernel import _rust
from mosaic.store.store import Store

EmbeddedStore = _rust.Store
Snapshot = _rust.Snapshot

DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024

_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def current_boot_id() -> bytes:
    """What tells this boot of the machine from others.

    An index that was open on another boot and not closed may be torn, and is
    made again from the log. Where the system does not tell its boot, every
    process counts as a boot of its own: safe, and slow after a crash.
    """
    if _LINUX_BOOT_ID.exists():
        return _LINUX_BOOT_ID.read_bytes().strip()
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid", "kern.boottime"],
            capture_output=True,
            check=False,
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return uuid.uuid4().bytes


def open_store(
    folder: Path | str,
    *,
    boot_id: bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
    segment_bytes: int = DEFAULT_SEGMENT_BYTES,
) -> EmbeddedStore:
    """Opens the store in `folder`, or makes one.

    Args:
        folder: Holds `log/` and `index/`; made if missing.
        boot_id: Another boot than the machine's own, for tests.
        progress: Told (bytes done, bytes in all) while the index is made again.
        segment_bytes: How long a file of the log gets before the next begins.

    Raises:
        StoreDamaged: The log is damaged before its end.
        StoreFull: No room to open it.
        StoreError: Another process has it open, or a newer version wrote it.
    """
    return _rust.Store(
        str(folder),
        boot_id=current_boot_id() if boot_id is None else boot_id,
        segment_bytes=segment_bytes,
        progress=progress,
    )


def _fits_the_protocol(store: EmbeddedStore) -> Store:
    """The type checker's proof that the kernel's store is a Store."""
    return store
