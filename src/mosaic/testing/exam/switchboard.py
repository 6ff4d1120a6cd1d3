"""One network for all links of an exam: it dials, and hands each link what comes over it.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mosaic.transport.network import Event
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Target

Heard = Callable[[int, bytes], None]
"""Takes what happened on one link: a frame's type or the number of an event, and its data."""

_ANY_LENGTH: Final = 256 * 1_048_576
_QUEUE: Final = 64 * 1_048_576


class Switchboard:
    """The links of an exam.

    Args:
        folder: An existing folder for long blobs on their way.
    """

    def __init__(self, folder: str) -> None:
        # What the server sends is judged by the checks, so nearly every length is let through.
        settings = TransportSettings(
            frame_limits=(_ANY_LENGTH,) * 256,
            spool_folder=folder,
            inbox_bytes=_QUEUE,
            link_inbox_bytes=_QUEUE,
            link_outbox_bytes=_QUEUE,
        )
        self.network = SocketNetwork(settings)
        self._hearers: dict[int, Heard] = {}
        self.network.start(self._take)

    def dial(self, target: Target, heard: Heard) -> int:
        """Begins to connect; the link's number. What happens on it goes to `heard`."""
        link = self.network.dial(target)
        self._hearers[link] = heard
        return link

    def open_stream(self, link: int, heard: Heard) -> int:
        """One more stream of a QUIC connection; the new link's number. Raises Disconnected or UsageError."""
        stream = self.network.open_stream(link)
        self._hearers[stream] = heard
        return stream

    def forget(self, link: int) -> None:
        """Cuts a link that nobody uses any more."""
        if self._hearers.pop(link, None) is not None:
            self.network.abort(link)

    async def stop(self) -> None:
        """Ends all links."""
        self._hearers.clear()
        await self.network.stop(0)

    def _take(self, events: Sequence[Event]) -> None:
        for link, what, data in events:
            hearer = self._hearers.get(link)
            if hearer is not None:
                hearer(what, data)
