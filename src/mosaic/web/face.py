"""What the page needs of the node, as one small protocol.

The node implements it; the page knows nothing else of it. Texts come ready
to read, keys and references in their human form, times as ISO 8601.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from mosaic.node.face import DhtState, Entry, FollowedPerson, MyServer, ServerState, Status, Trouble
from mosaic.node.keys_face import Sheet, ShownKeys, ShownPairing
from mosaic.node.master import Unlocking
from mosaic.node.service import Service
from mosaic.node.storage_face import ShownStorage

__all__ = [
    "DhtState",
    "Entry",
    "FollowedPerson",
    "KeysFace",
    "MyServer",
    "NodeFace",
    "ServerState",
    "Service",
    "Sheet",
    "ShownKeys",
    "ShownPairing",
    "Status",
    "StorageFace",
    "Trouble",
    "Unlocking",
]


class KeysFace(Protocol):
    """A person's keys and devices, seen from the page. Every method may raise MosaicError.

    What the master key signs takes what opens it. Methods that give a text say what was done, in words.
    """

    def place(self) -> str:
        """Where the master key is: `home`, `password` or `away`."""

    def pairing(self) -> ShownPairing:
        """The pairing that is under way or was the last one."""

    async def shown(self) -> ShownKeys:
        """All keys, and the pairing."""

    async def label(self, key: str, label: str) -> str:
        """Calls a key so on this machine."""

    async def retire(self, key: str, opening: Unlocking) -> str:
        """Takes a key out of use."""

    async def revoke(self, key: str, since: str, opening: Unlocking, *, keep_personas: bool) -> str:
        """Takes a key away from whoever has it, since a time, or (empty) with all that it ever signed."""

    async def roll(self, what: str, opening: Unlocking) -> str:
        """A new key in place of this machine's (`device`), or of all `encryption` keys."""

    async def persona(self, label: str, opening: Unlocking) -> str:
        """Makes a persona."""

    async def pair(self, opening: Unlocking) -> None:
        """Shows a code for a new device."""

    def join(self, code: str, label: str) -> None:
        """Joins by the code that another device shows."""

    async def sheet(self, password: str, opening: Unlocking) -> Sheet:
        """A recovery sheet under a password."""

    def put_off(self) -> bool:
        """Asks for a sheet again in a month, or never again the second time; whether it is asked again."""

    async def restore(self, sheet: str, password: str) -> None:
        """Lets the person of a recovery sheet live here."""

    def agree(self, *, same: bool) -> None:
        """Says whether the digits are the same on both devices."""

    async def stop(self) -> None:
        """Gives the pairing up."""


class StorageFace(Protocol):
    """What is on this machine, seen from the page. Every method may raise MosaicError."""

    async def shown(self) -> ShownStorage:
        """How much of what, and what is kept by choice."""

    async def keep(self, what: str) -> None:
        """Keeps an account (key or invite link) or a post (reference) from now on."""

    def keep_no_longer(self, what: str) -> None:
        """Keeps it no longer."""


class NodeFace(Protocol):
    """The node, seen from the page. Every method may raise MosaicError."""

    @property
    def keys(self) -> KeysFace:
        """Keys and devices."""

    @property
    def storage(self) -> StorageFace:
        """What is on this machine."""

    def status(self) -> Status:
        """Who and how."""

    def service(self) -> Service:
        """What people are told about the server."""

    async def begin(self, name: str) -> Status:
        """Makes the first person of this home."""

    async def feed(self, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """Posts of followed people and one's own, newest first, at most `limit` of them.

        `before` is the reference of the last post that was seen.
        """

    async def wall(self, person: str, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """One person's posts, newest first, at most `limit` of them; `before` as in `feed`."""

    async def thread(self, reference: str) -> Sequence[Entry]:
        """A post and the replies below it, oldest first."""

    async def entry(self, reference: str) -> Entry | None:
        """The post at a reference, or None as long as it has not come to this node."""

    async def post(self, text: str) -> Entry:
        """Publishes a post of one's own."""

    async def reply(self, reference: str, text: str) -> Entry:
        """Publishes a reply."""

    async def follow(self, person: str, *, server: str = "", server_key: str = "") -> FollowedPerson:
        """Reads a person's posts from now on, by key or invite link; a server that is given is an outbox."""

    async def unfollow(self, person: str) -> None:
        """Stops reading them."""

    def my_servers(self) -> Sequence[MyServer]:
        """How the servers do that the person of the page uses."""

    async def check_servers(self) -> None:
        """Asks all of them now whether they are there."""

    def people(self) -> Sequence[FollowedPerson]:
        """Whom this node follows."""

    def changes(self) -> AsyncIterator[None]:
        """One item whenever something that the page shows may have changed; several changes may make one."""
