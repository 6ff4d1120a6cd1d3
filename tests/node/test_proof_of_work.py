"""A server asks strangers for work: who writes to it from elsewhere does it, who is known does none."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.core.makers import MASTER, NOW, post
from tests.node.conftest import HERE, OpenNode, do, one, stored

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.proof_of_work import asked_by, worked
from mosaic.client.queue import Delivery, State
from mosaic.core import builder, nonce
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG, PROFILE
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.errors import Refused
from mosaic.node import proof_of_work
from mosaic.node.control import JsonObject
from mosaic.node.node import Node
from mosaic.node.people import Person
from mosaic.node.server_info import OwnServerInfo, known
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.work import work_bits
from mosaic.social import posts
from mosaic.social.signer import Signer
from mosaic.wire.result_code import ResultCode


def _id(item: JsonObject) -> Id:
    return Id.parse(str(item["id"]))


def _delivery(world: World, record: Record) -> Delivery:
    """A delivery of a record of Bo's to Ana's server, as the queue has it."""
    server = ServerAddress(world.ana.server_secret.public, (world.url,), frozenset((world.url,)))
    return Delivery(1, record.data, world.me.key.bytes, server, State.QUEUED, None, 0, 0, 0, "")


@dataclass
class World:
    """Ana's server asks strangers for work; Bo is one and has never been there."""

    ana: Node
    bo: Node
    url: ServerUrl

    @property
    def person(self) -> Person:
        return self.ana.people.find("ana")

    @property
    def me(self) -> Person:
        return self.bo.people.find("bo")

    @property
    def where(self) -> JsonObject:
        return {"server": str(self.url), "key": self.ana.server_secret.public.server_text}

    async def ask(self, bits: int) -> None:
        """From now on Ana's server asks so many bits."""
        row = Limits(work_bits=bits)
        server = dataclasses.replace(self.ana.settings.server, limits=LimitTable(anonymous=row, stranger=row))
        self.ana.reconfigure(dataclasses.replace(self.ana.settings, server=server))
        await OwnServerInfo(self.ana).keep()

    async def write(self, text: str = "good morning") -> JsonObject:
        return await one(self.bo, "post", working=True, text=f"{text} @{self.person.key.user_text}")

    def at(self, node: Node) -> list[Record]:
        """Bo's posts in a node's store, newest first."""
        wanted = Filter.of(authors=[self.me.key], kinds=[MICROBLOG])
        return list(node.everything.newest_first(wanted))


@pytest.fixture
async def world(open_node: OpenNode) -> AsyncIterator[World]:
    async with open_node("ana") as ana, open_node("bo") as bo:
        world = World(ana, bo, ana.listen(HERE))
        server = ana.server_secret.public
        bo.directory.learn(world.person.key, server, world.url, Usage.INBOX)
        await world.ask(9)
        ana.work()
        bo.work()
        yield world


@pytest.mark.claim("C60")
async def test_a_stranger_does_the_work_and_is_taken(world: World) -> None:
    item = await world.write()
    await stored(world.ana, lambda: world.at(world.ana))
    (there,) = world.at(world.ana)
    assert work_bits(there.data) == 9
    # Here stands the same, and nothing beside it: nobody else had the version without work.
    assert world.at(world.bo) == [there]
    assert item["id"] == there.id.text
    assert [each["state"] for each in item["deliveries"]] == ["delivered"]  # type: ignore[union-attr,index,call-overload]
    # Schedule and profile came without.
    assert list(world.ana.everything.newest_first(Filter.of(authors=[world.me.key], kinds=[PROFILE])))


async def test_what_is_written_later_has_its_work_from_the_beginning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.write()
    assert known(world.bo.everything, world.ana.server_secret.public) is not None
    monkeypatch.setattr(world.bo.work_owed, "owed", None)  # would fail the delivery
    monkeypatch.setattr(world.bo._publishing, "publish_again", None)
    item = await world.write("and again")
    await stored(world.ana, lambda: len(world.at(world.ana)) == 2)
    newest = world.at(world.ana)[0]
    assert newest.id.text == item["id"]
    assert work_bits(newest.data) == 9


@pytest.mark.claim("C60")
async def test_contacts_and_people_served_do_none(world: World) -> None:
    world.ana.server.contacts.tell([world.me.key.bytes])
    await world.write()
    await stored(world.ana, lambda: world.at(world.ana))
    own = await one(world.ana, "post", text="at home")
    for record in (world.at(world.ana)[0], world.ana.records.at(_id(own))[0]):
        assert work_bits(record.data) == 0
    assert known(world.bo.everything, world.ana.server_secret.public) is None


async def test_more_than_is_done_here_is_refused_with_the_reason(world: World) -> None:
    await world.ask(25)
    item = await world.write()
    (delivery,) = world.bo.queue.of_record(_id(item).bytes)
    assert delivery.state is State.QUEUED

    def refused() -> bool:
        return world.bo.queue.of_record(_id(item).bytes)[0].state is State.REFUSED

    async with asyncio.timeout(30), world.bo.queue._settled:
        await world.bo.queue._settled.wait_for(refused)
    (delivery,) = world.bo.queue.of_record(_id(item).bytes)
    assert delivery.attempts >= 3
    assert "25 bits of proof of work, and this program does at most 24" in delivery.note
    assert work_bits(world.at(world.bo)[0].data) == 0


async def test_more_than_is_done_here_is_not_believed_at_the_first_word(world: World) -> None:
    await world.ask(255)
    item = await one(world.bo, "post", text="at home")
    delivery = _delivery(world, world.bo.records.at(_id(item))[0])
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        for attempts in (0, 1, 2):
            waiting = dataclasses.replace(delivery, attempts=attempts)
            assert not await world.bo.work_owed.owed(waiting, connection)
        with pytest.raises(Refused, match="at most 24"):
            await world.bo.work_owed.owed(dataclasses.replace(delivery, attempts=3), connection)


async def test_too_fast_without_work_to_do_means_to_wait(world: World) -> None:
    await world.ask(0)
    delivery = _delivery(world, post())
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        assert not await world.bo.work_owed.owed(delivery, connection)


async def test_a_record_whose_key_is_elsewhere_is_not_made_again(world: World) -> None:
    delivery = _delivery(world, post())
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        with pytest.raises(Refused, match="the key of this record is not here"):
            await world.bo.work_owed.owed(delivery, connection)


async def test_what_was_edited_meanwhile_is_not_made_again_over_the_edit(world: World) -> None:
    # Published at home alone; then edited, so that the first version is not the newest any more.
    item = await one(world.bo, "post", text="first")
    first = world.bo.records.at(_id(item))[0]
    await one(world.bo, "edit", reference=str(item["address"]), text="second")
    delivery = _delivery(world, first)
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        with pytest.raises(Refused, match="newer version"):
            await world.bo.work_owed.owed(delivery, connection)


async def test_what_the_own_server_has_not_stored_yet_is_waited_for(world: World) -> None:
    # It is queued for others first, and these may answer sooner.
    now = world.bo.clock.now()
    record = world.me.signer.record(kind=MICROBLOG, nonce=nonce.from_time(int(now)), timestamp=now)
    delivery = _delivery(world, record)
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        assert not await world.bo.work_owed.owed(delivery, connection)
        assert await world.bo.mirror([record.data]) == [ResultCode.ACCEPTED]
        assert await world.bo.work_owed.owed(delivery, connection)


async def test_what_is_gone_for_good_is_not_made_again(world: World) -> None:
    now = world.bo.clock.now()
    record = world.me.signer.record(kind=MICROBLOG, nonce=nonce.from_time(int(now)), timestamp=now)
    delivery = dataclasses.replace(_delivery(world, record), attempts=3)
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        with pytest.raises(Refused, match="deleted"):
            await world.bo.work_owed.owed(delivery, connection)


async def test_each_record_is_made_again_once_for_a_server_that_always_wants_more(
    world: World,
) -> None:
    await world.write()
    (record,) = world.at(world.bo)
    await world.ask(11)
    delivery = _delivery(world, record)
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        assert not await world.bo.work_owed.owed(delivery, connection)


async def test_records_are_handed_in_with_work_by_their_author(world: World) -> None:
    said = f"by hand for @{world.person.key.user_text}"
    record = posts.post(world.me.signer, said, now=world.bo.clock.now())
    text = record.text
    (refused,) = await do(world.bo, "submit", {**world.where, "records": [text]})
    assert (refused["result"], refused["work"]) == ("TOO_FAST", 9)
    (taken,) = await do(world.bo, "submit", {**world.where, "records": [text], "as": "bo"})
    assert taken["accepted"]
    assert int.from_bytes(_id(taken).bytes[8:], "big") < 1 << (320 - 9)
    assert taken["id"] != taken["instead_of"] == record.id.text


async def test_work_can_be_called_off(world: World) -> None:
    task = asyncio.create_task(
        worked(post(), Signer(MASTER.public, MASTER).worked, 60, timestamp=Timestamp(NOW), most=64)
    )
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_no_bits_at_most_means_no_work(world: World) -> None:
    with pytest.raises(Refused, match="at most 0"):
        await worked(post(), Signer(MASTER.public, MASTER).worked, 1, timestamp=Timestamp(NOW), most=0)


async def test_an_own_server_that_lists_its_people_is_waited_for(world: World) -> None:
    item = await one(world.bo, "post", text="at home")
    record = world.bo.records.at(_id(item))[0]
    use = ServerUse(Usage.OUTBOX, world.ana.server_secret.public)
    world.bo.use_servers(world.me, UserBootstrap((use,)))
    delivery = _delivery(world, record)
    async with world.bo.pool.connect(delivery.server, world.me.device) as connection:
        assert not await world.bo.work_owed.owed(delivery, connection)
        # It goes on to say so: then it means work.
        assert await world.bo.work_owed.owed(dataclasses.replace(delivery, attempts=3), connection)


async def test_much_work_is_never_done_before_a_record_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.write()
    monkeypatch.setattr(proof_of_work, "_BEFORE", 8)
    record = posts.post(world.me.signer, "later", now=world.bo.clock.now())
    server = _delivery(world, record).server
    assert await world.bo.work_owed.before(world.me, record, [server]) is record
    monkeypatch.setattr(proof_of_work, "_BEFORE", 9)
    assert work_bits((await world.bo.work_owed.before(world.me, record, [server])).data) == 9


async def test_what_has_no_room_for_work_is_published_without(world: World) -> None:
    await world.write()
    record = builder.build(
        world.me.device,
        author=world.me.key,
        kind=MICROBLOG,
        nonce=nonce.from_time(int(world.bo.clock.now())),
        timestamp=world.bo.clock.now(),
        payload=bytes(1_048_576 - 216),
    )
    assert await world.bo.work_owed.before(world.me, record, [_delivery(world, record).server]) is record


async def test_a_server_is_asked_once_a_minute_and_a_long_answer_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = world.ana.settings
    operator = dataclasses.replace(settings.operator, rules=("Be kind. " * 8_000,))
    world.ana.reconfigure(dataclasses.replace(settings, operator=operator))
    await OwnServerInfo(world.ana).keep()
    asked = []

    async def heard(connection: Connection) -> tuple[Record | None, int]:
        asked.append(connection)
        return await asked_by(connection)

    monkeypatch.setattr(proof_of_work, "asked_by", heard)
    await world.write("one")
    await stored(world.ana, lambda: len(world.at(world.ana)) == 1)
    await world.write("two")
    await stored(world.ana, lambda: len(world.at(world.ana)) == 2)
    assert len(asked) == 1
    assert known(world.bo.everything, world.ana.server_secret.public) is None
