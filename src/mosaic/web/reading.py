"""What can be looked at: Feed, Wall, threads, people, help.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.core.invite_link import MOST_CHARACTERS
from mosaic.errors import MosaicError
from mosaic.web.face import Entry, NodeFace
from mosaic.web.forms import Tried, sentence
from mosaic.web.rendering import Rendering
from mosaic.web.settings import WebSettings
from mosaic.web.shown import listed, threaded


class Reading:
    """A handler for each address that is looked at.

    Args:
        node: What is shown.
        rendering: Makes pages of it.
        settings: Sizes.
    """

    def __init__(self, node: NodeFace, rendering: Rendering, settings: WebSettings) -> None:
        self._node = node
        self._rendering = rendering
        self._settings = settings

    async def start(self, _request: Request) -> Response:
        """`/`: the feed, or the question for a name in a home where nobody lives yet."""
        if self._node.status().name:
            return RedirectResponse("/feed", 303)
        return self._begin()

    async def feed(self, request: Request) -> Response:
        """Posts of followed people and one's own."""
        return await self._feed(request.query_params.get("before", ""))

    async def own_wall(self, _request: Request) -> Response:
        """One's own wall."""
        status = self._node.status()
        return RedirectResponse(f"/wall/{status.key}" if status.name else "/", 303)

    async def wall(self, request: Request) -> Response:
        """One person's posts."""
        return await self._wall(request.path_params["person"], request.query_params.get("before", ""))

    async def thread(self, request: Request) -> Response:
        """A post with its replies."""
        answering = "answer" in request.query_params
        return await self._thread(request.path_params["reference"], answering=answering)

    async def people(self, request: Request) -> Response:
        """Whom this node follows, and how reading them goes; `?follow=` fills in a key or invite link."""
        return await self._people(invited=request.query_params.get("follow", "")[:MOST_CHARACTERS])

    async def servers(self, _request: Request) -> Response:
        """The servers that one uses, and how they do."""
        return self._servers()

    async def help(self, _request: Request) -> Response:
        """What the words of this page mean, and its keys."""
        return self._rendering.page("help.html", "/help", {})

    async def again(self, path: str, tried: Tried) -> Response:
        """The page on which a form stood that could not be done, with what was typed and what was wrong."""
        match path.strip("/").split("/"):
            case ["servers"]:
                return self._servers(tried)
            case ["people"]:
                return await self._people(tried)
            case ["wall", person]:
                return await self._wall(person, "", tried)
            case ["thread", reference]:
                return await self._thread(reference, tried)
            case _ if self._node.status().name:
                return await self._feed("", tried)
            case _:
                return self._begin(tried)

    async def failed(self, _request: Request, error: Exception) -> Response:
        """What went wrong, in words."""
        hint = error.hint if isinstance(error, MosaicError) else ""
        return self._rendering.page(
            "failed.html", "", {"message": sentence(str(error)), "hint": hint}, code=400
        )

    async def lost(self, _request: Request, _error: Exception) -> Response:
        """No such page."""
        values = {"message": "There is no such page.", "hint": "The feed is a good place to go on."}
        return self._rendering.page("failed.html", "", values, code=404)

    # --- the pages ---------------------------------------------------------------------------------

    def _begin(self, tried: Tried | None = None) -> Response:
        return self._rendering.page("begin.html", "/", {"pairing": self._node.keys.pairing()}, tried)

    async def _feed(self, before: str, tried: Tried | None = None) -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        entries = await self._node.feed(before=before, limit=self._settings.page_size)
        values = {
            "before": before,
            "people": self._node.people(),
            "entries": await listed(self._node, entries),
            "older": self._older(entries),
        }
        return self._rendering.page("feed.html", _at("/feed", before), values, tried)

    async def _wall(self, person: str, before: str, tried: Tried | None = None) -> Response:
        status = self._node.status()
        entries = await self._node.wall(person, before=before, limit=self._settings.page_size)
        followed = next((one for one in self._node.people() if one.key == person), None)
        names = [entry.author_name for entry in entries[:1]]
        names += [followed.name] if followed else []
        names += [status.name] if person == status.key else []
        values = {
            "before": before,
            "person": person,
            "followed": followed,
            "mine": person == status.key,
            "name": next(filter(None, names), ""),
            "entries": await listed(self._node, entries),
            "older": self._older(entries),
        }
        return self._rendering.page("wall.html", _at(f"/wall/{person}", before), values, tried)

    async def _thread(
        self, reference: str, tried: Tried | None = None, *, answering: bool = False
    ) -> Response:
        entries = await self._node.thread(reference)
        chosen = next((entry for entry in entries if entry.reference == reference), None)
        values = {
            "answering": answering,
            "entries": await threaded(self._node, entries),
            "chosen": chosen or (entries[0] if entries else None),
        }
        return self._rendering.page("thread.html", f"/thread/{reference}", values, tried)

    async def _people(self, tried: Tried | None = None, *, invited: str = "") -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        return self._rendering.page(
            "people.html", "/people", {"people": self._node.people(), "invited": invited}, tried
        )

    def _servers(self, tried: Tried | None = None) -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        return self._rendering.page("servers.html", "/servers", {"servers": self._node.my_servers()}, tried)

    def _older(self, entries: Sequence[Entry]) -> str:
        """Where the next page goes on, or nothing when there can't be one."""
        return entries[-1].reference if len(entries) == self._settings.page_size else ""


def _at(path: str, before: str) -> str:
    return f"{path}?{urlencode({'before': before})}" if before else path
