"""What is remembered of dialling a server, and in which order its URLs are tried.

The server's own order counts. Before it come URLs that have led to the server
already, behind it those that did not lately.

Source: bootstrap.md (order of the URLs), edition §2 (what worked is remembered).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mosaic.client.way import Form, Way
from mosaic.core.keys import PublicKey
from mosaic.core.url import Scheme, ServerUrl

_URLS_OF_A_SERVER = 32


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of one URL of one server.

    Args:
        url: The URL.
        form: The form that worked last, None if none ever did.
        worked_ns: When the server was reached there last, a Mosaic timestamp; 0 = never.
        failed_ns: When it was not last, a Mosaic timestamp; 0 = not since it worked.
    """

    url: ServerUrl
    form: Form | None = None
    worked_ns: int = 0
    failed_ns: int = 0


class DialMemory(Protocol):
    """Remembers by server key; a node keeps it on disk. No call blocks for long."""

    def remembered(self, server: PublicKey) -> Sequence[Remembered]:
        """All that is remembered of a server, each URL once, in any order."""

    def worked(self, server: PublicKey, way: Way, now_ns: int) -> None:
        """The server proved its key there: sets `form` and `worked_ns`, clears `failed_ns`."""

    def failed(self, server: PublicKey, url: ServerUrl, now_ns: int) -> None:
        """The server was not reached at a URL: sets `failed_ns`, keeps the rest."""


class ProcessMemory:
    """A `DialMemory` that lasts as long as the process; for commands without a home."""

    def __init__(self) -> None:
        self._known: dict[PublicKey, dict[ServerUrl, Remembered]] = {}

    def remembered(self, server: PublicKey) -> Sequence[Remembered]:
        """See `DialMemory.remembered`."""
        return tuple(self._known.get(server, {}).values())

    def worked(self, server: PublicKey, way: Way, now_ns: int) -> None:
        """See `DialMemory.worked`."""
        self._keep(server, Remembered(way.url, way.form, now_ns))

    def failed(self, server: PublicKey, url: ServerUrl, now_ns: int) -> None:
        """See `DialMemory.failed`."""
        known = self._known.get(server, {}).get(url, Remembered(url))
        self._keep(server, replace(known, failed_ns=now_ns))

    def _keep(self, server: PublicKey, entry: Remembered) -> None:
        entries = self._known.setdefault(server, {})
        entries.pop(entry.url, None)
        entries[entry.url] = entry
        while len(entries) > _URLS_OF_A_SERVER:
            del entries[next(iter(entries))]


def in_order(
    urls: Iterable[ServerUrl],
    remembered: Sequence[Remembered],
    now_ns: int,
    avoid_ns: int,
    *,
    lasting: bool = False,
) -> list[Way]:
    """The URLs of a server in the order in which they are tried, each once, with the form to begin with.

    Args:
        urls: By the server's preference.
        remembered: What is known of them.
        now_ns: The time.
        avoid_ns: How long a URL that failed goes last, in ns.
        lasting: Whether the connection is to last. Then QUIC goes behind the others: routers forget UDP so
            soon that it has to be kept awake every few seconds, day and night.
    """
    known: Mapping[ServerUrl, Remembered] = {entry.url: entry for entry in remembered}

    def rank(url: ServerUrl) -> tuple[bool, bool, bool]:
        entry = known.get(url, Remembered(url))
        # A clock that was set back must not banish a URL for good.
        avoided = bool(entry.failed_ns) and abs(now_ns - entry.failed_ns) < avoid_ns
        return avoided, lasting and url.scheme is Scheme.QUIC, not avoided and not entry.worked_ns

    return [
        Way(url, known.get(url, Remembered(url)).form or Form.CERTIFICATE)
        for url in sorted(dict.fromkeys(urls), key=rank)
    ]
