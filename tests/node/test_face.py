"""The node as its page sees it."""

from __future__ import annotations

import asyncio

import pytest
from tests.node.conftest import HERE, OpenNode, one

from mosaic.errors import FormatError, Refused, UnknownPerson, UsageError
from mosaic.node.face import Face
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.web.face import NodeFace


def is_what_the_page_needs(face: Face) -> NodeFace:
    return face


async def test_a_home_without_people_waits_for_a_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    home = Home(tmp_path / "empty")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock)
    try:
        face = Face(node)
        assert (face.status().name, face.people()) == ("", [])
        with pytest.raises(UnknownPerson):
            await face.feed()
        assert (await face.begin("anna")).name == "anna"
        with pytest.raises(UsageError):
            await face.begin("ben")
        assert (await face.post("hello")).mine
    finally:
        await node.stop()


async def test_posts_replies_pages_and_threads(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        face = Face(node)
        root = await face.post("root")
        answer = await face.reply(root.reference, "answer")
        assert (answer.answers, answer.author_name, answer.edited) == (root.reference, "anna", False)
        for number in range(4):
            await face.post(str(number))
        first = await face.feed(limit=3)
        assert [entry.text for entry in first] == ["3", "2", "1"]
        rest = await face.wall(root.author, before=first[-1].reference, limit=3)
        assert [entry.text for entry in rest] == ["0", "answer", "root"]
        assert [entry.text for entry in await face.thread(answer.reference)] == ["root", "answer"]
        await one(node, "edit", reference=root.reference, text="edited")
        (top, _) = await face.thread(root.reference)
        assert (top.text, top.edited, top.reference) == ("edited", True, root.reference)
        assert await face.entry(root.reference) == top
        async with open_node("ben") as other:
            assert await Face(other).entry(root.reference) is None


async def test_following(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        await Face(anna).post("hello")
        url = anna.listen(HERE)
        ben.work()
        face, key = Face(ben), anna.people.find(None).key.user_text
        with ben.changes() as changed:
            followed = await face.follow(
                key, server=str(url), server_key=anna.server_secret.public.server_text
            )
            assert (followed.key, followed.servers, followed.state) == (key, [str(url)], "connecting")
            async with asyncio.timeout(30):
                # The name comes with the profile, which may be a moment behind.
                while [entry.author_name for entry in await face.feed()] != ["anna"]:
                    await changed.wait()
                    changed.clear()
        (entry,) = await face.feed()
        assert (entry.text, entry.mine, entry.author_name) == ("hello", False, "anna")
        assert [person.name for person in face.people()] == ["anna"]
        await face.unfollow(key)
        assert face.people() == []


async def test_wrong_input_is_told(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        face = Face(node)
        for call in (face.wall("anna"), face.thread("x"), face.follow("x", server="", server_key="")):
            with pytest.raises(FormatError):
                await call
        other = await one(node, "post", text="x")
        missing = str(other["id"])
        with pytest.raises((Refused, FormatError)):
            await face.reply(missing[:-2] + "yy", "y")


async def test_changes_come_as_records_do(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        face = Face(node)
        changes = face.changes()
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        await face.post("hello")
        await asyncio.wait_for(waiting, 10)
