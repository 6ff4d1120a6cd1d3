"""What a device hands over to a new one of the same person, as it travels: JSON, texts and digits.

Not in it: the master key, and the secrets of devices. The new device has a key of its own.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.invite_link import MOST_URLS, NamedServer
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.url import ServerUrl
from mosaic.errors import FormatError, InvalidMessage

MOST_FOLLOWED: Final = 100_000
MOST_KEYS: Final = 1_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HandedKey:
    """A key of the person.

    Args:
        key: 32 bytes.
        use: What for: `device`, `persona`, `encryption`, `nostr`.
        label: What its owner calls it.
        secret: 32 bytes, None where it is not handed over.
    """

    key: bytes
    use: str
    label: str
    secret: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Followed:
    """Whom the person follows.

    Args:
        key: The master key.
        personas: Of whom only these are read (32 bytes each), all if empty.
    """

    key: PublicKey
    personas: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything that a new device needs.

    Args:
        name: What the person is called in the home.
        person: The person's master key.
        bootstrap: Which servers the person uses, the text of a user bootstrap.
        papers: Newest key schedule (the first), Vouches and profile.
        keys: Keys, and the secrets that devices share.
        followed: Whom the person follows, the first one first.
        servers: Where servers listen.
    """

    name: str
    person: PublicKey
    bootstrap: str
    papers: tuple[Record, ...]
    keys: tuple[HandedKey, ...]
    followed: tuple[Followed, ...]
    servers: tuple[NamedServer, ...]

    def encode(self) -> bytes:
        """As it travels."""
        return json.dumps(
            {
                "name": self.name,
                "person": self.person.user_text,
                "bootstrap": self.bootstrap,
                "papers": [record.data.hex() for record in self.papers],
                "keys": told_keys(self.keys),
                "followed": [
                    [each.key.bytes.hex(), [persona.hex() for persona in each.personas]]
                    for each in self.followed
                ],
                "servers": [[each.key.server_text, [str(url) for url in each.urls]] for each in self.servers],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()

    @classmethod
    def parse(cls, data: bytes) -> Handover:
        """What travelled. What is unknown in it is passed over.

        Raises:
            InvalidMessage: a part is missing, of another type, or false.
        """
        try:
            told = json.loads(data)
            return cls(
                name=_text(told["name"]),
                person=PublicKey.parse_user(_text(told["person"])),
                bootstrap=UserBootstrap.parse(_text(told["bootstrap"])).text,
                papers=_list(told["papers"], lambda each: Record.parse(bytes.fromhex(each)), 64),
                keys=listed_keys(told["keys"]),
                followed=_list(told["followed"], _followed, MOST_FOLLOWED),
                servers=_list(told["servers"], _server, MOST_KEYS),
            )
        except (ValueError, TypeError, KeyError, LookupError, RecursionError, FormatError) as error:
            raise InvalidMessage(f"what the other device handed over can't be read: {error!r}") from None


def told_keys(keys: Iterable[HandedKey]) -> list[list[str | None]]:
    """Keys as they travel, in JSON."""
    return [
        [each.key.hex(), each.use, each.label, None if each.secret is None else each.secret.hex()]
        for each in keys
    ]


def listed_keys(values: object) -> tuple[HandedKey, ...]:
    """Keys that travelled. Raises ValueError or TypeError."""
    return _list(values, _key, MOST_KEYS)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value


def _list(values: object, parse: Callable[[Any], _T], most: int) -> tuple[_T, ...]:
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(f"a list of at most {most} was expected")
    return tuple(parse(each) for each in values)


def _bytes(value: object) -> bytes:
    data = bytes.fromhex(_text(value))
    if len(data) != 32:
        raise ValueError("32 bytes were expected")
    return data


def _key(value: Any) -> HandedKey:
    key, use, label, secret = value
    return HandedKey(_bytes(key), _text(use), _text(label), None if secret is None else _bytes(secret))


def _followed(value: Any) -> Followed:
    key, personas = value
    return Followed(PublicKey(_bytes(key)), _list(personas, _bytes, MOST_KEYS))


def _server(value: Any) -> NamedServer:
    key, urls = value
    return NamedServer(PublicKey.parse_server(_text(key)), _list(urls, ServerUrl.parse, 4 * MOST_URLS))


def named(servers: Iterable[NamedServer]) -> tuple[NamedServer, ...]:
    """Servers of which an address is known."""
    return tuple(server for server in servers if server.urls)
