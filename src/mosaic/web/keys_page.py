"""The page of keys and devices: which there are, what can be done with them, and how one more is paired.

What the master key signs asks for what opens it where it does not lie in the
home; what was typed of that is never shown again.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mosaic.errors import MosaicError, UsageError
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, read_form
from mosaic.web.opening import opening, tried
from mosaic.web.rendering import Rendering
from mosaic.web.settings import WebSettings

PATH = "/keys"


class KeysPage:
    """Shows keys, changes them, and pairs devices.

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

    # --- changing ----------------------------------------------------------------------------------------

    async def label(self, request: Request) -> Response:
        """A key is called otherwise. Raises UsageError if the form is too long."""
        return await self._change(
            request, lambda form: self._node.keys.label(form.get("key", ""), form.get("label", ""))
        )

    async def retire(self, request: Request) -> Response:
        """A key is taken out of use. Raises UsageError if the form is too long."""
        return await self._change(
            request, lambda form: self._node.keys.retire(form.get("key", ""), opening(form))
        )

    async def revoke(self, request: Request) -> Response:
        """A key is taken away from whoever has it. Raises UsageError if the form is too long."""

        async def revoke(form: Mapping[str, str]) -> str:
            if form.get("sure") != "yes":
                raise UsageError(
                    "nothing was revoked", hint="Tick the box below: nobody can take a revocation back."
                )
            since = form.get("at", "").strip() or form.get("since", "")
            if not since:
                raise UsageError("nothing was revoked", hint="Say since when the key is not yours any more.")
            since = "" if since == "ever" else since
            keeps = form.get("personas") == "keep"
            return await self._node.keys.revoke(
                form.get("key", ""), since, opening(form), keep_personas=keeps
            )

        return await self._change(request, revoke)

    async def roll(self, request: Request) -> Response:
        """A new key comes in the place of this machine's, or of those that messages are encrypted to.

        Raises:
            UsageError: the form is too long.
        """
        return await self._change(
            request, lambda form: self._node.keys.roll(form.get("what", ""), opening(form))
        )

    async def persona(self, request: Request) -> Response:
        """A persona is made. Raises UsageError if the form is too long."""
        return await self._change(
            request, lambda form: self._node.keys.persona(form.get("label", ""), opening(form))
        )

    async def _change(
        self, request: Request, change: Callable[[Mapping[str, str]], Awaitable[str]]
    ) -> Response:
        """Does what a form asks for, and says beside it what became of that."""
        form = await read_form(request, self._longest)
        which = request.url.path.rpartition("/")[2]
        place = f"key-{form['key']}" if form.get("key") else f"{which}-{form.get('what', 'new')}"
        try:
            told = await change(form)
        except MosaicError as error:
            typed = {name: form.get(name, "") for name in ("label", "since", "at")}
            return await self._shown(tried(place, {**typed, "which": which}, error))
        return await self._shown(told=told)

    # --- pairing -----------------------------------------------------------------------------------------

    async def pair(self, request: Request) -> Response:
        """A code for a new device is shown. Raises UsageError if the form is too long."""
        form = await read_form(request, self._longest)
        try:
            await self._node.keys.pair(opening(form))
        except MosaicError as error:
            return await self._shown(tried("pair", {}, error))
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

    async def _shown(self, tried: Tried | None = None, told: str = "") -> Response:
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        shown = await self._node.keys.shown()
        values = {"shown": shown, "pairing": shown.pairing, "told": told}
        return self._rendering.page("devices.html", PATH, values, tried)
