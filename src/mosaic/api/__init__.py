"""The library: what `from mosaic import …` gives to programs.

Source: this project's own design, docs/architecture.md "A program acts".
"""

from mosaic.api.blocking import BlockingClient, BlockingStream
from mosaic.api.client import Client, PostLike
from mosaic.api.identity import Identity
from mosaic.api.results import (
    Delivery,
    Followed,
    Found,
    Post,
    Profile,
    Published,
    Server,
    Submitted,
)
from mosaic.api.stream import Stream
from mosaic.core import kinds
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag

__all__ = [
    "BlockingClient",
    "BlockingStream",
    "Client",
    "Delivery",
    "Filter",
    "Followed",
    "Found",
    "Identity",
    "Kind",
    "Post",
    "PostLike",
    "Profile",
    "PublicKey",
    "Published",
    "Record",
    "Server",
    "Stream",
    "Submitted",
    "Tag",
    "kinds",
]
