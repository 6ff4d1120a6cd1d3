"""`mosaic servers list`, `check` and `status`: how the servers do, and what to do about one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.node.alarms import Alarms, Failing
from mosaic.node.home import Home
from mosaic.node.private_db import PrivateDb

OTHER = SecretKey.from_seed(bytes([7]) * 32).public


@pytest.mark.claim("C83")
def test_a_failing_server_is_told_with_what_to_do(mosaic: Run, tmp_path: Path) -> None:
    (made,) = mosaic("init", "--name", "anna", "--json").objects
    (own,) = mosaic("servers", "list", "--json").objects
    assert (own["mine"], own["health"], own["alarms"]) == (True, "well", [])
    db = PrivateDb(Home(tmp_path / "home").private_db)
    bootstrap = UserBootstrap.parse(db.people()[0].bootstrap)
    both = UserBootstrap((*bootstrap.entries, ServerUse(Usage.OUTBOX | Usage.INBOX, OTHER)))
    db.connection.execute("UPDATE person SET bootstrap = ?", (both.text,))
    db.close()
    (_, other) = mosaic("servers", "check", "--json").objects
    assert (other["key"], other["reached_iso"]) == (OTHER.server_text, "")
    db = PrivateDb(Home(tmp_path / "home").private_db)
    now_ns = 1_800_000_000_000_000_000
    alarms = Alarms(db, lambda: now_ns, lambda: None)
    alarms.tell(PublicKey.parse_user(made["key"]), OTHER, Failing.REFUSES, "it says: this key is banned")
    db.close()
    for command in (("servers", "list"), ("status",)):
        said = mosaic(*command).out
        assert f"! Your server {OTHER.server_text} does not take what you write" in said
        assert "it says: this key is banned." in said
        assert f"`mosaic servers remove {OTHER.server_text}`" in said
    (_, other) = mosaic("servers", "list", "--json").objects
    assert [alarm["what"] for alarm in other["alarms"]] == ["refuses"]
