"""What can be set about the page.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.node.host_port import HostPort


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page's settings; `help` in each field's metadata says what it does."""

    address: HostPort = field(
        default=HostPort("127.0.0.1", 0),
        metadata={"help": "HOST:PORT of the page; port 0 picks a free one", "reload": False},
    )
    page_size: int = field(default=30, metadata={"help": "posts on one page"})
    greatest_post_bytes: int = field(
        default=65_536, metadata={"help": "longest text the page takes, in bytes"}
    )
    streams: int = field(default=32, metadata={"help": "browser tabs that can be live at once"})
