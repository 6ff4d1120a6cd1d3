"""`mosaic sync` and mirrors between nodes that are processes of their own, over all three transports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import Node, arrived, objects, one, run

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "hub", "hub", over=("tcp", "quic", "ws")) as node:
        yield node


def post_ids(home: Path, author: str) -> set[str]:
    return {item["id"] for item in objects("query", "--home", home, "--author", author, "--kind", "post")}


@pytest.mark.claim("C63", "C90")
def test_a_home_that_nobody_serves_is_filled_by_a_command_over_each_transport(
    hub: Node, tmp_path: Path
) -> None:
    home = tmp_path / "carol"
    one("init", "--home", home, "--name", "carol")
    rest = ["--key", hub.line["server"], "--home", home]
    posts: set[str] = set()
    for transport in ("tcp", "quic", "ws"):
        posts.add(hub.do("post", f"over {transport}")[0]["id"])
        done = run("sync", hub.line[transport], *rest, "--dir", "down", "--author", hub.key)
        assert done.returncode == 0, done
        assert post_ids(home, hub.key) == posts
    # What the hub does not take is told by the exit code.
    one("post", "--home", home, "from somebody else")
    own = run("sync", hub.line["tcp"], *rest)
    assert own.returncode == 5, own
    # What the hub says of itself is for everybody.
    assert own.stdout.startswith(b"1 records received, 2 sent, ")


@pytest.mark.claim("C63", "C65")
def test_a_mirror_of_the_settings_is_kept_in_step(hub: Node, tmp_path: Path) -> None:
    first = hub.do("post", "before the mirror")[0]
    config = tmp_path / "mirror.toml"
    config.write_text(
        f'[[mirror]]\nurl = "{hub.line["tcp"]}"\nkey = "{hub.line["server"]}"\ndir = "down"\n'
        f'authors = ["{hub.key}"]\n'
    )
    with Node(tmp_path / "mirror", "mirror", more=["--config", str(config)]) as mirror:
        arrived(mirror, lambda: post_ids(mirror.home, hub.key) == {first["id"]})
        second = hub.do("post", "while it looks")[0]
        arrived(mirror, lambda: post_ids(mirror.home, hub.key) == {first["id"], second["id"]})
