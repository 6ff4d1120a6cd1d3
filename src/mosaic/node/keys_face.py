"""A person's keys, the pairing under way and the recovery sheet, as the page shows and changes them.

The page acts for the first person of the home.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mosaic.core.pairing import LIFETIME_NS
from mosaic.node import recovery_due
from mosaic.node.control import Act, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.key_acts import KeyActs
from mosaic.node.master import Unlocking
from mosaic.node.pairing import OVER, Pairing
from mosaic.node.pairing_acts import this_machine
from mosaic.node.recovery import RecoveryActs

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
        used_iso: When the newest thing was made that it signed and that is here; empty if there is none.
    """

    key: str
    use: str
    label: str
    state: str
    since_iso: str
    mine: bool
    used_iso: str = ""

    @property
    def in_use(self) -> bool:
        """Whether it may be taken out of use or revoked: it may be stricter still later."""
        return self.state in {"active", "out of use"}


@dataclass(frozen=True, slots=True)
class ShownPairing:
    """The pairing that is under way or was the last one.

    Args:
        now: How it stands; None if there was none.
        runs: Whether it is under way.
    """

    now: Pairing | None = None
    runs: bool = False


@dataclass(frozen=True, slots=True)
class ShownKeys:
    """All keys of a person.

    Args:
        keys: The oldest first.
        place: Where the master key is: `home`, `password` or `away`.
        advice: What to do about them.
        pairing: The pairing.
    """

    keys: Sequence[ShownKey]
    place: str
    advice: Sequence[str]
    pairing: ShownPairing

    @property
    def master(self) -> str:
        """Where the master key is, in words."""
        return _MASTER[self.place]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A recovery sheet.

    Args:
        name: Whose.
        text: All of it.
        sealed: The master key under the sheet's password, `mocryptsec0…`.
        weakness: What makes the password easy to guess; empty if nothing is seen.
    """

    name: str
    text: str = field(repr=False)
    sealed: str = field(repr=False)
    weakness: str = ""


class KeysFace:
    """What the page of keys asks and does.

    Every act that the master key signs takes what opens it; it raises MasterAway, PasswordNeeded,
    WrongPassword or InvalidSecretKey where that does not do.

    Args:
        node: The running node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def place(self) -> str:
        """Where the master key is: `home`, `password` or `away`. Raises UnknownPerson."""
        return self._node.people.book.master_place(self._node.people.find(None).key).value

    def pairing(self) -> ShownPairing:
        """The pairing that is under way or was the last one."""
        last = self._node.pairings.last
        if last is None:
            return ShownPairing()
        now, runs = last.now, last.now.state not in OVER
        # How it ended is told for a while, not for ever.
        is_told = runs or not now.until_ns or self._node.clock.now_ns() < now.until_ns + LIFETIME_NS
        return ShownPairing(now, runs) if is_told else ShownPairing()

    async def shown(self) -> ShownKeys:
        """All keys. Raises UnknownPerson as long as nobody lives here."""
        person = self._node.people.find(None)
        item = await self._act("keys", {"as": person.key.user_text})
        keys = item["keys"]
        return ShownKeys(
            [_shown(each) for each in keys if isinstance(each, dict)] if isinstance(keys, list) else [],
            str(item["master"]),
            _texts(item, "advice"),
            self.pairing(),
        )

    # --- devices and other keys ------------------------------------------------------------------------

    async def label(self, key: str, label: str) -> str:
        """Calls a key so on this machine; what was done, in words. Raises UnknownKey or UsageError."""
        await self._act("key_label", {"key": key, "label": label})
        return "It is called so on this machine; nobody else is told."

    async def retire(self, key: str, opening: Unlocking) -> str:
        """Takes a key out of use; what was done, in words. Raises UnknownKey or UsageError."""
        done = await self._act("key_retire", {"key": key, **_given(opening)})
        return f"The key is out of use; what it signed stays valid. {_reached(done)}"

    async def revoke(self, key: str, since: str, opening: Unlocking, *, keep_personas: bool) -> str:
        """Takes a key away from whoever has it; what was done, in words.

        Args:
            key: The key.
            since: Since when it is not one's own any more (`2h`, ISO 8601); empty = all that it ever signed.
            opening: Opens the master key.
            keep_personas: Whether personas stay, because that device had none.

        Raises:
            UnknownKey: there is no such key.
            UsageError: the time is none, or still to come.
        """
        when: JsonObject = {"since": since} if since else {"all": True}
        given: JsonObject = {"key": key, **when, **_given(opening), "keep_personas": keep_personas}
        done = await self._act("key_revoke", given)
        stay, gone = done["vouched"] if done.get("changed") else 0, done["invalid"]
        words = [f"The key is revoked. {stay} of its records stay valid, {gone} do not."]
        if personas := _texts(done, "personas"):
            words.append(f"These personas went with it: {', '.join(personas)}.")
        if unknown := _texts(done, "unknown"):
            words.append(f"Is one of these on it, too? Then revoke it as well: {', '.join(unknown)}.")
        return " ".join([*words, _reached(done)])

    async def roll(self, what: str, opening: Unlocking) -> str:
        """A new key in place of this machine's (`device`), or of all `encryption` keys; what was done."""
        done = await self._act("key_roll", {"what": what, **_given(opening)})
        words = {
            "device": "This machine signs with a new key; what the former one signed stays valid.",
            "encryption": "New messages are encrypted to a new key; your other devices get it as soon as they"
            " hear of it.",
        }
        return f"{words[what]} {_reached(done)}"

    async def persona(self, label: str, opening: Unlocking) -> str:
        """Makes a persona; what was done, in words. Raises UsageError if the label is empty or taken."""
        done = await self._act("persona_add", {"label": label, **_given(opening)})
        return f"The persona has the key {done['persona']}. {_reached(done)}"

    # --- pairing -----------------------------------------------------------------------------------------

    async def pair(self, opening: Unlocking) -> None:
        """Shows a code for a new device. Raises UsageError if another pairing is under way."""
        pairings, person = self._node.pairings, self._node.people.find(None)
        await pairings.offer(self._node, person, opening, working=True)

    def join(self, code: str, label: str) -> None:
        """Joins by the code that another device shows, as `label`.

        Raises:
            UsageError: another pairing is under way.
            InvalidText: this is no code.
            PairingFailed: the code is too old.
        """
        self._node.pairings.join(self._node, code, label or this_machine())

    def agree(self, *, same: bool) -> None:
        """Says whether the digits are the same on both devices. Raises UsageError without any."""
        self._node.pairings.agree(same=same)

    async def stop(self) -> None:
        """Gives the pairing up."""
        await self._node.pairings.stop()

    # --- recovery ----------------------------------------------------------------------------------------

    async def sheet(self, password: str, opening: Unlocking) -> Sheet:
        """A recovery sheet under a password. Raises UsageError if that is too short."""
        done = await self._act("recovery_sheet", {"new_password": password, **_given(opening)})
        return Sheet(str(done["name"]), str(done["text"]), str(done["sealed"]), str(done["weakness"]))

    def put_off(self) -> bool:
        """Asks for a sheet again in a month, or never again the second time; whether it is asked again."""
        return recovery_due.put_off(self._node, self._node.people.find(None))

    async def restore(self, sheet: str, password: str) -> None:
        """Lets the person of a recovery sheet live here.

        Raises:
            InvalidSecretKey: the text is no recovery sheet.
            UsageError: the sheet tells no name.
            WrongPassword: the password does not open it.
            Unreachable: no server of the person's could be read.
            HomeExists: the person lives here.
        """
        await self._act("recovery_restore", {"master": sheet, "password": password})

    # --- inside ------------------------------------------------------------------------------------------

    async def _act(self, name: str, given: JsonObject) -> JsonObject:
        finder = Finder(self._node)
        acts: dict[str, Act] = {
            **KeyActs(self._node, finder, working=True).table(),
            **RecoveryActs(self._node, finder, working=True).table(),
        }
        (item,) = [each async for each in acts[name](given)]
        return item


def _given(opening: Unlocking) -> JsonObject:
    given = {"master": opening.sealed, "password": opening.password}
    return {name: value for name, value in given.items() if value is not None}


def _texts(done: JsonObject, name: str) -> list[str]:
    values = done.get(name)
    return [str(value) for value in values] if isinstance(values, list) else []


def _reached(done: JsonObject) -> str:
    """Which servers have heard of it, in words."""
    if not done.get("changed"):
        return "Nothing was to be changed."
    has, waits = done.get("delivered"), done.get("queued")
    if waits:
        return f"{has} of your other servers know; {waits} will be told as soon as they are reached."
    return "Your servers know."


def _shown(each: JsonObject) -> ShownKey:
    return ShownKey(
        key=str(each["key"]),
        use=str(each["use"]),
        label=str(each["label"]),
        state=str(each["state"]),
        since_iso=str(each.get("since_iso", "")),
        mine=bool(each["current"]),
        used_iso=str(each.get("used_iso", "")),
    )
