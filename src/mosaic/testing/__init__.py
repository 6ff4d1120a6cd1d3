"""Public fakes for tests of what is built on Mosaic: a clock, people and their records, DHTs."""

from mosaic.dht.testnet import DhtTestnet
from mosaic.testing.clock import FakeClock
from mosaic.testing.dht import FakeDht
from mosaic.testing.people import Person

__all__ = ["DhtTestnet", "FakeClock", "FakeDht", "Person"]
