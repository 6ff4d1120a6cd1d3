"""The page of keys and devices: which there are, and how one more is paired.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.errors import MosaicError
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, read_form
from mosaic.web.rendering import Rendering
from mosaic.web.settings import WebSettings

PATH = "/keys"


class KeysPage:
    """Shows keys, and pairs devices.

    Args:
        node: What the page shows and does.
        rendering: Makes the answers.
        settings: Sizes and limits.
    """

    def __init__(self, node: NodeFace, rendering: Rendering, settings: WebSettings) -> None:
        self._node = node
        self._rendering = rendering
        self._longest = settings.greatest_post_bytes

    async def show(self, _request: Request) -> Response:
        """The keys."""
        return await self._shown()

    async def pair(self, request: Request) -> Response:
        """A code for a new device is shown. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.keys.pair(form.get("password", ""))
        except MosaicError as error:
            return await self._shown(Tried.of("pair", {}, error))
        return RedirectResponse(PATH, 303)

    async def agree(self, request: Request) -> Response:
        """Somebody has compared the digits. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            self._node.keys.agree(same=form.get("same") == "yes")
        except MosaicError as error:
            return await self._shown(Tried.of("pair", {}, error))
        return RedirectResponse(PATH, 303)

    async def stop(self, request: Request) -> Response:
        """The pairing is given up. Raises UsageError if the form is too long."""
        await read_form(request, self._longest)
        await self._node.keys.stop()
        return RedirectResponse(PATH, 303)

    async def _shown(self, tried: Tried | None = None) -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        return self._rendering.page("devices.html", PATH, {"shown": await self._node.keys.shown()}, tried)
