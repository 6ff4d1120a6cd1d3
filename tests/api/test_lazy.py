"""`import mosaic` costs nothing until a name of the library is used."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.loopback.processes import PATIENCE_S, environment

import mosaic
import mosaic.api


def printed(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=True,
    ).stdout.strip()


def test_the_package_alone_loads_no_room() -> None:
    loaded = printed("import mosaic, sys; print([m for m in sys.modules if m.startswith('mosaic.')])")
    assert loaded == "[]"


def test_a_name_of_the_library_loads_it() -> None:
    assert printed("from mosaic import Client, Identity, MosaicError; print(Client.__module__)") == (
        "mosaic.api.client"
    )


def test_all_names_are_there_and_no_others() -> None:
    for name in mosaic.api.__all__:
        assert getattr(mosaic, name) is getattr(mosaic.api, name)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        mosaic.nothing_of_that_name  # noqa: B018
