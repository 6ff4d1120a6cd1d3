"""How servers and the DHT do, in the few words that stand on every page.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mosaic.web.face import DhtState, Entry, MyServer, ServerState, Status, Trouble
from mosaic.web.text import short_key


class Level(StrEnum):
    """How well something does; each has its own sign, so that colour is never the only one."""

    GOOD = "good"
    PARTLY = "partly"
    BAD = "bad"
    OFF = "off"


SIGNS: Final = {Level.GOOD: "✓", Level.PARTLY: "…", Level.BAD: "!", Level.OFF: "○"}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that can be said about the node.

    Args:
        level: How well it does.
        words: A few words.
    """

    level: Level
    words: str

    @property
    def sign(self) -> str:
        """The sign of its level."""
        return SIGNS[self.level]


def notes(status: Status) -> list[Note]:
    """What the line on every page says: servers, the DHT, and what waits to be delivered."""
    found = [_servers(status.servers), _dht(status.dht)]
    if status.troubles:
        count = len({trouble.server for trouble in status.troubles})
        found.insert(
            0, Note(Level.BAD, "a server of yours fails you" if count == 1 else f"{count} of yours fail you")
        )
    if status.waiting:
        found.append(Note(Level.PARTLY, f"{status.waiting} waiting to be delivered"))
    return found


def _servers(servers: Sequence[ServerState]) -> Note:
    read = [server for server in servers if not server.mine and server.state != "in reserve"]
    connected = sum(server.state == "connected" for server in read)
    if not read:
        own = next((server for server in servers if server.mine), None)
        if own is not None and own.state != "listening":
            return Note(Level.BAD, "your server does not listen")
        return Note(Level.GOOD, "your server is running")
    if connected == len(read):
        few = {1: "the server", 2: "both servers"}
        return Note(Level.GOOD, f"connected to {few.get(len(read), f'all {len(read)} servers')} you read")
    if not connected and any(server.state == "connecting" for server in read):
        return Note(Level.PARTLY, "connecting to servers")
    if not connected:
        none = "the server you read" if len(read) == 1 else f"any of the {len(read)} servers you read"
        return Note(Level.BAD, f"not connected to {none}")
    return Note(Level.PARTLY, f"connected to {connected} of {len(read)} servers you read")


_DHT: Final = {
    "working": Note(Level.GOOD, "people are found by their key"),
    "starting": Note(Level.PARTLY, "joining the DHT"),
    "unreachable": Note(Level.BAD, "the DHT can't be reached"),
    "off": Note(Level.OFF, "the DHT is off"),
}


def _dht(dht: DhtState) -> Note:
    return _DHT.get(dht.state, Note(Level.PARTLY, f"the DHT: {dht.state}"))


_SERVER: Final = {
    "listening": Note(Level.GOOD, "listens for others"),
    "connected": Note(Level.GOOD, "connected"),
    "connecting": Note(Level.PARTLY, "connecting"),
    "in reserve": Note(Level.GOOD, "in reserve"),
    "waiting": Note(Level.PARTLY, "waiting"),
    "failed": Note(Level.BAD, "not connected"),
}


def server_note(server: ServerState) -> Note:
    """How one server does: the transport it is connected by, or why it is not."""
    note = _SERVER.get(server.state, Note(Level.PARTLY, server.state))
    if server.mine and server.detail and note.level is Level.GOOD:
        note = Note(Level.PARTLY, note.words)  # it listens, but nobody is told where
    words = f"{note.words} over {server.via}" if server.via else note.words
    return Note(note.level, f"{words}: {server.detail}" if server.detail else words)


def person_note(state: str) -> Note:
    """How reading somebody goes, from the node's words."""
    return Note(Level.GOOD if state == "connected" else Level.PARTLY, state)


_REACHED: Final = {"all": Level.GOOD, "some": Level.PARTLY, "refused": Level.BAD}


def sent_note(entry: Entry) -> Note:
    """How far a post of one's own has come."""
    return Note(_REACHED.get(entry.reached, Level.OFF), entry.sent)


_HEALTH: Final = {
    "well": Note(Level.GOOD, "does well"),
    "doubtful": Note(Level.PARTLY, "does not do well"),
    "bad": Note(Level.BAD, "does badly"),
    "unknown": Note(Level.OFF, "nothing is known of it yet"),
}

_TROUBLES: Final = {
    "failing": "does not answer",
    "refuses": "does not take what you write",
    "withholds": "has lost or withholds records of yours",
    "hidden": "is not found by its key",
    "clock": "has a wrong clock",
}


def health_note(server: MyServer) -> Note:
    """How a server does that the person uses."""
    if server.mine:
        return Note(Level.GOOD, "this node itself")
    return _HEALTH.get(server.health, Note(Level.PARTLY, server.health))


def trouble_words(trouble: Trouble) -> str:
    """What is wrong with a server, in a few words."""
    return f"Your server {short_key(trouble.server)} {_TROUBLES.get(trouble.what, trouble.what)}."
