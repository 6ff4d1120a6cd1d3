"""What becomes of a submission: every result that one can have."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mosaic.core import validation
from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Readers
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import StoreFull
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import FailingStore, World, running

ANNA = Person("anna")
BEN = Person("ben")
EVE = Person("eve")
REPLACEABLE = kind_of(duplicates=Duplicates.REPLACEABLE)
VERSIONED = kind_of(duplicates=Duplicates.VERSIONED)
EPHEMERAL = kind_of(duplicates=Duplicates.EPHEMERAL)
ACCEPTED, DUPLICATE, INVALID = ResultCode.ACCEPTED, ResultCode.DUPLICATE, ResultCode.INVALID
UNAUTHORIZED = ResultCode.UNAUTHORIZED


async def all_of(world: World, person: Person) -> list[bytes]:
    """What the store serves of a person to everybody, newest first."""
    reader = await world.connect()
    records, _ = await reader.query(Filter.of(authors=[person.key]))
    return records


@pytest.mark.claim("C45")
async def test_what_is_accepted_is_there_and_a_second_time_a_duplicate(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        record = ANNA.record(world.now())
        assert await anna.submit(record) == [ACCEPTED]
        assert await anna.submit(record, record) == [DUPLICATE, DUPLICATE]
        assert await all_of(world, ANNA) == [record.data]


@pytest.mark.claim("C25", "C26")
async def test_records_that_break_a_rule_are_invalid_and_their_neighbours_are_not(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        good = [ANNA.record(world.now(), payload=bytes(8)) for _ in range(3)]
        forged = bytearray(ANNA.record(world.now()).data)
        forged[-1] ^= 1
        other_hash = bytearray(ANNA.record(world.now()).data)
        other_hash[20] ^= 1
        reserved = bytearray(ANNA.record(world.now()).data)
        reserved[137] = 1
        results = await anna.submit(
            good[0], bytes(forged), good[1], bytes(other_hash), bytes(reserved), good[2]
        )
        assert results == [ACCEPTED, INVALID, ACCEPTED, INVALID, INVALID, ACCEPTED]
        assert set(await all_of(world, ANNA)) == {record.data for record in good}


async def test_forged_records_put_their_link_apart_and_honest_ones_beside_it_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        hostile, honest = await world.connect(), await world.connect()
        for _ in range(3):
            forged = bytearray(ANNA.record(world.now()).data)
            forged[-1] ^= 1
            good = [ANNA.record(world.now()) for _ in range(5)]
            hostile.send(*(ask.Submission(bytes(forged)) for _ in range(3)))
            assert await honest.submit(*good) == [ACCEPTED] * 5
            for _ in range(3):
                assert (await hostile.take(tell.SubmissionResult)).result is INVALID
        late = ANNA.record(world.now())
        assert await hostile.submit(late) == [ACCEPTED]


@pytest.mark.parametrize(("seconds", "result"), [(15 * 60, ACCEPTED), (15 * 60 + 1, INVALID)])
async def test_a_record_of_the_future_is_refused(tmp_path: Path, seconds: int, result: ResultCode) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        assert await anna.submit(ANNA.record(world.now(seconds))) == [result]
        assert await anna.submit(ANNA.record(world.now(-400_000_000))) == [ACCEPTED]


async def test_strangers_may_write_what_notifies_somebody_who_lives_here(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        eve = await world.connect(EVE.master)
        assert await eve.submit(EVE.record(world.now())) == [UNAUTHORIZED]
        assert await eve.submit(EVE.record(world.now(), notify=[BEN.key])) == [UNAUTHORIZED]
        assert await eve.submit(EVE.record(world.now(), notify=[BEN.key, ANNA.key])) == [ACCEPTED]
        # Somebody else may carry what one who lives here has signed.
        assert await eve.submit(ANNA.record(world.now())) == [ACCEPTED]


async def test_strangers_who_write_too_fast_are_told_so(tmp_path: Path) -> None:
    settings = ServerSettings(
        limits=LimitTable(Limits(records_per_second=2, burst=3), Limits(records_per_second=2, burst=3))
    )
    async with running(tmp_path, ANNA, settings=settings) as world:
        eve = await world.connect(EVE.master)
        records = [EVE.record(world.now(), notify=[ANNA.key]) for _ in range(8)]
        eve.send(*(ask.Submission(record.data) for record in records[:5]))
        answers = [await eve.take(tell.SubmissionResult) for _ in range(5)]
        results = {answer.prefix: answer.result for answer in answers}
        assert [results[record.data[:32]] for record in records[:5]] == [
            ACCEPTED,
            ACCEPTED,
            ACCEPTED,
            ResultCode.TOO_FAST,
            ResultCode.TOO_FAST,
        ]
        world.clock.advance(seconds=1)
        assert await eve.submit(records[3]) == [ACCEPTED]
        anna = await world.connect(ANNA.master)
        assert await anna.submit(*(ANNA.record(world.now()) for _ in range(20))) == [ACCEPTED] * 20


async def test_a_few_records_of_somebody_tried_are_checked_without_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []
    check = validation.check_batch

    def watched(records: Sequence[bytes], *, batch: int = 256, threads: int = 1) -> bytes:
        where.append(threading.current_thread().name)
        return check(records, batch=batch, threads=threads)

    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await anna.submit(ANNA.record(world.now()))
        monkeypatch.setattr(validation, "check_batch", watched)
        assert await anna.submit(ANNA.record(world.now())) == [ResultCode.ACCEPTED]
        assert where == [threading.current_thread().name]
        forged = bytearray(ANNA.record(world.now()).data)
        forged[-1] ^= 1
        assert await anna.submit(bytes(forged)) == [ResultCode.INVALID]
        # What comes from where a false one came from keeps nobody waiting.
        where.clear()
        assert await anna.submit(ANNA.record(world.now())) == [ResultCode.ACCEPTED]
        assert where
        assert threading.current_thread().name not in where


async def test_a_record_longer_than_the_operator_takes_is_too_large(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(record_limit=1000)) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.record(world.now(), payload=bytes(1000))) == [ResultCode.TOO_LARGE]
        assert await anna.submit(ANNA.record(world.now(), payload=bytes(500))) == [ACCEPTED]


@pytest.mark.claim("C29")
async def test_only_the_newest_of_a_replaceable_address_is_served(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        at = [ANNA.record(world.now(n), kind=REPLACEABLE, nonce=FIXED) for n in range(4)]
        assert await anna.submit(at[1]) == [ACCEPTED]
        assert await anna.submit(at[3]) == [ACCEPTED]
        assert await anna.submit(at[2], at[0]) == [DUPLICATE, DUPLICATE]
        assert await all_of(world, ANNA) == [at[3].data]
        assert await anna.get(at[1].address.bytes) == [at[3].data]
        assert await anna.get(at[1].id.bytes) == []


@pytest.mark.claim("C29")
@pytest.mark.parametrize("kind", [VERSIONED, kind_of()], ids=["versioned", "unique"])
async def test_all_of_a_versioned_or_unique_address_are_kept(tmp_path: Path, kind: object) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        assert kind in {VERSIONED, kind_of()}
        versions = [
            ANNA.record(world.now(n), kind=VERSIONED if kind == VERSIONED else kind_of(), nonce=FIXED)
            for n in range(3)
        ]
        assert await anna.submit(*versions) == [ACCEPTED] * 3
        newest_first = [record.data for record in reversed(versions)]
        assert await anna.get(versions[0].address.bytes) == newest_first


@pytest.mark.claim("C27")
async def test_a_kind_is_its_whole_eight_bytes(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        one = ANNA.record(world.now(), kind=REPLACEABLE, nonce=FIXED)
        other = ANNA.record(
            world.now(1), kind=kind_of(duplicates=Duplicates.REPLACEABLE, number=8), nonce=FIXED
        )
        assert await anna.submit(one, other) == [ACCEPTED, ACCEPTED]
        assert await all_of(world, ANNA) == [other.data, one.data]


# --- FROM_AUTHOR ------------------------------------------------------------------------------------


@pytest.mark.claim("C26")
async def test_from_author_is_taken_on_the_authors_own_connection_only(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        flagged = [ANNA.record(world.now(n), from_author=True) for n in range(4)]
        nobody, eve = await world.connect(), await world.connect(EVE.master)
        assert await nobody.submit(flagged[0]) == [ResultCode.REQUIRES_AUTHENTICATION]
        assert await eve.submit(flagged[0]) == [UNAUTHORIZED]
        assert await anna.submit(flagged[0]) == [ACCEPTED]
        assert await world.server.submit([flagged[1].data], Way.MIRROR) == [UNAUTHORIZED]
        assert await world.server.submit([flagged[1].data], Way.OWNER) == [ACCEPTED]
        # A device that the schedule lists counts as the author.
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        device = await world.connect(ANNA.device())
        assert await device.submit(flagged[2]) == [ACCEPTED]


# --- ephemeral ------------------------------------------------------------------------------------------


@pytest.mark.claim("C28")
async def test_ephemeral_records_reach_current_subscribers_only(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, reader = await world.connect(ANNA.master), await world.connect()
        query_id, _ = await reader.subscribe(Filter.of(kinds=[EPHEMERAL]))
        record = ANNA.record(world.now(), kind=EPHEMERAL)
        assert await anna.submit(record) == [ACCEPTED]
        await reader.until(lambda: bool(reader.inbox))
        assert reader.records(query_id) == [record.data]
        assert await anna.submit(record) == [DUPLICATE]
        assert await all_of(world, ANNA) == []
        assert await anna.get(record.id.bytes) == []
        assert world.store.stats()["records"] == 0


@pytest.mark.claim("C28")
async def test_no_consumers_is_told_to_a_proven_author_who_lives_here_and_for_open_kinds(
    tmp_path: Path,
) -> None:
    hidden = kind_of(duplicates=Duplicates.EPHEMERAL, readers=Readers.AUTHOR_AND_TAGGED)
    async with running(tmp_path, ANNA) as world:
        anna, nobody = await world.connect(ANNA.master), await world.connect()
        eve = await world.connect(EVE.master)
        assert await anna.submit(ANNA.record(world.now(), kind=EPHEMERAL)) == [ResultCode.NO_CONSUMERS]
        assert await nobody.submit(ANNA.record(world.now(), kind=EPHEMERAL)) == [ACCEPTED]
        assert await anna.submit(ANNA.record(world.now(), kind=hidden)) == [ACCEPTED]
        to_anna = EVE.record(world.now(), kind=EPHEMERAL, notify=[ANNA.key])
        assert await eve.submit(to_anna) == [ACCEPTED]
        await nobody.subscribe(Filter.of(authors=[ANNA.key]))
        assert await anna.submit(ANNA.record(world.now(), kind=EPHEMERAL)) == [ACCEPTED]


@pytest.mark.claim("C28")
async def test_ephemeral_records_are_taken_near_their_time_and_once(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(ephemeral_memory=2)) as world:
        anna = await world.connect()
        for seconds, result in ((-301, INVALID), (301, INVALID), (-300, ACCEPTED), (300, ACCEPTED)):
            assert await anna.submit(ANNA.record(world.now(seconds), kind=EPHEMERAL)) == [result]
        full = ANNA.record(world.now(), kind=EPHEMERAL)
        assert await anna.submit(full) == [ResultCode.TOO_FAST]
        # The one that was five minutes old is forgotten: it would be refused for its age now.
        world.clock.advance(seconds=1)
        assert await anna.submit(full) == [ACCEPTED]


# --- key schedules and profiles ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KEY_SCHEDULE, PROFILE], ids=["key schedule", "profile"])
async def test_key_schedules_and_profiles_are_the_masters(tmp_path: Path, kind: object) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        signed_by_device = ANNA.record(
            world.now(1), kind=KEY_SCHEDULE if kind == KEY_SCHEDULE else PROFILE, signer=ANNA.device()
        )
        assert await anna.submit(signed_by_device) == [UNAUTHORIZED]


async def test_a_key_schedule_that_breaks_its_own_rules_is_invalid(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        broken = ANNA.record(world.now(), kind=KEY_SCHEDULE, nonce=FIXED, payload=b"no entries")
        assert await anna.submit(broken) == [INVALID]


# --- policy and failures ----------------------------------------------------------------------------


async def test_the_first_refusal_of_the_policy_wins_and_a_failing_rule_refuses(tmp_path: Path) -> None:
    def ban(submission: Submission) -> Verdict:
        if submission.author == EVE.key_bytes:
            return Refuse(ResultCode.PUBKEY_PERM_BANNED, "banned")
        return ACCEPT

    def fail(submission: Submission) -> Verdict:
        if submission.author == BEN.key_bytes:
            raise KeyError("a mistake")
        return ACCEPT

    async with running(tmp_path, hooks=[ban, fail]) as world:
        anyone = await world.connect()
        results = await anyone.submit(
            EVE.record(world.now()), BEN.record(world.now()), ANNA.record(world.now())
        )
        assert results == [ResultCode.PUBKEY_PERM_BANNED, ResultCode.GENERAL_ERROR, ACCEPTED]


async def test_a_full_disk_is_a_temporary_error_and_reading_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        before = ANNA.record(world.now())
        assert await anna.submit(before) == [ACCEPTED]
        world.server._writer._store = FailingStore(world.store, append=[StoreFull()])  # type: ignore[assignment]
        late = ANNA.record(world.now(1))
        assert await anna.submit(late) == [ResultCode.TEMPORARY_ERROR]
        assert await all_of(world, ANNA) == [before.data]
        assert await anna.submit(late) == [ACCEPTED]
        assert world.server.metrics.write_failures == 1


@pytest.mark.claim("C28")
async def test_what_only_passes_through_needs_no_disk(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, reader = await world.connect(ANNA.master), await world.connect()
        query_id, _ = await reader.subscribe(Filter.of(authors=[ANNA.key]))
        world.server._writer._store = FailingStore(world.store, append=[StoreFull()])  # type: ignore[assignment]
        stored, passing = ANNA.record(world.now()), ANNA.record(world.now(), kind=EPHEMERAL)
        assert await anna.submit(stored, passing) == [ResultCode.TEMPORARY_ERROR, ACCEPTED]
        await reader.until(lambda: bool(reader.inbox))
        assert reader.records(query_id) == [passing.data]


async def test_a_removed_and_refused_id_is_not_taken_again(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        record = ANNA.record(world.now())
        assert await anna.submit(record) == [ACCEPTED]
        position = world.store.contains([record.id.bytes])[0]
        assert position is not None
        assert world.store.remove([position], refuse=True) == 1
        assert await anna.submit(record) == [UNAUTHORIZED]


# --- received times -------------------------------------------------------------------------------------


@pytest.mark.claim("C7")
async def test_received_times_are_the_servers_own_and_rise_strictly(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        records = [ANNA.record(world.now(-n)) for n in range(20)]
        assert await anna.submit(*records[:10]) == [ACCEPTED] * 10
        world.clock.advance(seconds=-3)
        assert await anna.submit(*records[10:]) == [ACCEPTED] * 10
        scan = world.store.follow(Filter.of().compiled, 0)
        times = [received for _, received, _ in scan.records(100, 10**9)[0]]
        assert times == list(range(world.now(3), world.now(3) + 20))
        # Who asks what came since a time gets what he has not yet got.
        since, _ = await anna.query(Filter.of(authors=[ANNA.key], received_since=Timestamp(times[15])))
        assert set(since) == {record.data for record in records[15:]}
        assert await anna.submit(records[0]) == [DUPLICATE]
        again, _ = await anna.query(Filter.of(authors=[ANNA.key], received_until=Timestamp(times[0])))
        assert again == [records[0].data]


@pytest.mark.claim("C7")
async def test_received_times_go_on_after_a_restart_with_a_clock_that_is_behind(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        assert await world.server.submit([ANNA.record(world.now()).data], Way.OWNER) == [ACCEPTED]
        last = world.store.last_received_ns
        clock = world.clock
    clock.advance(seconds=-1)
    async with running(tmp_path, ANNA, clock=clock) as world:
        assert await world.server.submit([ANNA.record(world.now()).data], Way.OWNER) == [ACCEPTED]
        assert world.store.last_received_ns == last + 1


# --- the node's own ways in ------------------------------------------------------------------------------


async def test_what_the_node_mirrors_is_checked_like_all_else(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        forged = bytearray(BEN.record(world.now()).data)
        forged[-1] ^= 1
        honest = BEN.record(world.now())
        results = await world.server.submit([bytes(forged), honest.data, b"short"], Way.MIRROR)
        assert results == [INVALID, ACCEPTED, INVALID]
        assert await world.server.submit([], Way.MIRROR) == []
        assert await all_of(world, BEN) == [honest.data]


async def test_changes_are_told_in_the_order_of_the_log(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        told: list[tuple[int, bytes]] = []
        stop = world.server.listen_changes(lambda position, record: told.append((position, record)))
        records = [ANNA.record(world.now(n)).data for n in range(300)]
        await world.server.submit(records[:200], Way.OWNER)
        await world.server.submit([*records[200:], records[0]], Way.OWNER)
        await world.server._publisher.drained()
        assert [record for _, record in told] == records
        assert [position for position, _ in told] == sorted(position for position, _ in told)
        stop()
        await world.server.submit([ANNA.record(world.now()).data], Way.OWNER)
        await world.server._publisher.drained()
        assert len(told) == 300


async def test_a_full_backlog_makes_links_wait_and_loses_nothing(tmp_path: Path) -> None:
    async with running(
        tmp_path, ANNA, settings=ServerSettings(backlog_bytes=4_000, batch_records=4)
    ) as world:
        clients = [await world.connect(ANNA.master) for _ in range(3)]
        records = [[ANNA.record(world.now(), payload=bytes(200)) for _ in range(60)] for _ in clients]
        for client, theirs in zip(clients, records, strict=True):
            client.send(*(ask.Submission(record.data) for record in theirs))
        for client, theirs in zip(clients, records, strict=True):
            answers = [await client.take(tell.SubmissionResult) for _ in theirs]
            assert [answer.prefix for answer in answers] == [record.data[:32] for record in theirs]
            assert {answer.result for answer in answers} == {ACCEPTED}
        assert world.store.stats()["records"] == 180
        assert isinstance(records[0][0], Record)
