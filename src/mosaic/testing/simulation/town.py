"""What the network test needs of a network, wherever that runs: people's homes, servers, a DHT, and mishaps.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from mosaic.core.keys import PublicKey
from mosaic.node.control import JsonObject
from mosaic.testing.simulation.dht import Manner

PASSWORD: Final = "a password that nobody guesses"  # noqa: S105 - of homes that live for a minute
"""Of all files that people keep."""


class Lie(Enum):
    """What a server does to records that it gives out."""

    NOTHING = "nothing"
    WITHHOLD = "withhold"
    """Leaves out those of some authors."""
    FORGE = "forge"
    """Changes them, and adds some that their author never signed."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has passed so far, in bytes.

    Args:
        links: Between people and servers.
        dht: Between them and the DHT.
    """

    links: int
    dht: int

    def since(self, before: Traffic) -> Traffic:
        """What has passed since then."""
        return Traffic(self.links - before.links, self.dht - before.dht)


class Dweller(Protocol):
    """A home whose node can be told to act: somebody's own, or a server's."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def key(self) -> str:
        """`mopub0…` of the person, or `mosrv0…` of the server."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether its node runs."""
        ...

    async def do(self, act: str, arguments: Mapping[str, object] | None = None) -> list[JsonObject]:
        """Acts as a command does (`mosaic.node.acts`).

        Args:
            act: The act's name.
            arguments: What it takes.

        Raises:
            MosaicError: it could not be done.
        """
        ...


class Town(Protocol):
    """A network of people and servers."""

    @property
    def people(self) -> Sequence[Dweller]:
        """Who lives there."""
        ...

    @property
    def servers(self) -> Sequence[Dweller]:
        """The servers, each in its home."""
        ...

    @property
    def how(self) -> str:
        """In words: where it runs, and what carries its bytes."""
        ...

    @property
    def folder(self) -> Path:
        """A folder for files that people keep."""
        ...

    @property
    def liars(self) -> Sequence[int]:
        """The servers that can be made to lie, by their positions in `servers`."""
        ...

    @property
    def may_wait(self) -> bool:
        """Whether hours pass at once."""
        ...

    def now_s(self) -> float:
        """The time, in seconds."""
        ...

    async def wait(self, pause_s: float) -> None:
        """Lets seconds pass."""
        ...

    def traffic(self) -> Traffic:
        """What has passed so far."""
        ...

    async def kill(self, server: int) -> None:
        """A server's machine loses its power; `server` is its position in `servers`."""
        ...

    async def revive(self, server: int, *, elsewhere: bool) -> None:
        """It runs again, at its old address or at another; `server` is its position in `servers`."""
        ...

    async def copy(self, person: int, backup: Path) -> Dweller:
        """A second home with all that somebody's has, made of a backup, at an address of its own.

        Args:
            person: Whose, by the position in `people`.
            backup: The file, encrypted with `PASSWORD`.
        """
        ...

    async def lie(self, server: int, lie: Lie, about: Sequence[PublicKey]) -> None:
        """Lets a server lie about some authors; `server` is its position in `servers`, one of `liars`."""
        ...

    async def lies_told(self) -> int:
        """How many records were left out, changed or made up by servers so far."""
        ...

    async def misbehave(self, manner: Manner, machines: Sequence[int]) -> None:
        """Lets some machines of the DHT behave otherwise, by their positions in it."""
        ...

    async def dht_lies_told(self) -> int:
        """How many answers of the DHT's machines were not so, so far."""
        ...
