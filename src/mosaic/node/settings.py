"""What can be chosen about a node: the settings of its parts, each with its own help.

A field that holds another dataclass is a section of the TOML file
(`mosaic.node.configuration`); `at` in its metadata names it.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.client.proxies import ProxyRules
from mosaic.client.settings import ClientSettings
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import OFF, DhtMode
from mosaic.dht.settings import DhtSettings
from mosaic.errors import InvalidUrl, UsageError
from mosaic.node.cache_settings import CacheSettings
from mosaic.node.mirror_settings import MirrorSettings
from mosaic.node.operating_settings import (
    BackupSettings,
    ListenSettings,
    LogSettings,
    MetricsSettings,
    OperatorSettings,
    PolicySettings,
    RoleSettings,
    ServingSettings,
)
from mosaic.node.retention_settings import RetentionSettings
from mosaic.server.identity import Authorities
from mosaic.server.proxies import Proxies
from mosaic.server.settings import ServerSettings
from mosaic.transport.settings import TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits


def _links() -> TransportSettings:
    return TransportSettings(frame_limits=tuple(frame_limits()))


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """All settings of a node. Times are seconds.

    Raises:
        UsageError: a proxy that is none; or one for all connections, and a DHT, which would go past it;
            or a program that is to judge, and none.
    """

    listen: ListenSettings = field(default_factory=ListenSettings)
    public: tuple[ServerUrl, ...] = field(
        default=(),
        metadata={
            "help": "the URLs that others are told, where they are not the machine's own",
            "at": "listen.public",
        },
    )
    roles: RoleSettings = field(default_factory=RoleSettings)
    serves: ServingSettings = field(default_factory=ServingSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    client: ClientSettings = field(default_factory=ClientSettings, metadata={"reload": False})
    dht: DhtMode = field(
        default=OFF,
        metadata={
            "help": "the DHT in which people find each other: mainline, off, or HOST:PORT",
            "at": "dht.mode",
            "reload": False,
        },
    )
    lookups: DhtSettings = field(default_factory=DhtSettings, metadata={"at": "dht", "reload": False})
    links: TransportSettings = field(default_factory=_links, metadata={"at": "transport", "reload": False})
    operator: OperatorSettings = field(default_factory=OperatorSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    mirror: tuple[MirrorSettings, ...] = field(
        default=(), metadata={"help": "servers with which this one is kept in step"}
    )
    mirror_again_s: float = field(
        default=3600.0,
        metadata={
            "help": "how often a mirror is compared anew, in between it is followed",
            "at": "node.mirror_again",
            "unit": "s",
            "least": 1,
        },
    )
    stop_s: float = field(
        default=5.0,
        metadata={"help": "how long a stopping node lets answers go out", "at": "node.stop", "unit": "s"},
    )
    settle_s: float = field(
        default=3.0,
        metadata={
            "help": "how long a command waits for other servers to take what it sent",
            "at": "node.settle",
            "unit": "s",
        },
    )
    left_kept_s: float = field(
        default=7200.0,
        metadata={
            "help": "how long a server that a person has given up is still written to and read,"
            " until nobody looks there any more",
            "at": "node.left_kept",
            "unit": "s",
            "least": 0,
        },
    )
    keep_follows: bool = field(
        default=True,
        metadata={
            "help": "whether a person's own outboxes keep, encrypted to him alone, whom he follows,"
            " so that it reaches his other devices and comes back with a recovery sheet",
            "at": "node.keep_follows",
        },
    )
    upkeep_s: float = field(
        default=3600.0,
        metadata={
            "help": "how often the space of what is no longer served is given back",
            "at": "node.upkeep",
            "unit": "s",
            "least": 1,
        },
    )

    def __post_init__(self) -> None:
        Proxies(self.server.proxies)
        try:
            Authorities(self.server.authorities)
        except InvalidUrl as error:
            raise UsageError(f"`authorities` in [server]: {error}", hint=error.hint) from error
        if self.serves.hook == "program" and not self.policy.program:
            raise UsageError(
                "the program of [policy] is to say whom the server takes records from, but there is none",
                hint="Name it in [policy] as `program`, or a function MODULE:NAME in [serves] as `hook`.",
            )
        if ProxyRules.parse(self.client.proxy).take_all and self.dht.on:
            raise UsageError(
                "all connections are to go through a proxy, but the DHT would go past it: it speaks UDP",
                hint="Turn the DHT off, or name the hosts for the proxy: .onion=socks5://127.0.0.1:9050",
            )

    def transport(self, spool_folder: Path) -> TransportSettings:
        """The limits of frames and queues; long blobs pass through a folder."""
        return dataclasses.replace(
            self.links,
            frame_limits=tuple(frame_limits(self.server.record_limit, self.server.blob_limit)),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(spool_folder),
        )
