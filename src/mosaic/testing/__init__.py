"""Public fakes for tests of what is built on Mosaic: a clock, people and their records."""

from mosaic.testing.clock import FakeClock
from mosaic.testing.people import Person

__all__ = ["FakeClock", "Person"]
