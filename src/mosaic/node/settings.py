"""What can be chosen about a node: the settings of its parts, each with its own help.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mosaic.client.proxies import ProxyRules
from mosaic.client.settings import ClientSettings
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import OFF, DhtMode
from mosaic.dht.settings import DhtSettings
from mosaic.errors import UsageError
from mosaic.server.settings import ServerSettings
from mosaic.transport.settings import TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """All settings of a node. Times are seconds.

    Raises:
        UsageError: a proxy for all connections, and a DHT, which would go past it.
    """

    client: ClientSettings = field(default_factory=ClientSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    lookups: DhtSettings = field(default_factory=DhtSettings)
    dht: DhtMode = field(
        default=OFF, metadata={"help": "the DHT in which people find each other: mainline, off, or HOST:PORT"}
    )
    public: tuple[ServerUrl, ...] = field(
        default=(),
        metadata={"help": "the URLs that others are told, where they are not the machine's own"},
    )
    stop_s: float = field(default=5.0, metadata={"help": "how long a stopping node lets answers go out"})
    settle_s: float = field(
        default=3.0, metadata={"help": "how long a command waits for other servers to take what it sent"}
    )
    upkeep_s: float = field(
        default=3600.0, metadata={"help": "how often the space of what is no longer served is given back"}
    )

    def __post_init__(self) -> None:
        if self.dht.on and ProxyRules.parse(self.client.proxy).take_all:
            raise UsageError(
                "all connections are to go through a proxy, but the DHT would go past it: it speaks UDP",
                hint="Turn the DHT off, or name the hosts for the proxy: .onion=socks5://127.0.0.1:9050",
            )

    def transport(self, spool_folder: Path) -> TransportSettings:
        """The limits of frames and queues; long blobs pass through a folder."""
        return TransportSettings(
            frame_limits=tuple(frame_limits(self.server.record_limit, self.server.blob_limit)),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(spool_folder),
        )
