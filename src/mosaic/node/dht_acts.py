"""Acts about the DHT: publishing now what this home tells there.

Source: bootstrap.md (distribution); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from mosaic.client.proxies import ProxyRules
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import DhtMode
from mosaic.dht.publication import Publication, PublicationState
from mosaic.errors import UsageError
from mosaic.node.announced import Announcement
from mosaic.node.announcing import to_tell
from mosaic.node.arguments import Arguments
from mosaic.node.control import Items, JsonObject
from mosaic.node.in_dht import InDht
from mosaic.node.master import Unlocking

if TYPE_CHECKING:
    from mosaic.node.node import Node

_NOTHING = "nothing of this home can be published: no address of its server is known"
_HINT = "Run `mosaic serve`, which publishes by itself, or name the addresses with --public URL."


class DhtActs:
    """What is done in the DHT.

    Args:
        node: The open home.
        working: Whether the node is in the DHT by itself.
    """

    def __init__(self, node: Node, *, working: bool) -> None:
        self._node = node
        self._working = working

    async def publish(self, given: JsonObject) -> Items:
        """Publishes bootstraps now and reads them back.

        `key` names one of this home, or another, whose last bootstrap is then written again so that it
        stays. `again` publishes a text even if another device has replaced it. Where the node does not run,
        `dht` says which DHT, and `public` the URLs of the own server. `master` and `password` open a
        master key that is not in the home, or under a password.

        Raises:
            UsageError: there is nothing to publish.
            FormatError: `key` or a URL is none.
            Unreachable: the node runs without a DHT.
        """
        arguments = Arguments(given)
        named = arguments.optional_text("key")
        key = None if named is None else PublicKey.parse(named)
        nothing = True
        async with self._in_dht(arguments) as dht, self._unlocked(arguments, key):
            async for publication in dht.publish(key, again=arguments.flag("again")):
                nothing = False
                yield _publication_object(publication)
        if nothing:
            raise UsageError(_NOTHING, hint=_HINT)

    @contextlib.asynccontextmanager
    async def _unlocked(self, arguments: Arguments, key: PublicKey | None) -> AsyncIterator[None]:
        """The master key of the person meanwhile, if somebody gave what opens it."""
        given, people = arguments.unlocking(), self._node.people
        if given == Unlocking():
            yield
            return
        person = people.find(arguments.optional_text("as") if key is None else key.user_text)
        with await people.unlock(person, given) as master, people.lend(master):
            yield

    @contextlib.asynccontextmanager
    async def _in_dht(self, arguments: Arguments) -> AsyncIterator[InDht]:
        """The node's own place in the DHT, or one for the moment."""
        node = self._node
        if self._working:
            yield node.dht
            return
        named = arguments.optional_text("dht")
        if named is None and ProxyRules.parse(node.settings.client.proxy).take_all:
            raise UsageError(
                "the DHT does not pass the proxy and would see your address",
                hint="Name a DHT with --dht if your address may be seen there.",
            )
        mode = DhtMode.parse(named or "mainline")
        dht = InDht(mode, node.settings.lookups, node.bootstraps, node.surroundings, lambda: None)
        where = Announcement(tuple(map(ServerUrl.parse, arguments.texts("public"))))
        try:
            dht.enter()
            dht.tell(where, to_tell(where, node.server_secret, node.people, node.settings.roles))
            yield dht
        finally:
            await dht.stop()


def _publication_object(publication: Publication) -> JsonObject:
    is_server = publication.salt == SERVER_SALT
    assert is_server or publication.salt == USER_SALT
    key = publication.key
    return {
        "kind": "server" if is_server else "user",
        "key": key.server_text if is_server else key.user_text,
        "published": publication.state is PublicationState.PUBLISHED,
        "replaced": publication.state is PublicationState.REPLACED,
        "seq": str(publication.seq),
        "detail": publication.detail,
        "time_iso": Timestamp(publication.published_ns).iso(0) if publication.published_ns else None,
    }
