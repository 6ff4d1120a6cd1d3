"""The commands: `mosaic`, started by `mosaic.cli.main`."""

from mosaic.cli.main import main

__all__ = ["main"]
