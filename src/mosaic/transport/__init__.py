"""Raw bytes between peers: listeners and links, and the peer's proven key.

Knows neither records nor messages: a frame is a type byte and bytes. Sockets
(`sockets`: TCP, QUIC, WebSocket) and a pair of ends in memory (`memory`) have
the same face (`network`) and report the same events (`events`).
"""

from mosaic.transport.memory import MemoryNetwork, memory_pair
from mosaic.transport.network import Dialer, Event, Network, Sink
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import HostCertificate, Proxy, Target, Transport

__all__ = [
    "Dialer",
    "Event",
    "HostCertificate",
    "MemoryNetwork",
    "Network",
    "Proxy",
    "Sink",
    "SocketNetwork",
    "Target",
    "Transport",
    "TransportSettings",
    "memory_pair",
]
