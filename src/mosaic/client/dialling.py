"""From a server's key and URLs to a live, proven link.

The URLs are tried by the server's preference and by what worked before. The
next one begins when one has failed or has not answered shortly; the first
proven link wins, the others are dropped.

Source: bootstrap.md (order of the URLs), url.md, edition §2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.dial_memory import in_order
from mosaic.client.linking import Linked, Linker, LinkPlan
from mosaic.client.proxies import ProxyRules
from mosaic.client.race import race
from mosaic.client.resolving import addresses, judge
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings
from mosaic.client.unreached import Tried, unreached, weightiest
from mosaic.client.way import Way
from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme
from mosaic.errors import Disconnected, MosaicError, PeerError, Unreachable

_SECOND = 1_000_000_000
# Whoever lists a hundred URLs does not make us try them all.
_URLS = 12


class Dialler:
    """Reaches servers.

    Args:
        linker: Makes single links.
        settings: Choices of the client.
        now_ns: The clock.
        surroundings: What worked before, and who resolves names.

    Raises:
        UsageError: the settings name a proxy that is none.
    """

    def __init__(
        self, linker: Linker, settings: ClientSettings, now_ns: Callable[[], int], surroundings: Surroundings
    ) -> None:
        self._linker = linker
        self._settings = settings
        self._now_ns = now_ns
        self._memory = surroundings.memory
        self._resolve = surroundings.resolve
        self._proxies = ProxyRules.parse(settings.proxy)

    async def reach(
        self, server: ServerAddress, secret: SecretKey | None = None, *, lasting: bool = False
    ) -> Connection:
        """A connection over the first of a server's URLs that leads to it.

        Args:
            server: The key that it has to prove, and its URLs.
            secret: Whose key is proven to it; None connects as nobody.
            lasting: Whether it is to last, see `in_order`.

        Raises:
            WrongServerKey: only others answered.
            PeerError: the server answered and would not, or nobody answered (Unreachable). All of them
                say in `tried` which URLs were tried, and why each failed.
        """
        avoid_ns = int(self._settings.avoid_s * _SECOND)
        remembered = self._memory.remembered(server.key)
        ways = in_order(server.urls, remembered, self._now_ns(), avoid_ns, lasting=lasting)[:_URLS]
        tried: list[Tried] = []
        reached: Connection | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.reach_s):
                reached = await race(
                    [partial(self._try, server, way, secret, tried) for way in ways],
                    pause_s=self._settings.next_url_s,
                    drop=_drop,
                )
        if reached is None:
            raise unreached(server, tried, self._settings.reach_s)
        return reached

    async def _try(
        self, server: ServerAddress, way: Way, secret: SecretKey | None, tried: list[Tried]
    ) -> Connection | None:
        """One URL; what comes of it is remembered, unless another wins first."""
        try:
            async with asyncio.timeout(self._settings.connect_s):
                linked = await self._link(server, way, secret)
        except TimeoutError:
            error: MosaicError = Unreachable(f"no answer within {self._settings.connect_s:g} s")
        except MosaicError as caught:
            error = caught
        else:
            self._memory.worked(server.key, linked.way, self._now_ns())
            return linked.connection
        tried.append(Tried(way.url, error))
        self._memory.failed(server.key, way.url, self._now_ns())
        return None

    async def _link(self, server: ServerAddress, way: Way, secret: SecretKey | None) -> Linked:
        url = way.url
        private = self._settings.private_addresses or url in server.named
        proxy = self._proxies.proxy(url)
        if proxy is None:
            hosts = await addresses(url, private=private, resolve=self._resolve)
        elif url.scheme is Scheme.QUIC:
            raise Unreachable("QUIC does not pass the proxy", hint="Use another address of this server.")
        else:
            judge(url, private=private)
            hosts = [url.host]
        plans = [LinkPlan(server.key, way, host, secret, proxy) for host in hosts]
        return await self._first(plans)

    async def _first(self, plans: list[LinkPlan]) -> Linked:
        """A link to the first of a name's addresses that leads to the server."""
        errors: list[PeerError] = []

        async def attempt(plan: LinkPlan) -> Linked | None:
            try:
                return await self._linker.link(plan)
            except PeerError as error:
                errors.append(error)
                return None

        attempts: list[Callable[[], Coroutine[object, None, Linked | None]]]
        attempts = [partial(attempt, plan) for plan in plans]
        linked = await race(
            attempts, pause_s=self._settings.next_url_s, drop=lambda late: _drop(late.connection)
        )
        if linked is None:
            raise weightiest(errors)
        return linked


def _drop(connection: Connection) -> None:
    connection.fail(Disconnected("another way was faster"))
