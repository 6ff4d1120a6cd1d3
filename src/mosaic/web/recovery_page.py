"""The recovery sheet on the page: asked for, made, and shown once, to be printed.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.errors import MosaicError, UsageError
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, came_from, read_form
from mosaic.web.opening import opening, tried
from mosaic.web.rendering import Rendering
from mosaic.web.settings import WebSettings

PATH = "/keys/sheet"


class RecoveryPage:
    """Makes recovery sheets.

    Args:
        node: What the page asks.
        rendering: Makes the answers.
        settings: Sizes and limits.
    """

    def __init__(self, node: NodeFace, rendering: Rendering, settings: WebSettings) -> None:
        self._node = node
        self._rendering = rendering
        self._longest = settings.greatest_post_bytes

    async def ask(self, _request: Request) -> Response:
        """What a sheet is, and the question for its password."""
        return self._asked()

    async def make(self, request: Request) -> Response:
        """The sheet, to be printed. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            if form.get("new", "") != form.get("again", ""):
                raise UsageError("the two passwords are not the same", hint="Type it twice alike.")
            sheet = await self._node.keys.sheet(form.get("new", ""), opening(form))
        except MosaicError as error:
            return self._asked(tried("sheet", {}, error))
        # No address: nobody fetches it a second time.
        return self._rendering.page("sheet.html", "", {"sheet": sheet})

    async def put_off(self, request: Request) -> Response:
        """Somebody makes a sheet another day. Raises UsageError if the form is too long."""
        await read_form(request, self._longest)
        self._node.keys.put_off()
        return RedirectResponse(came_from(request), 303)

    def _asked(self, tried: Tried | None = None) -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        return self._rendering.page("sheet_asked.html", PATH, {"place": self._node.keys.place()}, tried)
