"""A variant of our server that breaks one rule on purpose, and the checks that must see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import pytest

from mosaic.server.settings import ServerSettings
from mosaic.store.embedded import open_store
from mosaic.transport import Transport
from tests.server import world

Breaks = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Variant:
    """One rule, broken.

    Args:
        name: What the server does wrong.
        breaks: Makes it do so, before the server is made.
        fails: Names of the checks of the rule.
        withholds: Whether it is an inbox that holds back what strangers write.
        alone: Whether only the groups of the rule are examined: others would fail along.
        transport: Over what it is examined.
    """

    name: str
    breaks: Breaks
    fails: frozenset[str]
    withholds: bool = False
    alone: bool = False
    transport: Transport = Transport.TCP


VARIANTS: list[Variant] = []


def variant(
    *fails: str, withholds: bool = False, alone: bool = False, transport: Transport = Transport.TCP
) -> Callable[[Breaks], Breaks]:
    """Notes a function as a variant that fails exactly these checks; see `Variant`."""

    def note(breaks: Breaks) -> Breaks:
        VARIANTS.append(
            Variant(breaks.__name__, breaks, frozenset(fails), withholds, withholds or alone, transport)
        )
        return breaks

    return note


def settings(patch: pytest.MonkeyPatch, **changed: object) -> None:
    """Lets the server run with other settings than it should."""
    patch.setattr(world, "ServerSettings", partial(ServerSettings, **changed))  # type: ignore[arg-type]


def around(patch: pytest.MonkeyPatch, owner: object, name: str, instead: Callable[..., Any]) -> None:
    """Puts a function in the place of another, which it gets as its first argument."""
    former = getattr(owner, name)

    @wraps(former)
    def called(*arguments: object, **named: object) -> object:
        return instead(former, *arguments, **named)

    patch.setattr(owner, name, called)


class OddStore:
    """A store with some calls of its own."""

    def __init__(self, store: Any, calls: dict[str, Callable[..., Any]]) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        if name in self._calls:
            return partial(self._calls[name], self._store)
        return getattr(self._store, name)


def odd_store(patch: pytest.MonkeyPatch, **calls: Callable[..., Any]) -> None:
    """Lets the server work on a store whose calls are replaced; each gets the true store first."""
    patch.setattr(world, "open_store", lambda *given, **named: OddStore(open_store(*given, **named), calls))


def frames_of(data: bytes) -> list[bytes]:
    """The frames of which joined bytes are made."""
    frames = []
    while data:
        length = int.from_bytes(data[4:8], "little")
        frames.append(data[:length])
        data = data[length:]
    return frames
