"""A client without a home: nothing is kept, everything is read from and handed in at people's servers.

Source: network.md, bootstrap.md; this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable

from mosaic.api.hearing import Hearing
from mosaic.api.identity import Identity
from mosaic.api.links import Links
from mosaic.api.reading import Reading
from mosaic.api.results import Server
from mosaic.api.writing import Writing
from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.core.bootstrap import Usage
from mosaic.core.invite_link import MOST_SERVERS, MOST_URLS, InviteLink, NamedServer
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import DhtMode
from mosaic.errors import UnknownPerson
from mosaic.node import remote
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finding_acts import opened, resolved


class InMemory:
    """An `Engine` without a home.

    Args:
        identity: Who speaks; None only reads.
        servers: Those that the identity uses, and where a reader may ask.
        dht: Where servers are looked up: `mainline`, `off`, or HOST:PORT of entry nodes.

    Raises:
        UsageError: the DHT is named otherwise.
        FormatError: a server's key or URL is none.
    """

    def __init__(self, identity: Identity | None, servers: Iterable[Server], dht: str) -> None:
        addresses = [address_of(server) for server in servers]
        signer = None if identity is None else identity.signer
        self._links = Links(signer, addresses, DhtMode.parse(dht))
        self._followed: dict[PublicKey, NamedKey] = {}
        self._changed = asyncio.Event()
        self._reading = Reading(self._links, self._followed)
        writing = Writing(self._links, self._reading)
        hearing = Hearing(self._links, self._reading, self._followed, lambda: self._changed)
        self._writing = writing
        self._acts: dict[str, Act] = {
            **self._reading.table(),
            **writing.table(),
            **hearing.table(),
            "profile": self._profile,
            "follow": self._follow,
            "unfollow": self._unfollow,
            "following": self._following,
            "resolve": self._resolve,
            "invite": self._invite,
        }

    async def start(self) -> str:
        """Gets ready. Raises LocalError."""
        await self._links.start()
        return "" if self._links.signer is None else self._links.signer.author.user_text

    async def stop(self) -> None:
        """Ends everything in order."""
        await self._links.stop()

    async def ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """Runs one act. Raises MosaicError."""
        own = self._acts.get(act)
        async with contextlib.aclosing(own(arguments) if own else self._over(act, arguments)) as items:
            async for item in items:
                yield item

    async def _over(self, act: str, given: JsonObject) -> Items:
        """An act over one connection: get, query, watch, submit, blobs."""
        links, arguments = self._links, Arguments(given)
        async with (
            links.at(arguments) as connection,
            contextlib.aclosing(
                remote.run(connection, links.authority, act, arguments, links.clock.now())
            ) as items,
        ):
            async for item in items:
                yield item

    def _profile(self, given: JsonObject) -> Items:
        return self._writing.set_profile(given) if "set" in given else self._reading.profile(given)

    # --- people -----------------------------------------------------------------------------------

    async def _follow(self, given: JsonObject) -> Items:
        arguments = Arguments(given)
        named = opened(arguments.text("person"), self._links.directory)
        server = arguments.server()
        if server is not None:
            for url in server.urls:
                self._links.directory.learn(named.key, server.key, url, Usage.OUTBOX)
        elif (at := arguments.key_alone()) is not None:
            self._links.directory.learn(named.key, at.key, None, Usage.OUTBOX)
        new = named.key not in self._followed
        self._followed[named.key] = named
        self._follows_changed()
        await self._reading.learn_names([named.key])
        yield {**self._object(named.key), "new": new}

    async def _unfollow(self, given: JsonObject) -> Items:
        key = NamedKey.parse(Arguments(given).text("person")).key
        if self._followed.pop(key, None) is None:
            raise UnknownPerson("you don't follow this person", hint="`following` tells whom you follow.")
        self._follows_changed()
        yield {"key": key.user_text}

    async def _following(self, _given: JsonObject) -> Items:
        for key in list(self._followed):
            yield self._object(key)

    async def _resolve(self, given: JsonObject) -> Items:
        arguments = Arguments(given)
        named = opened(arguments.text("key"), self._links.directory)
        yield await resolved(self._links.finder, named, fresh=arguments.flag("fresh"))

    async def _invite(self, _given: JsonObject) -> Items:
        me, finder = self._links.who.author, self._links.finder
        servers = [
            NamedServer(key, (await finder.address_of(key)).urls[:MOST_URLS])
            for key in (await finder.servers_of(me, Usage.OUTBOX))[:MOST_SERVERS]
        ]
        yield {"link": InviteLink(me, tuple(servers), follow=True).text}

    def _follows_changed(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def _object(self, key: PublicKey) -> JsonObject:
        profile = self._reading.profile_of(key)
        servers = self._links.directory.servers(key, Usage.OUTBOX)
        return {
            "key": key.user_text,
            "name": "" if profile is None else profile.name,
            "state": "read when asked" if servers else "no server of theirs is known",
        }


def address_of(server: Server) -> ServerAddress:
    """Where a server is that the program itself names. Raises FormatError."""
    urls = [ServerUrl.parse(url) for url in server.urls]
    return ServerAddress.by_hand(PublicKey.parse_server(server.key), *urls)
