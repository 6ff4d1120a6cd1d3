"""The server as a whole, over memory links."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode
from tests.server.world import running

ANNA = Person("anna")
BEN = Person("ben")


@pytest.mark.claim("C44", "C45")
async def test_a_record_travels_from_one_peer_to_another(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        reader = await world.connect()
        query_id, stored = await reader.subscribe(Filter.of(authors=[ANNA.key]))
        assert stored == []
        first = ANNA.record(world.now())
        assert await anna.submit(first) == [ResultCode.ACCEPTED]
        await reader.until(lambda: bool(reader.inbox))
        assert reader.records(query_id) == [first.data]
        assert await reader.query(Filter.of(authors=[ANNA.key])) == ([first.data], ResultCode.SUCCESS)
        assert await reader.get(first.id.bytes) == [first.data]
        assert await reader.get(first.address.bytes) == [first.data]
