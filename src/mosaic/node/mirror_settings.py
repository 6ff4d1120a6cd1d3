"""Which servers a node is kept in step with.

Source: edition §4 (sync).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mosaic.client.address import ServerAddress
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import FormatError, UsageError
from mosaic.node.arguments import parse_kind


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """One server to be kept in step with; one table [[mirror]] each.

    Raises:
        UsageError: its URL, its key, an author's key or a kind is none.
    """

    url: str = field(metadata={"help": "where it is: mosaic://HOST/, mosaictcp://… or mosaicwss://…"})
    key: str = field(metadata={"help": "the key that it has to prove, mosrv0…"})
    dir: Literal["up", "down", "both"] = field(
        default="both",
        metadata={"help": "down: fetch what it has; up: hand in what is here; or both"},
    )
    person: str = field(default="", metadata={"help": "as which person of this home; as nobody without it"})
    authors: tuple[str, ...] = field(
        default=(), metadata={"help": "only what these people wrote, mopub0…, 63 at most"}
    )
    kinds: tuple[str, ...] = field(
        default=(), metadata={"help": "only these kinds: names such as post, or 16 hexadecimal digits"}
    )

    def __post_init__(self) -> None:
        try:
            self.server.key.user_text  # noqa: B018 - whether it can be read at all
            self.wanted.encode()
        except FormatError as error:
            raise UsageError(f"a mirror can't be: {error}", hint=error.hint) from None

    @property
    def server(self) -> ServerAddress:
        """The server. Raises FormatError if it is none."""
        return ServerAddress.by_hand(PublicKey.parse_server(self.key), ServerUrl.parse(self.url))

    @property
    def wanted(self) -> Filter:
        """What is kept in step. Raises FormatError or UsageError for what is no key and no kind."""
        return Filter.of(
            authors=[PublicKey.parse_user(text) for text in self.authors] or None,
            kinds=[parse_kind(text) for text in self.kinds] or None,
        )
