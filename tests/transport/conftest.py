from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.transport.station import Station

MakeStation = Callable[..., Station]
OVER_TCP = pytest.mark.parametrize("transport", ["tcp", "ws"], indirect=True)
EVERY = pytest.mark.parametrize("transport", ["tcp", "quic", "ws"], indirect=True)


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """What the stations of a test use: TCP, unless the test is marked with `EVERY`."""
    return str(getattr(request, "param", "tcp"))


@pytest.fixture
def make_station(tmp_path: Path, transport: str) -> Iterator[MakeStation]:
    """Makes stations with the given settings and shuts them down afterwards."""
    made: list[Station] = []

    def make(**settings: Any) -> Station:
        station = Station(tmp_path / f"station{len(made)}", transport=transport, **settings)
        made.append(station)
        station.company = made
        return station

    yield make
    for station in made:
        station.net.shutdown(0)


@pytest.fixture
def server(make_station: MakeStation) -> Station:
    return make_station()


@pytest.fixture
def client(make_station: MakeStation) -> Station:
    return make_station()
