"""The page of a serving node: HTTP inside of the node's own event loop.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from mosaic.node.entropy import entropy
from mosaic.node.face import Face
from mosaic.node.http import Listening
from mosaic.node.node import Node
from mosaic.node.service import describe
from mosaic.web.app import create_app
from mosaic.web.service import create_service_app
from mosaic.web.settings import WebSettings


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page is.

    Args:
        bare: Its address, without what opens it. Empty: off.
        token: What opens it; for its owner's eyes only.
        fresh: What opens it one time each.
    """

    bare: str
    token: str = field(repr=False)
    fresh: set[str] = field(repr=False)

    @property
    def address(self) -> str:
        """Its whole address, with the token that opens it; for its owner's eyes only. Empty: off."""
        return f"{self.bare}?token={self.token}" if self.bare else ""

    def once(self) -> str:
        """An address that opens it one time.

        A browser gets it as an argument, which all users of the machine can read in the list of processes.
        """
        self.fresh.add(fresh := entropy(16).hex())
        return f"{self.bare}?token={fresh}"


@contextlib.asynccontextmanager
async def page_of(node: Node, settings: WebSettings) -> AsyncIterator[Page]:
    """The page of a node, served until the end of the block.

    Args:
        node: Whose page.
        settings: Where it listens, and what it shows.

    Returns:
        Where it is.

    Raises:
        ListenFailed: the address can't be had.
    """
    if not settings.address:
        yield Page("", "", set())
        return
    listening = Listening(settings.address, "the page", "--web HOST:PORT")
    port = listening.at.port
    shown = str(listening.at).rpartition(":")[0]
    hosts = {f"{shown}:{port}", f"localhost:{port}", f"127.0.0.1:{port}"}
    page = Page(f"http://{shown}:{port}/", _token(node), set())
    app = create_app(Face(node), settings, token=page.token, hosts=hosts, once=page.fresh)
    async with listening.serve(app, app.state.end_streams):
        yield page


@contextlib.asynccontextmanager
async def service_page(node: Node) -> AsyncIterator[None]:
    """The page about the server that everybody may read, where the settings name an address for it.

    Args:
        node: Whose.

    Raises:
        ListenFailed: the address can't be had.
    """
    where = node.settings.operator.page
    if not where:
        yield
        return
    listening = Listening(where, "the page about the service", "`page` in [operator]")
    async with listening.serve(create_service_app(partial(describe, node)), brief=True):
        yield


def _token(node: Node) -> str:
    """The page's token; stays the same, so that an open page survives a restart."""
    token = node.db.meta("page_token")
    if token is None:
        token = entropy(16).hex()
        node.db.set_meta("page_token", token)
    return token
