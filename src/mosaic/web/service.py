"""The page of the service, which everybody may read: whom the server serves, its rules, limits and contact.

It stands at an address of its own that the settings name, and for the owner at
/service of the page. It has no forms, no scripts and no secrets.

Source: edition §1 (Service-URL); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mosaic.node.service import Service
from mosaic.web.guard import Hardened
from mosaic.web.rendering import HERE
from mosaic.web.text import linked


class ServicePage:
    """Makes the page.

    Args:
        describe: What holds now.
        owner: Whether it stands on the owner's own page, to which it leads back then.
    """

    def __init__(self, describe: Callable[[], Service], *, owner: bool) -> None:
        self._describe = describe
        self._owner = owner
        templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters["linked"] = linked
        self._template = templates.get_template("service.html")

    async def show(self, _request: Request) -> Response:
        """The page as it is now."""
        html = self._template.render(service=self._describe(), owner=self._owner)
        return HTMLResponse(html, headers={"cache-control": "no-cache"})


def create_service_app(describe: Callable[[], Service]) -> Starlette:
    """The application for everybody: the page at / and /service, and nothing else.

    Args:
        describe: What holds now.
    """
    page = ServicePage(describe, owner=False)

    async def lost(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("There is nothing here. The page of this server is at /\n", 404)

    return Starlette(
        routes=[
            Route("/", page.show),
            Route("/service", page.show),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(Hardened)],
        exception_handlers={404: lost},
    )
