"""Blobs in parts: who may bring them, where they go on, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core import blob_hash
from mosaic.server.blob_parts import OFFERS_PER_LINK, PARTS_PER_LINK
from mosaic.server.settings import ServerSettings
from mosaic.server.uploads import Uploads
from mosaic.testing import Person
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import BlobGet
from mosaic.wire.limits import BLOB_PART_LIMIT
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import BlobResult
from tests.server.world import Client, running

ANNA, EVE = Person("anna"), Person("eve")
DATA = bytes(range(256)) * 12_000
NAME = blob_hash.of(DATA)


async def offer(client: Client, data: bytes = DATA) -> tuple[ResultCode, int]:
    client.send(BlobOffer(blob_hash.of(data), len(data)))
    return await held(client, data)


async def held(client: Client, data: bytes = DATA) -> tuple[ResultCode, int]:
    answer = await client.take(BlobOfferResult)
    assert answer.hash == blob_hash.of(data)
    return answer.result, answer.held


async def part(client: Client, begin: int, end: int, name: bytes = NAME) -> tuple[ResultCode, int]:
    client.send(BlobPart(name, begin, DATA[begin:end]))
    return await held(client)


@pytest.mark.claim("C45")
async def test_a_blob_arrives_in_parts_over_several_links(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await offer(anna) == (ResultCode.SUCCESS, 0)
        assert await part(anna, 0, 1_000_000) == (ResultCode.SUCCESS, 1_000_000)
        anna.network.abort(anna.link)
        again = await world.connect(ANNA.master)
        assert await part(again, 1_000_000, 1_000_100) == (ResultCode.NOT_FOUND, 0)
        assert await offer(again) == (ResultCode.SUCCESS, 1_000_000)
        # The next parts follow without waiting for answers.
        for begin in range(1_000_000, len(DATA), 700_000):
            again.send(BlobPart(NAME, begin, DATA[begin : begin + 700_000]))
        last = [await held(again) for _ in range(1_000_000, len(DATA), 700_000)][-1]
        assert last == (ResultCode.ACCEPTED, len(DATA))
        again.send(BlobGet(NAME))
        assert (await again.take(BlobResult)).blob == DATA
        assert await offer(again) == (ResultCode.DUPLICATE, len(DATA))
        assert [upload[:2] for upload in Uploads(tmp_path / "blobs" / "uploads")] == [(NAME, ANNA.key_bytes)]


@pytest.mark.claim("C45")
async def test_a_blob_goes_out_in_parts(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, nobody = await world.connect(ANNA.master), await world.connect()
        await offer(anna)
        for begin in range(0, len(DATA), BLOB_PART_LIMIT):
            await part(anna, begin, begin + BLOB_PART_LIMIT)
        for begin, most, end in (
            (0, 10, 10),
            (5, 1 << 31, 5 + BLOB_PART_LIMIT),
            (len(DATA) - 3, 10, len(DATA)),
            (len(DATA), 10, len(DATA)),
            (len(DATA) + 9, 10, len(DATA)),
        ):
            nobody.send(BlobPartGet(NAME, begin, most))
            answer = await nobody.take(BlobPartResult)
            assert answer == BlobPartResult(NAME, ResultCode.SUCCESS, begin, len(DATA), DATA[begin:end])
        nobody.send(BlobPartGet(bytes(32), 7, 10))
        assert await nobody.take(BlobPartResult) == BlobPartResult(bytes(32), ResultCode.NOT_FOUND, 7, 0)


async def test_only_who_may_bring_a_blob_may_bring_parts(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(blob_limit=len(DATA))) as world:
        nobody, eve = await world.connect(), await world.connect(EVE.master)
        assert await offer(nobody) == (ResultCode.REQUIRES_AUTHENTICATION, 0)
        assert await offer(eve) == (ResultCode.UNAUTHORIZED, 0)
        assert await part(eve, 0, 10) == (ResultCode.NOT_FOUND, 0)
        anna = await world.connect(ANNA.master)
        assert (await offer(anna))[0] is ResultCode.SUCCESS
        assert (await offer(anna, DATA + b"!"))[0] is ResultCode.TOO_LARGE
        assert not list((tmp_path / "blobs").glob("partial/*.00*"))


async def test_parts_that_make_another_blob_are_invalid_and_leave_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        name = blob_hash.of(b"something else")
        anna.send(BlobOffer(name, 10), BlobPart(name, 0, b"0123456789"))
        assert (await anna.take(BlobOfferResult)).result is ResultCode.SUCCESS
        assert (await anna.take(BlobOfferResult)).result is ResultCode.INVALID
        anna.send(BlobOffer(name, 10), BlobPart(name, 0, b"more than ten bytes"))
        assert (await anna.take(BlobOfferResult)).result is ResultCode.SUCCESS
        assert (await anna.take(BlobOfferResult)).result is ResultCode.INVALID
        assert list((tmp_path / "blobs" / "partial").iterdir()) == []


async def test_a_part_out_of_its_place_is_answered_by_where_it_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await offer(anna)
        assert await part(anna, 500, 600) == (ResultCode.SUCCESS, 0)
        assert await part(anna, 0, 100) == (ResultCode.SUCCESS, 100)
        assert await part(anna, 0, 100) == (ResultCode.SUCCESS, 100)


@pytest.mark.claim("C89")
async def test_one_link_has_only_so_much_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.server.blob_parts.PARTS", 2)
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        for number in range(OFFERS_PER_LINK):
            assert (await offer(anna, bytes([number]) * 9))[0] is ResultCode.SUCCESS
        assert (await offer(anna))[0] is ResultCode.TOO_FAST
        first = blob_hash.of(bytes([0]) * 9)
        anna.send(b"".join(BlobPart(first, 0, b"x").encode() for _ in range(PARTS_PER_LINK + 1)))
        results = [(await anna.take(BlobOfferResult)).result for _ in range(PARTS_PER_LINK + 1)]
        assert ResultCode.TOO_FAST in results
        assert results.count(ResultCode.SUCCESS) == 2


async def test_a_full_disk_is_a_temporary_error_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await offer(anna)
        await part(anna, 0, 100)
        opened = Path.open

        def full(self: Path, mode: str = "r", *more: object, **others: object) -> object:
            if mode == "r+b":
                raise OSError(28, "No space left on device")
            return opened(self, mode, *more, **others)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", full)
        assert await part(anna, 100, 200) == (ResultCode.TEMPORARY_ERROR, 0)
        monkeypatch.undo()
        assert await offer(anna) == (ResultCode.SUCCESS, 100)
        assert await part(anna, 100, 200) == (ResultCode.SUCCESS, 200)


async def test_of_an_erased_person_no_begun_blob_stays(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, EVE) as world:
        anna, eve = await world.connect(ANNA.master), await world.connect(EVE.master)
        for client in (anna, eve):
            assert await offer(client) == (ResultCode.SUCCESS, 0)
            assert await part(client, 0, 1_000) == (ResultCode.SUCCESS, 1_000)
        await world.server.moderation.erase(ANNA.key_bytes, by="server")
        assert len(list((tmp_path / "blobs" / "partial").iterdir())) == 1
        assert await part(anna, 1_000, 2_000) == (ResultCode.NOT_FOUND, 0)
        assert await part(eve, 1_000, 2_000) == (ResultCode.SUCCESS, 2_000)
