"""Acts that change a person's servers, and that show such changes.

Source: bootstrap.md; this project's own design, docs/architecture.md "Servers are changed".
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from mosaic.client.proxies import ProxyRules
from mosaic.client.syncing import Direction
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import DhtMode
from mosaic.errors import FormatError, MosaicError, UsageError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.in_dht import InDht
from mosaic.node.moves import Change, Move
from mosaic.node.moving import Going
from mosaic.node.own_copy import OwnCopy
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

USES: Final = {"outbox": Usage.OUTBOX, "inbox": Usage.INBOX, "encryption": Usage.ENCRYPTION}
"""What a server is used for, by the words that commands take."""
_HERE: Final = "here"


def usage_of(names: list[str]) -> Usage:
    """What words say that a server is used for; none without any. Raises UsageError."""
    unknown = sorted(set(names) - set(USES))
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no use of a server", hint=f"Choose of {', '.join(USES)}.")
    usage = Usage(0)
    for name in names:
        usage |= USES[name]
    return usage


def uses_of(usage: Usage) -> list[str]:
    """The words for what a server is used for."""
    return [name for name, each in USES.items() if usage & each]


class MovingActs:
    """What is done about servers that are changed.

    Args:
        node: The open home.
        finder: Finds who acts.
        working: Whether the node is in the DHT by itself.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._working = working

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "servers_change": self.change,
            "servers_moves": self.moves,
            "servers_resume": self.resume,
            "servers_cancel": self.cancel,
        }

    async def change(self, given: JsonObject) -> Items:
        """Changes servers with all that belongs to it: `old` is given up, `new` takes its place.

        Without `old` one more is used, for `uses`; without `new` one fewer. Each is `mosrv0…`, or `here`
        for the own node; `new` may be a URL with `key`. `url` says where the new one is, `invitation` is its
        operator's code; `dry_run` changes nothing and tells what would be done. `even_so` goes on though
        the new server refuses some records, `unpublished` without a DHT. Where the node does not run,
        `dht` says which DHT. `master` and `password` open the master key.

        Raises:
            MosaicError: as `node.moving.Moving.begin` and `go_on`.
        """
        arguments, person = self._finder.begin(given)
        change = self._change(arguments)
        async with self._going(arguments) as going:
            if arguments.flag("dry_run"):
                yield await self._dry(person, change, going)
                return
            move = await self._node.moving.begin(person, change, going)
            yield self._object(move)
            async with contextlib.aclosing(self._node.moving.go_on(move, going)) as steps:
                async for now in steps:
                    yield self._object(now)

    async def moves(self, given: JsonObject) -> Items:
        """The changes of a person's servers that are remembered, the oldest first."""
        _, person = self._finder.begin(given)
        for move in self._node.moving.moves.all(person.key):
            yield self._object(move)

    async def resume(self, given: JsonObject) -> Items:
        """Goes on with a change that was broken off: `number`, or the newest. Else as `change`.

        Raises:
            UsageError: none is under way.
            MosaicError: as `node.moving.Moving.go_on`.
        """
        arguments, person = self._finder.begin(given)
        move = self._under_way(arguments, person)
        async with (
            self._going(arguments) as going,
            contextlib.aclosing(self._node.moving.go_on(move, going)) as steps,
        ):
            async for now in steps:
                yield self._object(now)

    async def cancel(self, given: JsonObject) -> Items:
        """Gives up a change that has published nothing yet: `number`, or the newest. Raises UsageError."""
        arguments, person = self._finder.begin(given)
        yield self._object(self._node.moving.cancel(self._under_way(arguments, person)))

    # --- inside ----------------------------------------------------------------------------------------

    def _under_way(self, arguments: Arguments, person: Person) -> Move:
        number = arguments.number("number", 0)
        for move in reversed(self._node.moving.moves.under_way(person.key)):
            if number in {0, move.number}:
                return move
        raise UsageError(
            "no change of your servers is under way", hint="`mosaic servers moves` shows those that were."
        )

    def _change(self, arguments: Arguments) -> Change:
        old, new = arguments.optional_text("old"), arguments.optional_text("new")
        if old is None and new is None:
            raise UsageError("no server is named", hint="Name its key, mosrv0…")
        url = arguments.optional_text("url")
        if new is not None and "://" in new:
            key = arguments.optional_text("key")
            if key is None:
                raise UsageError(
                    "a server's URL needs its key beside it",
                    hint="Give --key mosrv0…; the server's operator has it.",
                )
            new, url = key, new
        return Change(
            old=None if old is None else self._server(old),
            new=None if new is None else self._server(new),
            uses=usage_of(arguments.texts("uses")),
            url=None if url is None else ServerUrl.parse(url),
            invitation=arguments.optional_text("invitation"),
        )

    def _server(self, text: str) -> PublicKey:
        if text == _HERE:
            return self._node.server_secret.public
        try:
            return PublicKey.parse_server(text)
        except FormatError as error:
            raise UsageError(
                f"{text!r} is no server's key", hint="It begins with mosrv0; `here` is this node."
            ) from error

    async def _dry(self, person: Person, change: Change, going: Going) -> JsonObject:
        """What would be done, and what that would have to do with."""
        node = self._node
        moving, own = node.moving, node.server_secret.public
        change = await moving.checked(person, change, going)
        after, _ = moving.after(person, change)
        told: JsonObject = {
            "dry_run": True,
            "servers": [
                {"key": entry.key.server_text, "uses": list(uses_of(entry.usage))} for entry in after.entries
            ],
            "kept_s": node.settings.left_kept_s if change.old not in {None, own} else 0,
            "to_fetch": 0,
            "to_hand_in": 0,
            "old_problem": "",
            "new_problem": "",
        }
        if change.url is not None and change.new is not None:
            node.directory.learn(person.key, change.new, change.url, change.uses)
        for server, way, count, problem in (
            (change.old, Direction.DOWN, "to_fetch", "old_problem"),
            (change.new, Direction.UP, "to_hand_in", "new_problem"),
        ):
            if server is None or server == own:
                continue
            try:
                told[count] = await OwnCopy(node, person, server).lacking(way)
            except MosaicError as error:
                told[problem] = f"{error}. {error.hint}".strip()
        return told

    @contextlib.asynccontextmanager
    async def _going(self, arguments: Arguments) -> AsyncIterator[Going]:
        """With what a change goes on: the node's own place in the DHT, or one for the moment."""
        node = self._node
        even_so, unpublished = arguments.flag("even_so"), arguments.flag("unpublished")
        named = arguments.optional_text("dht")
        if self._working or (named is None and not node.dht.is_on):
            yield Going(node.dht, arguments.unlocking(), even_so, unpublished)
            return
        if named is None and ProxyRules.parse(node.settings.client.proxy).take_all:
            raise UsageError(
                "the DHT does not pass the proxy and would see your address",
                hint="Name a DHT with --dht if your address may be seen there.",
            )
        mode = DhtMode.parse(named) if named is not None else node.settings.dht
        dht = InDht(mode, node.settings.lookups, node.bootstraps, node.surroundings, lambda: None)
        try:
            dht.enter()
            yield Going(dht, arguments.unlocking(), even_so, unpublished)
        finally:
            await dht.stop()

    def _object(self, move: Move) -> JsonObject:
        return {
            "number": move.number,
            "old": None if move.old is None else move.old.server_text,
            "new": None if move.new is None else move.new.server_text,
            "uses": list(uses_of(move.uses)),
            "step": move.step.value,
            "fetched": move.fetched,
            "handed": move.handed,
            "lacking": move.lacking,
            "reached": move.reached,
            "published": move.is_swapped,
            "begun_iso": Timestamp(move.begun_ns).iso(0),
            "until_iso": Timestamp(move.until_ns).iso(0) if move.until_ns else None,
            "note": move.note,
            "done": move.is_over,
        }
