"""Invite links: a key, where it may be found, and what to do with it, as one word to click, copy or scan.

    mosaic:mopub0…?follow&at=mosrv0…,mosaictcp://203.0.113.1:1320/

The scheme is that of QUIC servers' URLs; after theirs come two slashes, after
this one a key. `at` names a server and perhaps its URLs, several `at` several
servers, the preferred first. `follow` asks whoever opens the link whether to
follow. What a reader does not know he skips, so that links can say more one day.

The key proves everything: what a link says of servers is a hint, no claim. A
server is used only if it proves its key, and what it gives only if it is signed.

Source: url.md (schemes), human_encodings.md; this project's own design,
docs/architecture.md "People find each other".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from mosaic.core import human
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import FormatError, InvalidText

SCHEME: Final = "mosaic:"
MOST_SERVERS: Final = 3
"""Servers that a link names; a reader leaves more of them out."""
MOST_URLS: Final = 3
"""URLs of a server that a link names; a reader leaves more of them out."""
MOST_CHARACTERS: Final = 2_048
"""The longest link that is read; a QR code that holds so much can still be scanned."""

_HINT: Final = "Copy the whole link again, from `mosaic:` to its last character."
# What may stand in the query of a URI as it is, without what parts servers here.
_PLAIN: Final = "/:@"
_SPLIT: Final = re.compile(r"(?i:mosaic:)(?P<key>[^/?#][^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NamedServer:
    """A server that a link names.

    Args:
        key: The key that it has to prove.
        urls: Where it listens, the best first; may be empty.
    """

    key: PublicKey
    urls: tuple[ServerUrl, ...] = ()


@dataclass(frozen=True, slots=True)
class InviteLink:
    """What an invite link says.

    Args:
        key: Whom or what it leads to.
        servers: Where that may be found: hints, which nobody has signed.
        follow: Whether it invites to follow.
        is_server: The key is a server's, not a person's.
    """

    key: PublicKey
    servers: tuple[NamedServer, ...] = ()
    follow: bool = False
    is_server: bool = False

    @classmethod
    def parse(cls, text: str) -> InviteLink:
        """Reads a link. What is said badly of one server is left out; the key has to be whole.

        Raises:
            InvalidText: no link, no key in it, or far too long.
            InvalidKey: the bytes are no acceptable key.
        """
        text = text.strip()
        if len(text) > MOST_CHARACTERS:
            raise InvalidText(f"an invite link has at most {MOST_CHARACTERS:,} characters", hint=_HINT)
        match = _SPLIT.fullmatch(text)
        if match is None:
            raise InvalidText("this is no invite link: after `mosaic:` comes a key", hint=_HINT)
        is_server = match["key"].startswith(human.SERVER_KEY)
        parse = PublicKey.parse_server if is_server else PublicKey.parse_user
        key = parse(match["key"])
        parts = [part.partition("=") for part in (match["query"] or "").split("&")]
        found = (_server(value) for name, _, value in parts if name == "at")
        return cls(
            key,
            _each_once(server for server in found if server is not None)[:MOST_SERVERS],
            follow=any(name == "follow" and value in {"", "1"} for name, _, value in parts),
            is_server=is_server,
        )

    @property
    def text(self) -> str:
        """The link as it is passed on; the same for the same content."""
        query = ["follow"] if self.follow else []
        for server in self.servers[:MOST_SERVERS]:
            urls = [quote(str(url), safe=_PLAIN) for url in server.urls[:MOST_URLS]]
            query.append("at=" + ",".join([server.key.server_text, *urls]))
        key = self.key.server_text if self.is_server else self.key.user_text
        return f"{SCHEME}{key}" + ("?" + "&".join(query) if query else "")

    def __str__(self) -> str:
        return self.text


def is_link(text: str) -> bool:
    """Whether a text means to be an invite link, and no key or server's URL."""
    return text.strip()[: len(SCHEME)].lower() == SCHEME


def _server(value: str) -> NamedServer | None:
    """One `at`, or None if it names no server."""
    words = value.split(",")
    try:
        key = PublicKey.parse_server(words[0])
    except FormatError:
        return None
    urls = []
    for word in words[1:]:
        try:
            urls.append(ServerUrl.parse(unquote_to_bytes(word).decode("ascii")))
        except (FormatError, UnicodeDecodeError):
            continue
    return NamedServer(key, tuple(dict.fromkeys(urls))[:MOST_URLS])


def _each_once(servers: Iterable[NamedServer]) -> tuple[NamedServer, ...]:
    first: dict[PublicKey, NamedServer] = {}
    for server in servers:
        first.setdefault(server.key, server)
    return tuple(first.values())
