"""The page as an ASGI application: Wall, Feed, threads and people.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mosaic.errors import MosaicError
from mosaic.web.acting import Acting
from mosaic.web.face import NodeFace
from mosaic.web.guard import Guard
from mosaic.web.keys_page import KeysPage
from mosaic.web.reading import Reading
from mosaic.web.recovery_page import RecoveryPage
from mosaic.web.rendering import HERE, Rendering
from mosaic.web.service import ServicePage
from mosaic.web.settings import WebSettings
from mosaic.web.storage_page import StoragePage


def create_app(
    node: NodeFace, settings: WebSettings, *, token: str, hosts: Iterable[str], once: set[str] | None = None
) -> Starlette:
    """The page of one node.

    Args:
        node: What the page shows and does.
        settings: Sizes and limits.
        token: The secret that opens the page (see `guard`).
        hosts: The `HOST:PORT` texts under which the page is reached.
        once: Secrets that open it in one browser each; one that is used goes, more may come.

    Returns:
        The application; `state.end_streams()` ends what would never end by itself, before the server stops.
    """
    rendering = Rendering(node)
    reading = Reading(node, rendering, settings)
    keys = KeysPage(node, rendering, settings)
    storage = StoragePage(node, rendering, settings)
    recovery = RecoveryPage(node, rendering, settings)
    acting = Acting(node, reading, settings)
    changes = Changes(node, settings.streams)
    app = Starlette(
        routes=[
            Route("/", reading.start),
            Route("/feed", reading.feed),
            Route("/wall", reading.own_wall),
            Route("/wall/{person}", reading.wall),
            Route("/thread/{reference}", reading.thread),
            Route("/people", reading.people),
            Route("/servers", reading.servers),
            Route("/servers/check", acting.check_servers, methods=["POST"]),
            Route("/keys", keys.show),
            Route("/keys/label", keys.label, methods=["POST"]),
            Route("/keys/retire", keys.retire, methods=["POST"]),
            Route("/keys/revoke", keys.revoke, methods=["POST"]),
            Route("/keys/roll", keys.roll, methods=["POST"]),
            Route("/keys/persona", keys.persona, methods=["POST"]),
            Route("/keys/sheet", recovery.ask),
            Route("/keys/sheet", recovery.make, methods=["POST"]),
            Route("/keys/sheet/later", recovery.put_off, methods=["POST"]),
            Route("/keys/pair", keys.pair, methods=["POST"]),
            Route("/keys/agree", keys.agree, methods=["POST"]),
            Route("/keys/stop", keys.stop, methods=["POST"]),
            Route("/storage", storage.show),
            Route("/storage/keep", storage.keep, methods=["POST"]),
            Route("/storage/no-longer", storage.keep_no_longer, methods=["POST"]),
            Route("/help", reading.help),
            Route("/service", ServicePage(node.service, owner=True).show),
            Route("/begin", acting.begin, methods=["POST"]),
            Route("/join", acting.join, methods=["POST"]),
            Route("/restore", acting.restore, methods=["POST"]),
            Route("/post", acting.post, methods=["POST"]),
            Route("/reply", acting.reply, methods=["POST"]),
            Route("/follow", acting.follow, methods=["POST"]),
            Route("/unfollow", acting.unfollow, methods=["POST"]),
            Route("/changes", changes.stream),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(Guard, token=token, hosts=list(hosts), once=once)],
        exception_handlers={MosaicError: reading.failed, 404: reading.lost},
    )
    app.state.end_streams = changes.end
    return app


class Changes:
    """Tells open pages when to look again.

    Args:
        node: Knows when something changed.
        streams: How many pages can be told at once.
    """

    def __init__(self, node: NodeFace, streams: int) -> None:
        self._node = node
        self._free = streams
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ends all streams."""
        self._ended.set()

    async def stream(self, _request: Request) -> Response:
        """Server-sent events: one `change` whenever the page should look again."""
        if not self._free:
            return PlainTextResponse("Too many tabs are open.\n", 503, headers={"retry-after": "10"})
        return StreamingResponse(
            self._events(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(self) -> AsyncIterator[str]:
        self._free -= 1
        ended = asyncio.ensure_future(self._ended.wait())
        changes = aiter(self._node.changes())
        change = asyncio.ensure_future(_next(changes))
        try:
            yield "retry: 2000\n\n"
            while True:
                await asyncio.wait({change, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() or not change.result():
                    return
                change = asyncio.ensure_future(_next(changes))
                yield "event: change\ndata:\n\n"
        finally:
            ended.cancel()
            change.cancel()
            self._free += 1


async def _next(changes: AsyncIterator[None]) -> bool:
    """Waits for a change; False when there will be none."""
    try:
        await anext(changes)
    except StopAsyncIteration:
        return False
    return True
