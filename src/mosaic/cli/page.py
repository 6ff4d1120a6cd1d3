"""The page of a serving node: HTTP inside of the node's own event loop.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import uvicorn

from mosaic.errors import ListenFailed
from mosaic.node.entropy import entropy
from mosaic.node.face import Face
from mosaic.node.node import Node
from mosaic.web.app import create_app
from mosaic.web.settings import WebSettings


class PageServer(uvicorn.Server):
    """A web server that leaves signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catches none."""
        yield


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page is.

    Args:
        address: Its whole address, with the token that opens it; for its owner's eyes only. Empty: off.
        once: An address that opens it one time: a browser gets it as an argument, which all users of the
            machine can read in the list of processes.
    """

    address: str = field(repr=False)
    once: str = field(repr=False)


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
        yield Page("", "")
        return
    host = settings.address.host
    listener = _listen(host, settings.address.port)
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    hosts = {f"{shown}:{port}", f"localhost:{port}", f"127.0.0.1:{port}"}
    token, once = _token(node), entropy(16).hex()
    app = create_app(Face(node), settings, token=token, hosts=hosts, once=[once])
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = PageServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        at = f"http://{shown}:{port}/?token="
        yield Page(at + token, at + once)
    finally:
        app.state.end_streams()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ListenFailed(
            f"the page can't listen on {host}:{port}: {error.strerror}",
            hint="Another program may use the port: name another with --web HOST:PORT, or port 0 for any.",
        ) from error
    listener.setblocking(False)
    return listener


def _token(node: Node) -> str:
    """The page's token; stays the same, so that an open page survives a restart."""
    token = node.db.meta("page_token")
    if token is None:
        token = entropy(16).hex()
        node.db.set_meta("page_token", token)
    return token
