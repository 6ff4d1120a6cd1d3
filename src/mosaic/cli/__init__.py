"""The commands."""

from __future__ import annotations


def main() -> None:
    """Runs the `mosaic` command."""
    raise SystemExit("mosaic: no commands are built in yet")
