"""The page as an ASGI application: Wall, Feed, threads and people.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mosaic.errors import MosaicError, UsageError
from mosaic.web.face import Entry, NodeFace
from mosaic.web.guard import Guard
from mosaic.web.settings import WebSettings

HERE = Path(__file__).parent


def create_app(node: NodeFace, settings: WebSettings, *, token: str, hosts: Iterable[str]) -> Starlette:
    """The page of one node.

    Args:
        node: What the page shows and does.
        settings: Sizes and limits.
        token: The secret that opens the page (see `guard`).
        hosts: The `HOST:PORT` texts under which the page is reached.
    """
    page = Page(node, settings)
    return Starlette(
        routes=[
            Route("/", page.start),
            Route("/feed", page.feed),
            Route("/wall", page.own_wall),
            Route("/wall/{person}", page.wall),
            Route("/thread/{reference}", page.thread),
            Route("/people", page.people),
            Route("/begin", page.begin, methods=["POST"]),
            Route("/post", page.post, methods=["POST"]),
            Route("/reply", page.reply, methods=["POST"]),
            Route("/follow", page.follow, methods=["POST"]),
            Route("/unfollow", page.unfollow, methods=["POST"]),
            Route("/changes", page.changes),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(Guard, token=token, hosts=list(hosts))],
        exception_handlers={MosaicError: page.failed, 404: page.lost},
    )


class Page:
    """One handler for each address.

    What a handler raises `failed` puts into words: a MosaicError of the node for
    what it refuses, and a UsageError for a form that is empty or too long.

    Args:
        node: Does what is asked.
        settings: Its limits.
    """

    def __init__(self, node: NodeFace, settings: WebSettings) -> None:
        self._node = node
        self._settings = settings
        self._streams = 0
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(), trim_blocks=True
        )

    def _render(
        self, name: str, request: Request, values: Mapping[str, object], *, status_code: int = 200
    ) -> HTMLResponse:
        template = self._templates.get_template(name)
        html = template.render({**values, "status": self._node.status(), "path": request.url.path})
        return HTMLResponse(html, status_code, headers={"cache-control": "no-store"})

    async def start(self, request: Request) -> Response:
        """`/`: the feed, or the question for a name in a home where nobody lives yet."""
        if not self._node.status().name:
            return self._render("begin.html", request, {})
        return RedirectResponse("/feed", 303)

    async def begin(self, request: Request) -> Response:
        """A name is given, and a person exists. Raises UsageError if the form is too long."""
        await self._node.begin((await self._form(request)).get("name", "").strip())
        return RedirectResponse("/feed", 303)

    async def feed(self, request: Request) -> Response:
        """Posts of followed people and one's own."""
        if not self._node.status().name:
            return RedirectResponse("/", 303)
        before = request.query_params.get("before", "")
        entries = await self._node.feed(before=before, limit=self._settings.page_size)
        return self._list("feed.html", request, entries, {"before": before, "people": self._node.people()})

    async def own_wall(self, _request: Request) -> Response:
        """One's own wall."""
        status = self._node.status()
        return RedirectResponse(f"/wall/{status.key}" if status.name else "/", 303)

    async def wall(self, request: Request) -> Response:
        """One person's posts."""
        person = request.path_params["person"]
        before = request.query_params.get("before", "")
        entries = await self._node.wall(person, before=before, limit=self._settings.page_size)
        followed = next((p for p in self._node.people() if p.key == person), None)
        values = {"before": before, "person": person, "followed": followed}
        return self._list("wall.html", request, entries, values)

    def _list(
        self, name: str, request: Request, entries: Sequence[Entry], values: Mapping[str, object]
    ) -> Response:
        older = entries[-1].reference if len(entries) == self._settings.page_size else ""
        template = "entries.html" if "fragment" in request.query_params else name
        return self._render(template, request, {**values, "entries": entries, "older": older})

    async def thread(self, request: Request) -> Response:
        """A post with its replies."""
        reference = request.path_params["reference"]
        entries = await self._node.thread(reference)
        template = "entries.html" if "fragment" in request.query_params else "thread.html"
        return self._render(template, request, {"entries": entries, "reference": reference})

    async def people(self, request: Request) -> Response:
        """Whom this node follows, and from which servers."""
        return self._render("people.html", request, {"people": self._node.people()})

    async def post(self, request: Request) -> Response:
        """A post is published. Raises UsageError if the text is empty or too long."""
        await self._node.post(self._text(await self._form(request)))
        return self._back(request)

    async def reply(self, request: Request) -> Response:
        """A reply is published. Raises UsageError if the text is empty or too long."""
        form = await self._form(request)
        await self._node.reply(form.get("reference", ""), self._text(form))
        return self._back(request)

    async def follow(self, request: Request) -> Response:
        """Somebody is followed. Raises UsageError if the form is too long."""
        form = await self._form(request)
        await self._node.follow(
            form.get("person", "").strip(),
            server=form.get("server", "").strip(),
            server_key=form.get("key", "").strip(),
        )
        return RedirectResponse("/people", 303)

    async def unfollow(self, request: Request) -> Response:
        """Somebody is no longer followed. Raises UsageError if the form is too long."""
        await self._node.unfollow((await self._form(request)).get("person", ""))
        return RedirectResponse("/people", 303)

    async def changes(self, request: Request) -> Response:
        """Server-sent events: one `change` whenever the page should look again."""
        if self._streams >= self._settings.streams:
            return PlainTextResponse("Too many tabs are open.\n", 503, headers={"retry-after": "10"})
        return StreamingResponse(
            self._events(request), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(self, _request: Request) -> AsyncIterator[str]:
        self._streams += 1
        try:
            yield "retry: 2000\n\n"
            async for _ in self._node.changes():
                yield "event: change\ndata:\n\n"
        finally:
            self._streams -= 1

    async def _form(self, request: Request) -> dict[str, str]:
        limit = 3 * self._settings.greatest_post_bytes + 4096  # every byte may be percent-encoded
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise self._too_long()
        fields = parse_qs(bytes(body).decode("utf-8", "replace"), max_num_fields=16)
        return {name: values[0] for name, values in fields.items()}

    def _too_long(self) -> UsageError:
        limit = self._settings.greatest_post_bytes
        return UsageError("the text is too long", hint=f"A post has at most {limit} bytes; make it two.")

    def _text(self, form: dict[str, str]) -> str:
        text = form.get("text", "").replace("\r\n", "\n").strip()
        if not text:
            raise UsageError("there is nothing in it", hint="Write something first.")
        if len(text.encode()) > self._settings.greatest_post_bytes:
            raise UsageError(
                "the text is too long", hint=f"At most {self._settings.greatest_post_bytes} bytes."
            )
        return text

    def _back(self, request: Request) -> Response:
        """To where the form stood: the path of the referring page of this same page, or the feed."""
        path = urlsplit(request.query_params.get("from", "/feed")).path
        return RedirectResponse(quote("/" + path.lstrip("/")), 303)

    async def failed(self, request: Request, error: Exception) -> Response:
        """What went wrong, in words."""
        hint = error.hint if isinstance(error, MosaicError) else ""
        return self._render("failed.html", request, {"message": str(error), "hint": hint}, status_code=400)

    async def lost(self, request: Request, _error: Exception) -> Response:
        """No such page."""
        values = {"message": "there is no such page", "hint": "The feed is a good place to go on."}
        return self._render("failed.html", request, values, status_code=404)
