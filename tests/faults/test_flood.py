"""What honest people notice of a flood, and what it costs the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.faults.flood.campaign import run
from tests.faults.flood.server import MEMORY_BYTES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="uses all of 127.0.0.0/8, as Linux does"
    ),
]

MEMORY_MIB = MEMORY_BYTES / 2**20
SECONDS = 60 if os.environ.get("MOSAIC_LONG") else 10
"""`make test-long` lets it go on for a minute, with ten times the attackers."""


@pytest.mark.timeout(300)
@pytest.mark.claim("C60", "C89")
def test_nobody_honest_is_refused_in_a_flood_and_memory_stays_bounded() -> None:
    scale = 1.0 if SECONDS == 60 else 0.1
    found = run(SECONDS, scale)
    attack, server, honest = found["attack"], found["server"], found["honest"]
    # It was one: links, false signatures, broad questions, readers that read nothing.
    assert attack["links"] > 100
    assert attack["records"] > 1_000
    assert attack["filters"] > 100
    assert attack["half_open"] >= 2_000 * scale
    assert server["bans"] > 0
    assert honest["refused"] == []
    assert honest["posts"] > SECONDS
    assert honest["new_links"] > 0
    assert found["guest"]["refused"] == []
    assert found["guest"]["posts"] > SECONDS
    assert found["exit_code"] == 0
    assert server["records_stored"] >= honest["posts"]
    assert found["memory_mib"]["most"] < MEMORY_MIB
