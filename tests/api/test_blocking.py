"""The client without `await`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic import Client
from mosaic.errors import HomeMissing, UsageError


def test_a_script_posts_reads_and_listens(tmp_path: Path) -> None:
    blocking = Client.home(tmp_path / "home", person="anna", make=True, dht="off").blocking()
    with pytest.raises(UsageError):
        blocking.post("not open yet")
    with blocking as client:
        said = client.post("hello")
        client.reply(said, "and again")
        assert [post.text for post in client.wall()] == ["and again", "hello"]
        assert client.profile().name == "anna"
        with client.live() as live:
            client.post("now")
            post = live.next(timeout=30)
            assert post is not None
            assert post.text == "now"
            assert live.next(timeout=0.05) is None
        assert list(live) == []
    with pytest.raises(UsageError):
        client.post("closed")


def test_an_error_of_the_client_is_the_scripts(tmp_path: Path) -> None:
    with pytest.raises(HomeMissing), Client.home(tmp_path / "nowhere").blocking():
        pass
