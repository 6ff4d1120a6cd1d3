"""What acts are about: whose they are, what a reference leads to, and the schedules that judge it.

A reference is looked up in this home, then on its author's servers.

Source: record.md (references), keyschedule.md; edition §3 (who may sign).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mosaic.client.authority import Authority
from mosaic.client.failover import Readable
from mosaic.client.named_key import NamedKey
from mosaic.core import reference
from mosaic.core.bootstrap import Usage
from mosaic.core.invite_link import is_link
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id, Reference
from mosaic.errors import MosaicError, Refused, UnknownPerson
from mosaic.node import remote
from mosaic.node.arguments import Arguments
from mosaic.node.control import JsonObject
from mosaic.node.finding_acts import opened
from mosaic.node.people import Person
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

_BY_KEY = "Name others by their key, mopub0…; `mosaic following` shows those you follow."
# Key schedules that one act leaves in the home at most.
_LEARNED = 1_000


class Finder:
    """Finds what acts are about.

    Args:
        node: Whose home is looked into.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def begin(self, given: JsonObject) -> tuple[Arguments, Person]:
        """The arguments of an act, and whose act it is. Raises UnknownPerson."""
        arguments = Arguments(given)
        return arguments, self._node.people.find(arguments.optional_text("as"))

    def key(self, text: str | None) -> PublicKey:
        """A key by `mopub0…`, an invite link or the name of somebody in this home; else the first person's.

        Raises:
            UnknownPerson: nobody here has that name.
            FormatError: the key or link is none.
        """
        if text is not None and is_link(text):
            return opened(text, self._node.directory).key
        if text is not None and text.startswith("mopub0"):
            return PublicKey.parse_user(text)
        try:
            return self._node.people.find(text).key
        except UnknownPerson as error:
            if text is None:
                raise
            raise UnknownPerson(str(error), hint=_BY_KEY) from None

    def before(self, arguments: Arguments) -> Id | None:
        """Where a page begins: before the first version of the post that `before` names.

        Raises:
            Refused: it names an address where nothing stands.
        """
        text = arguments.optional_text("before")
        if text is None:
            return None
        named = reference.parse(text)
        found = self._node.records.at(named)
        if found:
            return min(version.id for version in self._node.records.at(found[0].address))
        if isinstance(named, Id):
            return named
        raise Refused(
            "this post is not here",
            result=ResultCode.NOT_FOUND,
            hint="Give --before the reference of a post that `mosaic feed` shows.",
        )

    def authority(self) -> Authority:
        """A judge who goes back behind no schedule that this home has."""
        return Authority(self._node.clock.now_ns, self._node.everything.schedule, self._witnesses)

    def _witnesses(self, author: PublicKey) -> set[PublicKey]:
        """Who may say when something of an author was received: his outboxes, and the own server."""
        known = {server.key for server in self._node.directory.servers(author, Usage.OUTBOX)}
        return {*known, self._node.server_secret.public} if known else known

    async def remember(self, authority: Authority) -> None:
        """Keeps the schedules that were learned, so that nobody is led back behind them later."""
        learned = [record.data for record in authority.learned.values()]
        if learned:
            await self._node.mirror(learned[:_LEARNED])

    async def find(self, arguments: Arguments) -> Record:
        """The record that `reference` names: at hand, or fetched from where its author publishes.

        Raises:
            Refused: it is nowhere to be found.
        """
        named = reference.parse(arguments.text("reference"))
        if found := self._node.records.at(named):
            return found[0]
        if (server := arguments.server()) is not None:
            with contextlib.suppress(MosaicError):
                async with self._node.pool.connect(server) as connection:
                    if (found_there := await self._ask(connection, named)) is not None:
                        return found_there
        if isinstance(named, Address):
            with contextlib.suppress(MosaicError):
                several = self._node.reach.any_of(NamedKey(named.author))
                if (found_there := await self._ask(several, named)) is not None:
                    return found_there
        raise Refused(
            "this record is not here",
            result=ResultCode.NOT_FOUND,
            hint="Follow its author, or name a server that has it with --server URL --key mosrv0…",
        )

    async def _ask(self, source: Readable, named: Reference) -> Record | None:
        """What a server, or one of several, has at a reference; it is kept here. Raises PeerError."""
        authority = self.authority()
        found = await remote.get(source, authority, [named])
        await self.remember(authority)
        if not found:
            return None
        await self._node.mirror([found[0].data])
        return found[0]
