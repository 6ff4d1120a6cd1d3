"""Blobs: who may bring them, what is refused, and that they come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core import blob_hash
from mosaic.server.settings import ServerSettings
from mosaic.server.uploads import Upload, Uploads
from mosaic.testing import Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, running

ANNA, EVE = Person("anna"), Person("eve")
SIZES = [0, 1, 65_000, 70_000, 3_000_000]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


async def put(client: Client, blob: bytes, name: bytes | None = None) -> ResultCode:
    name = name or blob_hash.of(blob)
    client.send(ask.BlobSubmission(name, blob))
    answer = await client.take(tell.BlobSubmissionResult)
    assert answer.hash == name
    return answer.result


async def get(client: Client, name: bytes) -> tell.BlobResult:
    client.send(ask.BlobGet(name))
    answer = await client.take(tell.BlobResult)
    assert answer.hash == name
    return answer


@pytest.mark.claim("C45")
@pytest.mark.parametrize("size", SIZES)
async def test_a_blob_comes_back_to_anybody(tmp_path: Path, size: int) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, nobody = await world.connect(ANNA.master), await world.connect()
        blob = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert await put(anna, blob) is ResultCode.ACCEPTED
        answer = await get(nobody, blob_hash.of(blob))
        assert (answer.result, answer.blob) == (ResultCode.SUCCESS, blob)
        assert await put(anna, blob) is ResultCode.DUPLICATE
        assert list((world.folder / "blobs" / "incoming").iterdir()) == []


@pytest.mark.claim("C45", "C88")
async def test_only_people_who_live_here_may_bring_blobs(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        nobody, eve = await world.connect(), await world.connect(EVE.master)
        for blob in (b"small", bytes(100_000)):
            assert await put(nobody, blob) is ResultCode.REQUIRES_AUTHENTICATION
            assert await put(eve, blob) is ResultCode.UNAUTHORIZED
            assert (await get(eve, blob_hash.of(blob))).result is ResultCode.NOT_FOUND
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.schedule(world.now())) == [ResultCode.ACCEPTED]
        device = await world.connect(ANNA.device())
        world.clock.advance(seconds=9)
        assert await put(device, b"small") is ResultCode.ACCEPTED
        uploads = list(Uploads(tmp_path / "blobs" / "uploads"))
        assert uploads == [Upload(blob_hash.of(b"small"), ANNA.key_bytes, world.now(), 5)]
        assert files_in(tmp_path) == []


@pytest.mark.claim("C45")
@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_blob_with_another_hash_is_invalid_and_not_kept(tmp_path: Path, size: int) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        name = blob_hash.of(b"something else")
        assert await put(anna, bytes(size), name) is ResultCode.INVALID
        assert (await get(anna, name)).result is ResultCode.NOT_FOUND
        assert files_in(tmp_path) == []


@pytest.mark.claim("C45", "C88", "C89")
async def test_a_blob_longer_than_the_operator_takes_is_too_large(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(blob_limit=100_000)) as world:
        anna = await world.connect(ANNA.master)
        assert await put(anna, bytes(100_001)) is ResultCode.TOO_LARGE
        assert await put(anna, bytes(100_000)) is ResultCode.ACCEPTED
        # One that its header says no message can hold is refused before it is read.
        anna.send(ask.BlobSubmission.head(bytes(32), 67_108_865))
        assert (await anna.take(tell.Closing)).result is ResultCode.TOO_LARGE


async def test_a_blob_that_vanished_is_not_found_and_a_failing_disk_a_temporary_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await put(anna, b"soon gone") is ResultCode.ACCEPTED
        name = blob_hash.of(b"soon gone")
        (tmp_path / "blobs" / name.hex()[:2] / name.hex()).unlink()
        assert (await get(anna, name)).result is ResultCode.NOT_FOUND

        def fail(*_: object) -> None:
            raise OSError(5, "the disk fails")

        with monkeypatch.context() as full:
            full.setattr(Path, "write_bytes", fail)
            assert await put(anna, b"no room") is ResultCode.TEMPORARY_ERROR
        assert list((tmp_path / "blobs").glob("incoming-*")) == []
        monkeypatch.setattr(world.server._blobs._blobs, "adopt", fail)
        assert await put(anna, b"another") is ResultCode.TEMPORARY_ERROR


async def test_blobs_wait_for_who_is_slow_to_read_and_there_is_an_end_to_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(blobs_waiting_per_link=10)) as world:
        anna = await world.connect(ANNA.master)
        blob = bytes(2_000_000)
        assert await put(anna, blob) is ResultCode.ACCEPTED
        anna.stop_reading()
        anna.send(*(ask.BlobGet(blob_hash.of(blob)) for _ in range(30)))
        other = await world.connect()
        await other.settled()
        assert world.server._entrances.networks[0].pending(1) <= 262_144
        anna.go_on_reading()
        results = [(await anna.take(tell.BlobResult)).result for _ in range(30)]
        assert set(results) == {ResultCode.SUCCESS, ResultCode.TOO_FAST}
        assert results.count(ResultCode.SUCCESS) >= 10
        # Who asks for no more than that gets everything.
        anna.send(*(ask.BlobGet(blob_hash.of(blob)) for _ in range(10)))
        for _ in range(10):
            assert (await anna.take(tell.BlobResult)).blob == blob


def test_a_torn_entry_of_an_upload_is_written_over(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads")
    assert list(uploads) == []
    first, second = Upload(bytes(32), b"k" * 32, 1, 2), Upload(b"h" * 32, b"k" * 32, 3, 4)
    uploads.remember(first)
    with (tmp_path / "uploads").open("ab") as file:
        file.write(b"torn")
    assert list(uploads) == [first]
    uploads.remember(second)
    assert list(uploads) == [first, second]
