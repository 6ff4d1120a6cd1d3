"""What can be set about the page.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page's settings; `help` in each field's metadata says what it does."""

    host: str = field(default="127.0.0.1", metadata={"help": "address the page listens on"})
    port: int = field(default=0, metadata={"help": "TCP port of the page; 0 picks a free one"})
    page_size: int = field(default=30, metadata={"help": "posts on one page"})
    greatest_post_bytes: int = field(
        default=65_536, metadata={"help": "longest text the page takes, in bytes"}
    )
    streams: int = field(default=32, metadata={"help": "browser tabs that can be live at once"})
