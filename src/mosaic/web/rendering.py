"""Pages out of templates: what all of them know.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from mosaic.node import qr_code
from mosaic.web import standing
from mosaic.web.face import NodeFace
from mosaic.web.forms import Tried, sentence
from mosaic.web.text import commands, excerpt, linked, short_bytes, short_key
from mosaic.web.tiles import tiles
from mosaic.web.times import When, when

HERE = Path(__file__).parent


def present() -> datetime:
    """The time, in this machine's zone."""
    return datetime.now(UTC).astimezone()


def _qr(text: str) -> Markup:
    """A QR code; it holds nothing but shapes, whatever the text is."""
    return Markup(qr_code.svg(text))  # noqa: S704 - made of numbers


class Rendering:
    """Makes answers out of templates.

    Args:
        node: What every page tells of.
        now: The time with its zone.
    """

    def __init__(self, node: NodeFace, now: Callable[[], datetime] = present) -> None:
        self._node = node
        self._now = now
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "when": self._when,
            "linked": linked,
            "excerpt": excerpt,
            "short_key": short_key,
            "tiles": tiles,
            "qr": _qr,
            "server_note": standing.server_note,
            "person_note": standing.person_note,
            "sent_note": standing.sent_note,
            "health_note": standing.health_note,
            "trouble_words": standing.trouble_words,
            "bytes": short_bytes,
            "commands": commands,
            "sentence": sentence,
            "key_place": "key-{}".format,
        }

    def _when(self, iso: str) -> When:
        return when(iso, self._now())

    def page(
        self,
        name: str,
        where: str,
        values: Mapping[str, object],
        tried: Tried | None = None,
        *,
        code: int = 200,
    ) -> HTMLResponse:
        """An answer.

        Args:
            name: The template.
            where: The path with its query at which this page can be asked for again.
            values: What the template needs beside what all of them know.
            tried: A form to be shown again; the answer's code is 400 then.
            code: Otherwise the HTTP status.
        """
        status = self._node.status()
        html = self._templates.get_template(name).render(
            {
                **values,
                "status": status,
                "notes": standing.notes(status),
                "names": {person.key: person.name for person in self._node.people()},
                "where": where,
                "tried": tried or Tried(""),
            }
        )
        return HTMLResponse(html, 400 if tried else code, headers={"cache-control": "no-store"})
