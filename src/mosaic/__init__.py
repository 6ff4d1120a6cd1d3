"""Mosaic: people own their identity, sign what they say and keep it on servers of their choice.

    from mosaic import Client, Identity

The library (docs/library.md) is loaded when one of its names is first used, so
that commands which need none of it start fast.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mosaic.api import *  # noqa: F403 - the names of the library, for editors and type checkers
    from mosaic.errors import MosaicError as MosaicError

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A name of the library, loaded now."""
    if name == "MosaicError":
        return import_module("mosaic.errors").MosaicError
    # `from mosaic import errors` asks here first, and means a room, which Python then loads by itself.
    is_room = name.startswith("_") or find_spec(f"mosaic.{name}") is not None
    library = None if is_room else import_module("mosaic.api")
    if library is None or name not in library.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(library, name)
