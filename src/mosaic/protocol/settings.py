"""What an operator or a person may choose about sessions.

Source: edition §1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mosaic.errors import UsageError

MAJOR_VERSION: Final = 0
"""The highest major version of the protocol that this software speaks."""
CORE: Final = 0
SOCIAL: Final = 1
COMMUNITY: Final = 0xDEF0843A
HELLO_TIMEOUT_NS: Final = 10_000_000_000


@dataclass(frozen=True, slots=True)
class ServerSessionSettings:
    """How a server's sessions behave.

    Raises:
        UsageError: the service URL could not stand in a header.
    """

    applications: tuple[int, ...] = field(
        default=(CORE, SOCIAL, COMMUNITY),
        metadata={"help": "ids of the applications that HELLO ACK names as supported"},
    )
    hello_timeout_ns: int = field(
        default=HELLO_TIMEOUT_NS,
        metadata={"help": "how long a new stream may stay without HELLO, in nanoseconds"},
    )
    open_queries: int = field(
        default=1024,
        metadata={"help": "how many queries and subscriptions one stream may have open at a time"},
    )
    service_url: str = field(
        default="",
        metadata={"help": "address of a page where people manage what they have with this server"},
    )

    def __post_init__(self) -> None:
        if not (self.service_url.isascii() and self.service_url.isprintable()) or " " in self.service_url:
            raise UsageError(
                "the service URL has blanks or characters beyond ASCII", hint="Write it as https://HOST/PATH."
            )


@dataclass(frozen=True, slots=True)
class ClientSessionSettings:
    """How a client's sessions behave."""

    applications: tuple[int, ...] = field(
        default=(CORE, SOCIAL, COMMUNITY),
        metadata={"help": "ids of the applications that HELLO asks for"},
    )
    hello_timeout_ns: int = field(
        default=HELLO_TIMEOUT_NS,
        metadata={"help": "how long a server may take to answer HELLO, in nanoseconds"},
    )
