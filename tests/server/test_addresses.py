"""GET of an address, for each way in which kinds keep several records of one, signed by one or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core.kind import Duplicates
from mosaic.core.nonce import FIXED
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode
from tests.server.world import running

ANNA = Person("anna")
ACCEPTED, DUPLICATE = ResultCode.ACCEPTED, ResultCode.DUPLICATE


@pytest.mark.claim("C29", "C30")
@pytest.mark.parametrize("scheduled", [False, True], ids=["nobody knows the devices", "the schedule is held"])
@pytest.mark.parametrize("duplicates", [Duplicates.UNIQUE, Duplicates.REPLACEABLE, Duplicates.VERSIONED])
async def test_an_address_gives_what_its_kind_keeps(
    tmp_path: Path, duplicates: Duplicates, scheduled: bool
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        if scheduled:
            await anna.submit(ANNA.schedule(world.now(), ("phone", "tablet")))
        kind = kind_of(duplicates=duplicates)

        def edit(seconds: int, device: str) -> bytes:
            its = ANNA.device(device)
            return ANNA.record(world.now(seconds), kind=kind, nonce=FIXED, signer=its).data

        phone, tablet, again = edit(0, "phone"), edit(1, "tablet"), edit(2, "phone")
        assert await anna.submit(phone, tablet, again) == [ACCEPTED] * 3
        wanted = [again, tablet, phone]
        if duplicates is Duplicates.REPLACEABLE:
            # Of each signer as long as nobody can tell which of them are the author's.
            wanted = [again] if scheduled else [again, tablet]
        assert await anna.get(phone[48:96]) == wanted
        assert await anna.get(phone[:48]) == ([phone] if phone in wanted else [])
        assert await anna.submit(phone) == [DUPLICATE]
        other = await anna.get(b"\x80" + bytes(6) + b"\x01" + phone[56:96])
        assert other == []
