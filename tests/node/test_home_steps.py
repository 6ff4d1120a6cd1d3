"""A home of an earlier layout becomes one of today's, and nothing of it is lost."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mosaic.core import builder, nonce
from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
from mosaic.core.reference import Id
from mosaic.errors import HomeDamaged, HomeNewer
from mosaic.node import home_steps
from mosaic.node.home import FORMAT, Home, try_lock
from mosaic.node.node import Node
from mosaic.policy.submission import Way
from mosaic.store.embedded import open_store
from mosaic.store.record_source import RecordSource
from mosaic.wire.result_code import ResultCode

HOMES = Path(__file__).parents[1] / "faults" / "homes"
TOLD: dict[str, Any] = json.loads((HOMES / "v1.json").read_text())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home that a program of layout 1 left."""
    packed = zstandard.ZstdDecompressor().decompress(
        (HOMES / "v1.tar.zst").read_bytes(), max_output_size=1 << 24
    )
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "home" / "unlock").chmod(0o600)
    return Home(tmp_path / "home")


async def opened(home: Home) -> Node:
    lock = try_lock(home)
    assert lock is not None
    return await Node.open(home, lock)


def served(node: Node) -> set[str]:
    return {stored.record.id.text for stored in RecordSource(node.store).query(Filter())}


async def test_records_people_and_blobs_are_as_they_were(home: Home) -> None:
    node = await opened(home)
    try:
        assert set(TOLD["kept"]) <= served(node)
        assert {person.name: person.key.user_text for person in node.people} == TOLD["people"]
        assert node.server_secret.public.server_text == TOLD["server"]
        assert [node.blobs.has(bytes.fromhex(each)) for each in TOLD["blobs"]] == [True, True, True]
        assert home.version() == FORMAT
        assert node.store.verify() == []
        # They are whole people: each can write again.
        for person in node.people:
            now = node.clock.now_ns()
            record = builder.build(
                person.device,
                author=person.key,
                kind=MICROBLOG,
                nonce=nonce.from_time(now),
                timestamp=now,
                payload=b"still here",
            )
            assert await node.server.submit([record.data], Way.OWNER) == [ResultCode.ACCEPTED]
    finally:
        await node.stop()


async def test_what_deletions_name_goes_and_does_not_come_back(home: Home) -> None:
    """The earlier program kept Deletions and did not understand them."""
    deleted = [Id.parse(each) for each in TOLD["deleted"]]
    before = open_store(home.folder)
    records = [RecordSource(before).get(each)[0].record.data for each in deleted]
    before.close()
    for _ in range(2):
        node = await opened(home)
        try:
            assert not served(node) & set(TOLD["deleted"])
            assert not served(node) & set(TOLD["superseded"])
            # One by somebody else never counts.
            assert set(TOLD["kept"]) <= served(node)
            for way in (Way.OWNER, Way.MIRROR, Way.IMPORT):
                results = await node.server.submit(records, way)
                assert results == [ResultCode.UNAUTHORIZED] * len(records)
        finally:
            await node.stop()


async def test_what_was_there_is_put_aside_for_a_week(home: Home) -> None:
    before = {path.name: path.read_bytes() for path in (home.folder / "log").glob("*.log")}
    node = await opened(home)
    await node.stop()
    aside = home.folder / "before-2"
    assert {path.name: path.read_bytes() for path in (aside / "log").iterdir()} == before
    assert (aside / "VERSION").read_text() == "1\n"
    assert (aside / "private.db").stat().st_mode & 0o777 == 0o600
    await (await opened(home)).stop()
    assert aside.exists()
    os.utime(aside, (1, 1))
    await (await opened(home)).stop()
    assert not aside.exists()


async def test_a_step_that_was_broken_off_is_taken_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> int:
        raise HomeDamaged("the machine went off")

    with monkeypatch.context() as patched:
        patched.setattr(home_steps, "settle", fails)
        with pytest.raises(HomeDamaged):
            await opened(home)
    assert home.version() == 1
    node = await opened(home)
    try:
        assert not served(node) & set(TOLD["deleted"])
        assert home.version() == FORMAT
    finally:
        await node.stop()
    assert (home.folder / "before-2" / "VERSION").read_text() == "1\n"


async def test_nothing_changes_when_there_is_no_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mosaic.node.home_steps.shutil.copy2", full)
        patched.setattr("mosaic.node.home_steps.os.link", full)
        with pytest.raises(HomeDamaged) as caught:
            await opened(home)
    assert "room" in caught.value.hint
    assert home.version() == 1
    await (await opened(home)).stop()


async def test_an_earlier_program_does_not_open_the_home_any_more(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await opened(home)).stop()
    monkeypatch.setattr("mosaic.node.home.FORMAT", 1)
    with pytest.raises(HomeNewer):
        home.check()
