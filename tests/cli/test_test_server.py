from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.core.keys import SecretKey

KEY = SecretKey.generate(bytes(32)).public.server_text


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A port at which nobody listens."""
    monkeypatch.setenv("MOSAIC_PASSWORD_FILE", "/nowhere")
    return ["test-server", "mosaictcp://127.0.0.1:9/", "--key", KEY]


def test_a_members_file_is_what_key_new_prints(mosaic: Run, at: list[str], tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text(mosaic("key", "new").out)
    assert mosaic(*at, "--member", file).code == 3


def test_a_file_without_a_secret_key_is_named(mosaic: Run, at: list[str], tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text(KEY)
    told = mosaic(*at, "--member", file)
    assert told.code == 2
    assert "holds no secret key" in told.err
    assert "`mosaic key new > FILE`" in told.err
