"""Tells the system's service manager how the node does, where one asks: systemd's notifications.

Source: sd_notify(3), systemd.service(5).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"
"""Names the socket; without it nobody asks."""


class ServiceManager:
    """The manager, if there is one; else every call does nothing.

    Args:
        environment: Variables of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        path = (os.environ if environment is None else environment).get(VARIABLE, "")
        # A leading @ stands for the zero byte of sockets without a file.
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def ready(self, status: str) -> None:
        """The node listens, or has read its settings again."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The settings are being read again; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self) -> None:
        """The node has begun to stop."""
        self._tell("STOPPING=1", "STATUS=Answering what has arrived")

    def _tell(self, *lines: str) -> None:
        if not self._path:
            return
        # Whoever manages the service may have gone; that is no reason to stop serving.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._path)
