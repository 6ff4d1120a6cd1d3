"""A server that asks strangers for work, and strangers who write there: processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import Node, arrived, objects, run

from mosaic.core.reference import Id

BITS = 14
ASKING = f"[limits.anonymous]\nwork_bits = {BITS}\n[limits.stranger]\nwork_bits = {BITS}\n"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "anna", "anna")
    (node.home / "mosaic.toml").write_text(ASKING)
    with node:
        yield node


@pytest.fixture
def ben(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "ben", "ben") as node:
        yield node


def bits_of(text: str) -> int:
    return 320 - int.from_bytes(Id.parse(text).bytes[8:48], "big").bit_length()


@pytest.mark.slow
@pytest.mark.claim("C60")
def test_a_stranger_writes_to_a_server_that_asks_for_work(anna: Node, ben: Node, tmp_path: Path) -> None:
    (info,) = ben.do("servers info", *anna.where)
    assert info["work"] == {"inbox": BITS, "encryption": BITS}
    ben.do("follow", anna.key, *anna.where)

    post = ben.do("post", f"hello @{anna.key}")[0]
    assert [each["state"] for each in post["deliveries"]] == ["delivered"]
    assert bits_of(post["id"]) >= BITS
    (there,) = arrived(anna, lambda: anna.do("query", "--author", ben.key, "--kind", "post"))
    assert there["id"] == post["id"]
    # At home it is the only version, and no edit.
    assert [item["edited"] for item in ben.do("wall", ben.key) if "edited" in item] == [False]

    # Who lives there does no work.
    own = anna.do("post", "at home")[0]
    assert [tag["type"] for tag in own["tags"]] == []

    # By hand: as nobody it is told what is missing, as the author it is done.
    home = tmp_path / "later"
    objects("init", "--home", home, "--name", "cara")
    cara = objects("whoami", "--home", home)[0]["key"]
    record = objects("post", "--home", home, f"by hand @{anna.key}")[0]["id"]
    text = run("get", "--home", home, "--records", record).stdout
    refused = run("submit", "-", *anna.where, "--json", stdin=text)
    assert refused.returncode == 1
    told = json.loads(refused.stdout)
    assert (told["result"], told["work"]) == ("TOO_FAST", BITS)
    assert b"--as NAME" in run("submit", "-", *anna.where, stdin=text).stderr
    (taken,) = objects("submit", "--home", home, "--as", "cara", "-", *anna.where, stdin=text)
    assert (taken["result"], taken["instead_of"]) == ("ACCEPTED", record)
    assert bits_of(taken["id"]) >= BITS
    assert cara not in anna.log
