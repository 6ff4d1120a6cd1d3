from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.core.keys import SecretKey

SERVER = SecretKey.generate(bytes(32)).public.server_text


def test_who_can_not_reach_the_server_yet_is_told_how_to_go_on(
    mosaic: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC__CLIENT__REACH", "1s")
    home = tmp_path / "a home"
    asked = ("--invitation", "code", "--server", SERVER, "--url", "mosaictcp://127.0.0.1:9/")
    done = mosaic("init", "--home", home, "--name", "anna", *asked)
    assert done.code == 3
    again = f"mosaic servers add {SERVER} --invitation code --url URL --as anna --home '{home}'"
    assert f"anna is there, and does not use the server yet: `{again}`" in done.err
    assert mosaic("whoami", "--home", home).code == 0
