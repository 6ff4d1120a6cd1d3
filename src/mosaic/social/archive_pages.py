"""The pages of an archive: posts as plain HTML that any browser shows, without a network and without scripts.

Everything that people wrote is escaped: no text becomes markup. The pages load
nothing but pictures that lie beside them.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.social import posts
from mosaic.social.feeds import Post

_STYLE: Final = (
    "body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;"
    "color:#1c1c1c;background:#fff}"
    "article{border-top:1px solid #ccc;padding:1rem 0}p.text{white-space:pre-wrap;overflow-wrap:anywhere}"
    "small,code{color:#555;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto;display:block;margin:.5rem 0}"
    "@media (prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}small,code{color:#aaa}"
    "a{color:#9cf}article{border-color:#444}}"
)
_HEAD: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'\">\n"
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a post names.

    Args:
        name: Its hash in hexadecimal.
        path: Where it lies, from the page; empty if it is not in the archive.
        is_picture: Whether a browser shows it.
    """

    name: str
    path: str
    is_picture: bool


@dataclass(frozen=True, slots=True)
class Months:
    """Whose posts are in an archive.

    Args:
        author: Who wrote them.
        name: The author's name, empty if it is not known.
        pages: The pages, the newest first: month (`2026-11`), path from the index, number of posts.
    """

    author: PublicKey
    name: str
    pages: Sequence[tuple[str, str, int]]


def month_page(
    month: str,
    name: str,
    written: Iterable[Post],
    name_of: Callable[[PublicKey], str | None],
    attached: Callable[[Post], Sequence[Attachment]],
    index: str,
) -> str:
    """One month of somebody's posts, the newest first.

    Args:
        month: `2026-11`.
        name: Who wrote them.
        written: The posts.
        name_of: Somebody's name.
        attached: The files that a post names.
        index: The path to the archive's first page.
    """
    title = f"{name}, {month}"
    articles = [_article(post, name_of, attached(post)) for post in written]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p><a href="{escape(index)}">All of the archive</a></p>',
        *articles,
    ]
    return _page(title, body)


def index_page(made_iso: str, people: Sequence[Months], records: int, files: int, lacking: int) -> str:
    """The first page of an archive.

    Args:
        made_iso: When it was made (ISO 8601).
        people: Whose posts are in it.
        records: Number of records in `records.jsonl`.
        files: Number of blobs.
        lacking: Number of blobs that records name and that were not at hand.
    """
    body = ["<h1>Archive</h1>", f"<p>Made on {escape(made_iso)}. It needs no network and no program.</p>"]
    for one in people:
        body.append(
            f"<h2>{escape(one.name or 'Nameless')}</h2><p><code>{one.author.user_text}</code></p><ul>"
        )
        body += [
            f'<li><a href="{escape(path)}">{escape(month)}</a>'
            f" <small>{count:,} {'post' if count == 1 else 'posts'}</small></li>"
            for month, path, count in one.pages
        ]
        body.append("</ul>")
    some = f" {lacking:,} more are named by records and were not at hand." if lacking else ""
    body.append(
        "<h2>Everything else</h2>"
        f'<p><a href="records.jsonl">records.jsonl</a> holds {records:,} signed records, one a line, with '
        "the time at which each was received. <code>mosaic import records.jsonl</code> takes them into "
        f"another home. The folder <code>blobs</code> holds {files:,} files by the BLAKE3-256 of what is in "
        f"them.{some}</p>"
    )
    return _page("Archive", body)


def _article(post: Post, name_of: Callable[[PublicKey], str | None], files: Sequence[Attachment]) -> str:
    parent = posts.parent_of(post.newest)
    lines = [f'<article id="{post.address.text}">', f"<small>{escape(post.time.iso(0))}"]
    lines[-1] += " · edited</small>" if post.is_edited else "</small>"
    if parent is not None:
        lines.append(f"<br><small>answers <code>{parent.reference.text}</code></small>")
    lines.append(f'<p class="text">{escape(post.text(name_of))}</p>')
    lines += [_file(each) for each in files]
    lines.append(f"<small><code>{post.address.text}</code></small></article>")
    return "\n".join(lines)


def _file(file: Attachment) -> str:
    if not file.path:
        return f"<p><small>a file that was not at hand: <code>{file.name}</code></small></p>"
    if file.is_picture:
        return f'<img src="{escape(file.path)}" alt="{file.name}">'
    return f'<p><a href="{escape(file.path)}">{file.name}</a></p>'


def _page(title: str, body: Sequence[str]) -> str:
    head = f"{_HEAD}<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    return head + "\n".join(body) + "\n</body>\n</html>\n"
