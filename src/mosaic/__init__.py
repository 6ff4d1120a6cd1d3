"""Mosaic: people own their identity, sign what they say and keep it on servers of their choice.

    from mosaic import Client, Identity

The library (docs/library.md) is loaded when one of its names is first used, so
that commands which need none of it start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mosaic.api import *  # noqa: F403 - the names of the library, for editors and type checkers
    from mosaic.errors import MosaicError as MosaicError

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A name of the library, loaded now."""
    if name == "MosaicError":
        return import_module("mosaic.errors").MosaicError
    library = import_module("mosaic.api") if not name.startswith("_") else None
    if library is None or name not in library.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(library, name)
