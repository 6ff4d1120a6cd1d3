"""Who is let in, who is sent away, and how much of it each may do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.policy.bans import KEY_BITS, Ban, network
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.work import WORK_TAG, work_bits
from mosaic.server.admission import gate_rows
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.test_blobs import put
from tests.server.world import Client, World, running

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
ACCEPTED, INVALID, TOO_FAST = ResultCode.ACCEPTED, ResultCode.INVALID, ResultCode.TOO_FAST
EVERYTHING = Filter.of()


def false_signature(world: World, seconds: int = 0) -> bytes:
    data = bytearray(ANNA.record(world.now(seconds)).data)
    data[-40] ^= 1
    return bytes(data)


def ban(world: World, what: str | Person, seconds: int | None = None) -> Ban:
    until_ns = None if seconds is None else world.now(seconds)
    if isinstance(what, Person):
        return Ban("key", what.key_bytes, KEY_BITS, "spam", world.now(), until_ns, "operator")
    return Ban("ip", *network(what), "spam", world.now(), until_ns, "operator")


async def closing(client: Client) -> ResultCode:
    result = (await client.take(tell.Closing)).result
    await client.until(lambda: client.closed)
    return result


async def lie(world: World, client: Client) -> ResultCode:
    """Sends false signatures until the server has enough; what it says then."""
    client.send(*(ask.Submission(false_signature(world, number)) for number in range(3)))
    return await closing(client)


# --- bans


@pytest.mark.claim("C60")
@pytest.mark.parametrize(
    ("what", "seconds", "result"),
    [
        ("192.0.2.0/24", 60, ResultCode.IP_TEMP_BANNED),
        ("192.0.2.7", None, ResultCode.IP_PERM_BANNED),
        (EVE, 60, ResultCode.PUBKEY_TEMP_BANNED),
        (EVE, None, ResultCode.PUBKEY_PERM_BANNED),
    ],
)
async def test_who_is_banned_is_told_so_and_sent_away(
    tmp_path: Path, what: str | Person, seconds: int | None, result: ResultCode
) -> None:
    async with running(tmp_path, ANNA) as world:
        standing = await world.connect(EVE.master, host="192.0.2.7")
        other = await world.connect(BEN.master, host="198.51.100.1")
        made = ban(world, what, seconds)
        world.server.bans.add(made)
        world.server.bans_changed()
        assert await closing(standing) is result
        again = await world.connect(EVE.master, host="192.0.2.7", greet=False)
        assert await closing(again) is result
        await other.settled()
        world.server.bans.remove(made)
        await world.connect(EVE.master, host="192.0.2.7")


@pytest.mark.claim("C60")
async def test_a_ban_of_a_key_holds_for_what_it_wrote_whoever_brings_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        world.server.bans.add(ban(world, EVE))
        anna = await world.connect(ANNA.master)
        banned, other = (each.record(world.now(), notify=[ANNA.key]) for each in (EVE, BEN))
        assert await anna.submit(banned, other) == [ResultCode.PUBKEY_PERM_BANNED, ACCEPTED]


@pytest.mark.claim("C60")
async def test_a_ban_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        world.server.bans.add(ban(world, "192.0.2.7", 60))
        assert await closing(await world.connect(host="192.0.2.7", greet=False)) is ResultCode.IP_TEMP_BANNED
        world.clock.advance(seconds=61)
        world.server.tick()
        assert len(world.server.bans) == 0
        await world.connect(host="192.0.2.7")


async def test_who_moves_to_a_banned_address_is_sent_away(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect(host="192.0.2.7")
        network_of = world.server._entrances.networks[-1]
        world.server.bans.add(ban(world, "198.51.100.0/24"))
        network_of.host = "198.51.100.9"  # type: ignore[attr-defined]
        for _ in range(8):
            world.server.tick()
        assert await closing(client) is ResultCode.IP_PERM_BANNED


# --- offences


async def test_false_signatures_bring_a_ban_of_the_address_and_of_no_other(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        liar = await world.connect(host="192.0.2.7")
        beside = await world.connect(EVE.master, host="192.0.2.7")
        neighbour = await world.connect(host="192.0.2.8")
        assert await lie(world, liar) is ResultCode.IP_TEMP_BANNED
        assert await closing(beside) is ResultCode.IP_TEMP_BANNED
        assert await closing(await world.connect(host="192.0.2.7", greet=False)) is ResultCode.IP_TEMP_BANNED
        await neighbour.settled()
        world.clock.advance(seconds=61)
        await world.connect(host="192.0.2.7")


async def test_two_false_signatures_are_answered_and_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect(host="192.0.2.7")
        assert await client.submit(*(false_signature(world, number) for number in range(2))) == [INVALID] * 2
        assert await client.submit(ANNA.record(world.now())) == [ACCEPTED]


async def test_nobody_is_banned_who_shares_an_address_with_somebody_served(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master, host="192.0.2.7")
        assert await lie(world, await world.connect(host="192.0.2.7")) is TOO_FAST
        assert await anna.submit(ANNA.record(world.now())) == [ACCEPTED]
        await world.connect(host="192.0.2.7")
        assert len(world.server.bans) == 0


async def test_who_is_served_is_not_banned_by_himself(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master, host="192.0.2.7")
        assert await anna.submit(*(false_signature(world, number) for number in range(9))) == [INVALID] * 9
        assert await anna.submit(ANNA.record(world.now())) == [ACCEPTED]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.0.0.9"])
async def test_where_an_address_says_nothing_nobody_is_banned_for_it(tmp_path: Path, host: str) -> None:
    settings = ServerSettings(proxies=("10.0.0.0/8",))
    async with running(tmp_path, ANNA, settings=settings) as world:
        client = await world.connect(host=host)
        assert await client.submit(*(false_signature(world, number) for number in range(9))) == [INVALID] * 9
        assert len(world.server.bans) == 0


async def test_who_is_told_often_enough_gets_no_answer_any_more(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        world.server.bans.add(ban(world, "192.0.2.0/24"))
        admission = world.server._admission
        for _ in range(15):
            assert await closing(await world.connect(host="192.0.2.7", greet=False))
        assert admission.blocked() == []
        assert await closing(await world.connect(host="192.0.2.8", greet=False))
        assert admission.blocked() == [network("192.0.2.0/24")]


async def test_who_was_turned_away_unseen_is_not_trusted_for_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(record_bytes=1_000)) as world:
        client = await world.connect(EVE.master)
        (peer,) = world.server._sessions._peers.values()
        long = EVE.record(world.now(), notify=[ANNA.key], payload=bytes(2_000))
        assert await client.submit(long) == [ResultCode.TOO_LARGE]
        assert not peer.tried
        assert await client.submit(EVE.record(world.now(), notify=[ANNA.key])) == [ACCEPTED]
        assert peer.tried


# --- limits by standing


def narrow(**limits: float) -> ServerSettings:
    """Strangers have these limits, others the usual ones."""
    row = replace(Limits(), **limits)  # type: ignore[arg-type]
    return ServerSettings(limits=LimitTable(anonymous=row, stranger=row))


@pytest.mark.claim("C60", "C89")
async def test_the_longest_record_depends_on_who_brings_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(record_bytes=1_000)) as world:
        stranger, anna = await world.connect(EVE.master), await world.connect(ANNA.master)
        long, short = (
            EVE.record(world.now(number), notify=[ANNA.key], payload=bytes(length))
            for number, length in enumerate((2_000, 10))
        )
        assert await stranger.submit(long, short) == [ResultCode.TOO_LARGE, ACCEPTED]
        assert await anna.submit(long) == [ACCEPTED]


def peer_of(world: World, person: Person) -> Peer:
    (peer,) = (each for each in world.server._sessions._peers.values() if each.key == person.key_bytes)
    return peer


async def test_what_is_refused_at_the_door_is_counted_and_makes_nobody_trusted(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(record_bytes=1_000)) as world:
        stranger = await world.connect(EVE.master)
        peer, metrics = peer_of(world, EVE), world.server.metrics
        long = EVE.record(world.now(), notify=[ANNA.key], payload=bytes(2_000))
        assert await stranger.submit(long) == [ResultCode.TOO_LARGE]
        assert (metrics.records_offered, metrics.records_refused) == (1, 1)
        assert metrics.results[ResultCode.TOO_LARGE] == 1
        assert not peer.tried
        assert await stranger.submit(EVE.record(world.now(1), notify=[ANNA.key])) == [ACCEPTED]
        assert peer.tried


@pytest.mark.claim("C60", "C88")
async def test_links_that_are_open_follow_what_they_count_as_and_new_limits(tmp_path: Path) -> None:
    """Also the longest blob of which the network reads more than the beginning."""
    async with running(tmp_path, ANNA, settings=narrow(blob_bytes=20_000, subscriptions=1)) as world:
        nobody, ben = await world.connect(), await world.connect(BEN.master)
        world.served.add(BEN.key_bytes)
        world.server.people_changed()
        assert await put(ben, bytes(50_000)) is ACCEPTED
        world.served.remove(BEN.key_bytes)
        world.server.people_changed()
        assert peer_of(world, BEN).limits.blob_bytes == 20_000
        wanted = Filter.of(authors=[ANNA.key])
        await nobody.subscribe(wanted)
        world.server.reconfigure(narrow(blob_bytes=20_000, subscriptions=2))
        await nobody.subscribe(wanted)
        nobody.send(ask.BlobSubmission.head(bytes(32), 30_000))
        assert await closing(nobody) is ResultCode.TOO_LARGE


@pytest.mark.claim("C60", "C89")
async def test_a_network_of_strangers_has_one_pace(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(records_per_second=1, burst=3)) as world:
        results = []
        for last in range(6):
            client = await world.connect(Person(f"eve {last}").master, host=f"192.0.2.{last + 1}")
            records = [EVE.record(world.now(last * 9 + number), notify=[ANNA.key]) for number in range(3)]
            client.send(*(ask.Submission(record.data) for record in records))
            results += [(await client.take(tell.SubmissionResult)).result for _ in records]
        assert results.count(ACCEPTED) == 12  # four times what one address may
        assert results.count(TOO_FAST) == 6
        anna = await world.connect(ANNA.master, host="192.0.2.1")
        assert await anna.submit(*(ANNA.record(world.now(number)) for number in range(50))) == [ACCEPTED] * 50


@pytest.mark.claim("C60", "C89")
async def test_subscriptions_and_queries_are_bounded_by_standing(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(subscriptions=1, open_limit=0)) as world:
        wanted = Filter.of(authors=[ANNA.key])
        stranger, anna = await world.connect(EVE.master), await world.connect(ANNA.master)
        await stranger.subscribe(wanted)
        stranger.send(ask.Subscribe(7, 0, wanted.encode()))
        assert (await stranger.take(tell.QueryClosed, 7)).result is TOO_FAST
        assert (await stranger.query(EVERYTHING, 10))[1] is ResultCode.TOO_OPEN
        for _ in range(3):
            await anna.subscribe(wanted)
        assert (await anna.query(EVERYTHING, 10))[1] is ResultCode.SUCCESS


@pytest.mark.claim("C60")
async def test_who_has_used_up_the_work_on_his_queries_waits(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        stranger, anna = await world.connect(host="192.0.2.7"), await world.connect(ANNA.master)
        (peer,) = (each for each in world.server._sessions._peers.values() if not each.at_home)
        world.server._admission.asked(peer, 60_000_000_000)
        wanted = Filter.of(authors=[ANNA.key])
        assert (await stranger.query(wanted))[1] is TOO_FAST
        assert (await anna.query(wanted))[1] is ResultCode.SUCCESS
        neighbour = await world.connect(host="198.51.100.1")
        assert (await neighbour.query(wanted))[1] is ResultCode.SUCCESS
        world.clock.advance(seconds=30)
        assert (await stranger.query(wanted))[1] is ResultCode.SUCCESS


async def test_more_bytes_than_a_link_may_send_end_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(link_bytes_per_second=1_000)) as world:
        stranger, anna = await world.connect(EVE.master), await world.connect(ANNA.master)
        anna.send(*(ask.Hello(0) for _ in range(200)))
        await anna.settled()
        stranger.send(*(ask.Hello(0) for _ in range(200)))
        assert await closing(stranger) is TOO_FAST


def worked(world: World, bits: int) -> Record:
    for free in range(1 << 16):
        value = free.to_bytes(8, "big") + bytes((bits, 0, 0, 0))
        record = EVE.record(world.now(), notify=[ANNA.key], tags=[Tag(WORK_TAG, value)])
        if work_bits(record.data) >= bits:
            return record
    raise AssertionError


@pytest.mark.claim("C60")
async def test_strangers_work_for_their_records_where_it_is_asked(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=narrow(work_bits=5)) as world:
        stranger, anna = await world.connect(EVE.master), await world.connect(ANNA.master)
        idle, done = EVE.record(world.now(), notify=[ANNA.key]), worked(world, 5)
        assert await stranger.submit(idle, done) == [TOO_FAST, ACCEPTED]
        assert await stranger.submit(ANNA.record(world.now())) == [ACCEPTED]  # of people served none is asked
        assert await anna.submit(idle) == [ACCEPTED]


async def test_places_are_kept_for_people_served(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(connections=16)) as world:
        for number in range(14):
            await world.connect(host=f"192.0.2.{number}")
        refused = await world.connect(host="198.51.100.1", greet=False)
        assert await closing(refused) is ResultCode.TEMPORARY_ERROR
        await world.connect(ANNA.master, host="198.51.100.1")


async def test_what_waits_for_those_who_read_nothing_is_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(outgoing_total_bytes=100_000)) as world:
        anna, lazy = await world.connect(ANNA.master), await world.connect(EVE.master)
        await anna.submit(*(ANNA.record(world.now(number), payload=bytes(9_000)) for number in range(160)))
        lazy.stop_reading()
        lazy.send(ask.Query(5, 0, Filter.of(authors=[ANNA.key]).encode()))
        await anna.settled()
        while world.server._entrances.networks[-1].pending_total() < 100_000:
            await anna.settled()
        world.server.tick()
        lazy.go_on_reading()
        await lazy.until(lambda: lazy.closed)
        await anna.settled()


async def test_strangers_find_no_place_while_memory_is_short(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(memory_bytes=1)) as world:
        there = await world.connect(EVE.master)
        world.server.tick()
        refused = await world.connect(BEN.master, greet=False)
        assert await closing(refused) is ResultCode.TEMPORARY_ERROR
        await world.connect(ANNA.master)
        await there.settled()  # who leaves nothing unread stays
        world.server.reconfigure(ServerSettings(memory_bytes=0))
        world.server.tick()
        await world.connect(BEN.master)


def test_the_gate_is_wider_for_wider_networks_and_never_as_wide_as_all() -> None:
    rows = gate_rows(ServerSettings(connections=1_000, connections_per_address=100, connections_per_second=5))
    assert rows == [(32, 64, 5, 50, 100), (24, 48, 20, 200, 250), (16, 32, 80, 800, 500)]
