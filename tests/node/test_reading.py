"""What a home reads: of itself all, from others nothing behind what it has seen, and nothing gets lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, cast

import pytest
from tests.core.makers import post
from tests.node.conftest import HERE, OpenNode, do, one, stored
from tests.server.world import FailingStore

from mosaic.core import vouch
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Marker
from mosaic.core.kind import Readers
from mosaic.core.nonce import FIXED
from mosaic.errors import StoreFull
from mosaic.node import read_records
from mosaic.node.read_records import ReadRecords
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode

CARA = Person("cara")
ACCEPTED, TEMPORARY = ResultCode.ACCEPTED, ResultCode.TEMPORARY_ERROR


@pytest.mark.claim("C44")
async def test_the_owner_reads_all_of_his_home_by_any_filter(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        private = kind_of(readers=Readers.AUTHOR).bytes.hex()
        await one(node, "record", kind=private, text="for me alone")
        await one(node, "post", text="for all")
        everything = await do(node, "query")
        assert [private in str(item) for item in everything] == [False, True, False, False]
        assert await do(node, "query", limit=2) == everything[:2]


@pytest.mark.claim("C6", "C25")
async def test_another_server_does_not_lead_a_home_back_behind_a_schedule(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        now = anna.clock.now_ns() - 60 * 10**9
        stolen = CARA.record(now + 2, signer=CARA.device()).data
        listing = CARA.schedule(now + 1).data
        revoking = CARA.schedule(now + 3, {"device": Marker.REVOKED_ALL}, since=now + 3).data
        await ben.server.submit([listing, stolen], Way.MIRROR)
        url = ben.listen(HERE)
        at_ben = {
            "server": str(url),
            "key": ben.server_secret.public.server_text,
            "as": "anna",
            "authors": [CARA.key.user_text],
            "kinds": [kind_of().bytes.hex()],
        }
        assert len(await do(anna, "query", at_ben)) == 1
        # What was learned on the way stays known, and what is newer wins.
        assert anna.records.schedule(CARA.key) is not None
        await anna.server.submit([revoking], Way.MIRROR)
        assert await do(anna, "query", at_ben) == []


async def test_what_can_not_be_written_is_told_to_who_mirrors(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        record = CARA.record(node.clock.now_ns()).data
        node.server._writer._store = FailingStore(node.store, append=[StoreFull()])  # type: ignore[assignment]
        with pytest.raises(StoreFull):
            await node.mirror([record])
        assert await node.mirror([record]) == [ACCEPTED]


def never() -> NoReturn:
    raise AssertionError("nothing is to be asked for")


async def test_what_was_read_is_handed_in_until_it_is_stored_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(read_records, "_TRY_TO_STORE_AGAIN_S", 0.0)
    first, second = post(payload=b"1"), post(payload=b"2")
    script: list[object] = [
        StoreFull(),
        [TEMPORARY, ACCEPTED],
        StoreFull(),
        [TEMPORARY],
        [TEMPORARY],
        [TEMPORARY],
    ]
    handed_in: list[int] = []

    async def mirror(records: Sequence[bytes], received_by_ns: int | None = None) -> Sequence[ResultCode]:
        assert received_by_ns is None
        handed_in.append(len(records))
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("Sequence[ResultCode]", answer)

    reading = ReadRecords(mirror, lambda _: None)
    await reading.store(CARA.key, [first, second], never)
    assert handed_in == [2, 2, 1, 1, 1, 1]
    assert not script


@pytest.mark.claim("C6")
async def test_vouches_are_handed_in_before_schedules_and_these_before_all_else() -> None:
    said, listing = CARA.record(3), CARA.schedule(1)
    word = vouch.build(CARA.master, [listing.id], 2, nonce=FIXED)
    handed_in: list[bytes] = []

    async def mirror(records: Sequence[bytes], received_by_ns: int | None = None) -> Sequence[ResultCode]:
        handed_in.extend(records)
        return [ACCEPTED] * len(records)

    reading = ReadRecords(mirror, lambda _: None)
    await reading.store(CARA.key, [said, listing, word], never)
    assert handed_in == [word.data, listing.data, said.data]


@pytest.mark.claim("C6", "C7")
async def test_what_an_outbox_had_before_a_revocation_counts_though_it_comes_later(
    open_node: OpenNode,
) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        begun = ben.clock.now_ns()
        listing = CARA.schedule(begun - 9)
        before = [CARA.record(begun - 5 + n, signer=CARA.device()).data for n in range(3)]
        await ben.server.submit([listing.data, *before], Way.MIRROR)
        since = ben.clock.now_ns()
        # A thief dates back what the outbox receives after the revocation.
        late = CARA.record(begun - 6, signer=CARA.device()).data
        await ben.server.submit([late], Way.MIRROR)
        revoking = CARA.schedule(since + 1, {"device": Marker.REVOKED_PAST}, since=since)
        await ben.server.submit([revoking.data], Way.MIRROR)
        url = ben.listen(HERE)
        anna.work()
        at_ben = {"server": str(url), "key": ben.server_secret.public.server_text}
        await one(anna, "follow", at_ben, working=True, person=CARA.key.user_text)
        own = Filter.of(authors=[CARA.key], kinds=[kind_of()])

        def shown() -> list[bytes]:
            return [record.data for record in anna.records.newest_first(own)]

        await stored(anna, lambda: len(shown()) == 3)
        assert shown() == before[::-1]
        # Another schedule that leaves the revocation as it is takes nothing away.
        more = CARA.schedule(
            since + 2, {"device": Marker.REVOKED_PAST, "other": Marker.ACTIVE_SIGNING_KEY}, since=since
        )
        await anna.server.submit([more.data], Way.MIRROR)
        assert shown() == before[::-1]
        # Nobody else's word counts for what comes late.
        stolen = CARA.record(begun - 7, signer=CARA.device()).data
        assert await anna.mirror([stolen]) == [ResultCode.UNAUTHORIZED]
