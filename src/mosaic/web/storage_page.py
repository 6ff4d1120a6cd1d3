"""The page of what is on this machine: how much of what, and what is kept by choice.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.errors import MosaicError
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, read_form
from mosaic.web.rendering import Rendering
from mosaic.web.settings import WebSettings

PATH = "/storage"


class StoragePage:
    """Shows how much room things take, and keeps some.

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
        """What there is."""
        return await self._shown()

    async def keep(self, request: Request) -> Response:
        """An account or a post is kept from now on. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.storage.keep(form.get("what", "").strip())
        except MosaicError as error:
            return await self._shown(Tried.of("keep", form, error))
        return RedirectResponse(PATH, 303)

    async def keep_no_longer(self, request: Request) -> Response:
        """It is kept no longer. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            self._node.storage.keep_no_longer(form.get("what", ""))
        except MosaicError as error:
            return await self._shown(Tried.of("keep", {}, error))
        return RedirectResponse(PATH, 303)

    async def _shown(self, tried: Tried | None = None) -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        values = {"storage": await self._node.storage.shown()}
        return self._rendering.page("storage.html", PATH, values, tried)
