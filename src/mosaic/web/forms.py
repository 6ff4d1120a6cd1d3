"""Forms: read with bounds, and kept when they could not be done.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from mosaic.errors import MosaicError, UsageError
from mosaic.errors.hiding import hidden


@dataclass(frozen=True, slots=True)
class Tried:
    """A form that could not be done, to be shown again with what was typed and what was wrong.

    Args:
        form: Which one: `begin`, `post`, `reply`, `follow`.
        values: What was typed, by the name of the field.
        message: What was wrong, as a sentence.
        hint: What to do next.
    """

    form: str
    values: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    hint: str = ""

    @classmethod
    def of(cls, form: str, values: Mapping[str, str], error: MosaicError) -> Tried:
        """What an error says about a form. A secret key that was typed is not shown again."""
        typed = {name: hidden(value) for name, value in values.items()}
        return cls(form, typed, sentence(str(error)), error.hint)


def sentence(text: str) -> str:
    """A message with a capital and a full stop; what is no plain word stays as it is written."""
    if text.partition(" ")[0].isalpha():
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


async def read_form(request: Request, greatest_post_bytes: int) -> dict[str, str]:
    """The fields of a form, each once.

    Args:
        request: Carries it.
        greatest_post_bytes: The longest text that a post may have.

    Raises:
        UsageError: it is longer than any form with such a post.
    """
    limit = 3 * greatest_post_bytes + 4096  # every byte may be percent-encoded
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise UsageError(
                "the text is too long", hint=f"A post has at most {greatest_post_bytes} bytes; make it two."
            )
    try:
        fields = parse_qs(bytes(body).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise UsageError("the form has too many fields", hint="Send it from this page.") from None
    return {name: values[0] for name, values in fields.items()}


def text_of(form: Mapping[str, str], greatest_post_bytes: int) -> str:
    """The text of a post.

    Args:
        form: Its fields.
        greatest_post_bytes: The longest text.

    Raises:
        UsageError: there is none, or it is too long.
    """
    text = form.get("text", "").replace("\r\n", "\n").strip()
    if not text:
        raise UsageError("there is nothing in it", hint="Write something first.")
    if len(text.encode()) > greatest_post_bytes:
        raise UsageError("the text is too long", hint=f"At most {greatest_post_bytes} bytes; make it two.")
    return text


def came_from(request: Request) -> str:
    """The path of this page's own page on which a form stood; the feed if it doesn't say."""
    path = urlsplit(request.query_params.get("from", "/feed").replace("\\", "/")).path
    return "/" + path.lstrip("/")
