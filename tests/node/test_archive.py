"""A readable archive: any browser opens it, nothing of it becomes markup, and it is brought up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mosaic.core import blob_hash, builder, nonce
from mosaic.core.kinds import MICROBLOG
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node.node import Node
from mosaic.testing import Person

from .conftest import OpenNode, do, one

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
PAPER = b"a paper"
MONTH = 31 * 86_400 * 10**9
FRIEND = Person("friend")


async def said(node: Node, text: bytes, *blobs: bytes, ago_ns: int = 0) -> None:
    person = node.people.find(None)
    time = Timestamp(node.clock.now_ns() - ago_ns)
    record = builder.build(
        person.device,
        author=person.key,
        kind=MICROBLOG,
        nonce=nonce.from_time(time),
        timestamp=time,
        tags=[Tag(0x4D03, blob) for blob in blobs],
        payload=text,
    )
    await node.publish(person, record)


async def brought(node: Node, data: bytes, folder: Path) -> bytes:
    file, name = folder / "blob", blob_hash.of(data)
    file.write_bytes(data)
    own = await node.own(node.people.find(None))
    await own.blobs.put(file, name, len(data))
    return name


def pages(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*.html")))


async def test_an_archive_shows_everything_without_a_network(open_node: OpenNode, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    async with open_node("anna") as node:
        picture, paper = await brought(node, PICTURE, tmp_path), await brought(node, PAPER, tmp_path)
        missing = blob_hash.of(b"never seen")
        await said(node, b"<script>alert(1)</script> & more", picture, missing, ago_ns=2 * MONTH)
        await do(node, "post", text="the newest")
        await do(node, "keep_add", what=FRIEND.key.user_text)
        await node.mirror([FRIEND.record(node.clock.now_ns(), kind=MICROBLOG, payload=b"of a friend").data])
        *_, done = await do(node, "archive", path=str(folder))
        assert (done["posts"], done["blobs"], done["blobs_lacking"], done["done"]) == ("3", "2", "1", True)
        key = node.people.find(None).key.user_text
    index = (folder / "index.html").read_text("utf-8")
    assert key in index
    assert FRIEND.key.user_text in index
    # Every link leads to a file that is there, and none out of the folder.
    found = 0
    for page in folder.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"]+)"', page.read_text("utf-8")):
            target = (page.parent / link).resolve()
            assert target.is_relative_to(folder)
            assert target.is_file()
            found += 1
    assert found > 5
    shown = pages(folder)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in shown
    assert "the newest" in shown
    assert "of a friend" in shown
    assert (folder / "blobs" / f"{picture.hex()}.png").read_bytes() == PICTURE
    assert (folder / "blobs" / paper.hex()).read_bytes() == PAPER
    assert folder.stat().st_mode & 0o777 == 0o700
    # What is in it comes back into another home.
    async with open_node("ben") as other:
        records = folder / "records.jsonl"
        count = len(records.read_text("utf-8").splitlines())
        *_, taken = await do(other, "import", path=str(records))
        assert taken["complete"] is True
        assert int(str(taken["accepted"])) == int(str(done["records"])) < count
    assert not elsewhere.exists()


async def test_made_again_it_is_brought_up_to_date(open_node: OpenNode, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    async with open_node("anna") as node:
        name = await brought(node, PICTURE, tmp_path)
        await said(node, b"first", name)
        await do(node, "archive", path=str(folder))
        copy = folder / "blobs" / f"{name.hex()}.png"
        inode = copy.stat().st_ino
        await do(node, "post", text="second")
        # An archive that was broken off left half a file.
        (folder / "index.html").unlink()
        (folder / "records.jsonl.part").write_bytes(b"half")
        await do(node, "archive", path=str(folder))
        assert copy.stat().st_ino == inode
        assert "second" in pages(folder)
        assert (folder / "index.html").exists()
        assert not list(folder.rglob("*.part"))
        lines = (folder / "records.jsonl").read_text("utf-8").splitlines()
        assert all(json.loads(line) for line in lines)


async def test_it_writes_into_no_folder_of_something_else(open_node: OpenNode, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my page")
    async with open_node("anna") as node:
        with pytest.raises(UsageError, match="no archive"):
            await one(node, "archive", path=str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "index.html").read_text() == "my page"
