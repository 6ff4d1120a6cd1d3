"""What SIGHUP means: the terminal was closed, or somebody wants the settings read again.

A closed terminal ends a program that ran in it; a service that never had one
reads its settings, and so does a program whose terminal is still there.

Source: this project's own design, docs/architecture.md "Operations"; signal(7), tty(4).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

_TERMINAL: Final = "/dev/tty"


def on_hangup(gone: Callable[[], None], otherwise: Callable[[], None]) -> Callable[[], None]:
    """What to do at SIGHUP.

    Args:
        gone: Where the terminal that is there now has been closed.
        otherwise: In all other cases.
    """
    had_terminal = has_terminal()

    def hung_up() -> None:
        if had_terminal and not has_terminal():
            gone()
        else:
            otherwise()

    return hung_up


def has_terminal() -> bool:
    """Whether this process runs in a terminal."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
