"""What can be done: give a name, join, come back, post, reply, follow, unfollow.

What the node refuses is told in words beside the form that asked for it, and
what was typed stays there.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.errors import MosaicError
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, came_from, read_form, text_of
from mosaic.web.reading import Reading
from mosaic.web.settings import WebSettings


class Acting:
    """A handler for each form.

    Args:
        node: Does what is asked.
        reading: Shows a form again that could not be done.
        settings: Limits.
    """

    def __init__(self, node: NodeFace, reading: Reading, settings: WebSettings) -> None:
        self._node = node
        self._reading = reading
        self._longest = settings.greatest_post_bytes

    async def begin(self, request: Request) -> Response:
        """A name is given, and a person exists. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.begin(form.get("name", "").strip())
        except MosaicError as error:
            return await self._reading.again("/", Tried.of("begin", form, error))
        return RedirectResponse("/feed", 303)

    async def join(self, request: Request) -> Response:
        """This machine joins another device of somebody. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        label = form.get("label", "").strip()
        try:
            self._node.keys.join(form.get("code", "").strip(), label)
        except MosaicError as error:
            return await self._reading.again("/", Tried.of("join", {"label": label}, error))
        return RedirectResponse("/", 303)

    async def restore(self, request: Request) -> Response:
        """Somebody comes back with a recovery sheet. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.keys.restore(form.get("sheet", ""), form.get("password", ""))
        except MosaicError as error:
            return await self._reading.again("/", Tried.of("restore", {}, error))
        return RedirectResponse("/feed", 303)

    async def post(self, request: Request) -> Response:
        """A post is published. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            entry = await self._node.post(text_of(form, self._longest))
        except MosaicError as error:
            return await self._reading.again(came_from(request), Tried.of("post", form, error))
        return _to(came_from(request), entry.reference)

    async def reply(self, request: Request) -> Response:
        """A reply is published. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        reference = form.get("reference", "")
        try:
            entry = await self._node.reply(reference, text_of(form, self._longest))
        except MosaicError as error:
            return await self._reading.again(f"/thread/{reference}", Tried.of("reply", form, error))
        return _to(f"/thread/{reference}", entry.reference)

    async def follow(self, request: Request) -> Response:
        """Somebody is followed, and their wall fills while one looks.

        Raises:
            UsageError: the form is too long.
        """
        form = await read_form(request, self._longest)
        try:
            followed = await self._node.follow(
                form.get("person", "").strip(),
                server=form.get("server", "").strip(),
                server_key=form.get("key", "").strip(),
            )
        except MosaicError as error:
            return await self._reading.again(came_from(request), Tried.of("follow", form, error))
        return _to(f"/wall/{followed.key}")

    async def unfollow(self, request: Request) -> Response:
        """Somebody is no longer followed. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        await self._node.unfollow(form.get("person", ""))
        return _to(came_from(request))

    async def check_servers(self, request: Request) -> Response:
        """One's servers are asked whether they are there. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.check_servers()
        except MosaicError as error:
            return await self._reading.again("/servers", Tried.of("servers", form, error))
        return RedirectResponse("/servers", 303)


def _to(path: str, place: str = "") -> Response:
    """To a page of this same site, and a place on it."""
    target = quote("/" + path.lstrip("/"))
    return RedirectResponse(f"{target}#{quote(place)}" if place else target, 303)
