"""A person's keys and the pairing under way, as the page shows them.

The page acts for the first person of the home.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.errors import UnknownPerson
from mosaic.node.control import JsonObject
from mosaic.node.finder import Finder
from mosaic.node.key_acts import KeyActs
from mosaic.node.master import Unlocking
from mosaic.node.pairing import OVER, Pairing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.node.node import Node

_MASTER = {
    "home": "in this home: whoever takes this machine takes it",
    "password": "in this home, under a password that only you know",
    "away": "not on this machine",
}


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One key of a person.

    Args:
        key: As text.
        use: `device`, `persona`, `encryption` or `nostr`.
        label: What it is called here.
        state: `active`, `out of use`, `revoked`, `revoked since`.
        since_iso: Since when, if that is known.
        mine: Whether it signs on this machine.
    """

    key: str
    use: str
    label: str
    state: str
    since_iso: str
    mine: bool


@dataclass(frozen=True, slots=True)
class ShownKeys:
    """All keys of a person.

    Args:
        keys: The oldest first.
        master: Where the master key is, in words.
        advice: What to do about them.
        pairing: The pairing that is under way or was the last one.
        pairs: Whether one is under way.
    """

    keys: Sequence[ShownKey]
    master: str
    advice: Sequence[str]
    pairing: Pairing | None
    pairs: bool


class KeysFace:
    """What the page of keys asks and does.

    Args:
        node: The running node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def shown(self) -> ShownKeys:
        """All keys. Raises UnknownPerson as long as nobody lives here."""
        person = self._node.people.find(None)
        acts = KeyActs(self._node, Finder(self._node), working=True)
        async for item in acts.keys({"as": person.key.user_text}):
            keys, advice = item["keys"], item["advice"]
            last = self._node.pairings.last
            return ShownKeys(
                [_shown(each) for each in keys if isinstance(each, dict)] if isinstance(keys, list) else [],
                _MASTER[str(item["master"])],
                [str(each) for each in advice] if isinstance(advice, list) else [],
                None if last is None else last.now,
                last is not None and last.now.state not in OVER,
            )
        raise UnknownPerson

    async def pair(self, password: str) -> None:
        """Shows a code for a new device; `password` opens the master key, if it is under one.

        Raises:
            MasterAway: the master key is not on this machine.
            PasswordNeeded: it is under a password, and none was given.
            WrongPassword: the password does not open it.
            UsageError: another pairing is under way.
        """
        pairings, person = self._node.pairings, self._node.people.find(None)
        await pairings.offer(self._node, person, Unlocking(None, password or None), working=True)

    def agree(self, *, same: bool) -> None:
        """Says whether the digits are the same on both devices. Raises UsageError without any."""
        self._node.pairings.agree(same=same)

    async def stop(self) -> None:
        """Gives the pairing up."""
        await self._node.pairings.stop()


def _shown(each: JsonObject) -> ShownKey:
    return ShownKey(
        key=str(each["key"]),
        use=str(each["use"]),
        label=str(each["label"]),
        state=str(each["state"]),
        since_iso=str(each.get("since_iso", "")),
        mine=bool(each["current"]),
    )
