"""network.md, sentence by sentence, over real TCP: what servers of each role MUST do, SHOULD do, MAY do."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.loopback.test_server_tcp import Net
from tests.server.test_sync import compare
from tests.server.world import World, running

from mosaic.core.community_kinds import PRIVATE_MESSAGE
from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Readers
from mosaic.core.kinds import CHAT_MESSAGE, MICROBLOG, PROFILE, REPLY_COMMENT
from mosaic.core.url import Scheme
from mosaic.node.announced import Listening, announcement
from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.withhold import strangers
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

ANNA, BEN, EVE, MALLORY = Person("anna"), Person("ben"), Person("eve"), Person("mallory")
"""Anna and Ben are served; the others are not."""
ACCEPTED, UNAUTHORIZED = ResultCode.ACCEPTED, ResultCode.UNAUTHORIZED
ALL = Filter.of(authors=[ANNA.key, BEN.key, EVE.key, MALLORY.key])
WITHOUT: dict[str, Any] = {"outbox": False, "inbox": False, "encryption": False}
OUTBOX = RoleSettings(**{**WITHOUT, "outbox": True})
INBOX = RoleSettings(**{**WITHOUT, "inbox": True})
ENCRYPTION = RoleSettings(**{**WITHOUT, "encryption": True})
EVERY = RoleSettings(chat=True)


@asynccontextmanager
async def over_tcp(folder: Path, roles: RoleSettings, **more: Any) -> AsyncIterator[tuple[World, Net]]:
    async with running(folder, ANNA, BEN, roles=roles, **more) as world:
        net = Net(world)
        try:
            yield world, net
        finally:
            await asyncio.gather(*(network.stop(0) for network in net.dialling))


# --- Outbox ------------------------------------------------------------------------------------------


@pytest.mark.claim("C54")
async def test_outbox_must_accept_messages_from_the_users_it_serves(tmp_path: Path) -> None:
    async with over_tcp(tmp_path, OUTBOX) as (world, net):
        anonymous, anna = await net.connect(), await net.connect(ANNA.master)
        # Whoever carries them: the signature says whose they are.
        assert await anonymous.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        by_phone = ANNA.record(world.now(), kind=MICROBLOG, signer=ANNA.device("phone"))
        of_each_kind = [
            ANNA.record(world.now(), kind=kind_of(duplicates=duplicates, readers=readers))
            for duplicates in Duplicates
            for readers in Readers
        ]
        assert await anonymous.submit(by_phone, *of_each_kind) == [ACCEPTED] * 13
        assert await anna.submit(ANNA.record(world.now(), kind=PROFILE)) == [ACCEPTED]


@pytest.mark.claim("C54")
async def test_outbox_may_refuse_where_abuse_prevention_is_concerned(tmp_path: Path) -> None:
    async with over_tcp(tmp_path, OUTBOX) as (world, net):
        eve = await net.connect(EVE.master)
        assert await eve.submit(EVE.record(world.now()), EVE.record(world.now(), notify=[ANNA.key])) == [
            UNAUTHORIZED,
            UNAUTHORIZED,
        ]


@pytest.mark.claim("C54")
async def test_outbox_must_deliver_to_anybody_without_authentication_and_without_payment(
    tmp_path: Path,
) -> None:
    async with over_tcp(tmp_path, OUTBOX) as (world, net):
        anna, anonymous = await net.connect(ANNA.master), await net.connect()
        query_id, _ = await anonymous.subscribe(ALL)
        posts = [ANNA.record(world.now(n), kind=MICROBLOG).data for n in range(3)]
        assert await anna.submit(*posts) == [ACCEPTED] * 3
        got: list[bytes] = []
        while len(got) < len(posts):
            await anonymous.until(lambda: bool(anonymous.inbox))
            got += anonymous.records(query_id)
        assert got == posts
        assert await anonymous.query(ALL) == (posts[::-1], ResultCode.SUCCESS)
        assert await anonymous.get(posts[0][:48]) == [posts[0]]


# --- Inbox -------------------------------------------------------------------------------------------


@pytest.mark.claim("C55")
async def test_inbox_must_accept_messages_from_strangers_without_authentication_and_without_payment(
    tmp_path: Path,
) -> None:
    async with over_tcp(tmp_path, INBOX) as (world, net):
        anonymous = await net.connect()
        schedule = EVE.schedule(world.now(), ("phone",))
        reply = EVE.record(world.now(), kind=REPLY_COMMENT, notify=[ANNA.key], signer=EVE.device("phone"))
        assert (
            await anonymous.submit(schedule, reply, EVE.record(world.now(), kind=PROFILE)) == [ACCEPTED] * 3
        )
        # For nobody here: that is not what it is for.
        assert await anonymous.submit(EVE.record(world.now(), notify=[MALLORY.key])) == [UNAUTHORIZED]


@pytest.mark.claim("C55")
@pytest.mark.parametrize("readers", ["everybody", "recipient"])
async def test_inbox_must_serve_messages_to_the_recipients_after_authentication(
    tmp_path: Path, readers: str
) -> None:
    roles = RoleSettings(**{**WITHOUT, "inbox": True}, inbox_readers=readers)  # type: ignore[arg-type]
    async with over_tcp(tmp_path, roles) as (world, net):
        anonymous = await net.connect()
        assert await anonymous.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        anna, phone = await net.connect(ANNA.master), await net.connect(ANNA.device("phone"))
        reply = EVE.record(world.now(), kind=REPLY_COMMENT, notify=[ANNA.key]).data
        private = EVE.record(
            world.now(), kind=kind_of(readers=Readers.AUTHOR_AND_TAGGED), notify=[ANNA.key]
        ).data
        assert await anonymous.submit(reply, private) == [ACCEPTED] * 2
        for recipient in (anna, phone):
            assert set((await recipient.query(Filter.of(authors=[EVE.key])))[0]) == {reply, private}
        found, _ = await (await net.connect(MALLORY.master)).query(Filter.of(authors=[EVE.key]))
        assert found == ([reply] if readers == "everybody" else [])


@pytest.mark.claim("C55")
async def test_inbox_should_serve_messages_to_anybody_without_authentication(tmp_path: Path) -> None:
    async with over_tcp(tmp_path, INBOX) as (world, net):
        anonymous = await net.connect()
        reply = EVE.record(world.now(), kind=REPLY_COMMENT, notify=[ANNA.key]).data
        assert await anonymous.submit(reply) == [ACCEPTED]
        assert await (await net.connect()).query(ALL) == ([reply], ResultCode.SUCCESS)


@pytest.mark.claim("C55")
async def test_inbox_may_withhold_messages_before_moderation(tmp_path: Path) -> None:
    def withhold(world: World) -> Any:
        return strangers({BEN.key_bytes})

    async with over_tcp(tmp_path, INBOX, withhold=withhold) as (world, net):
        anonymous, anna = await net.connect(), await net.connect(ANNA.master)
        eve = await net.connect(EVE.master)
        spam = EVE.record(world.now(), kind=REPLY_COMMENT, notify=[ANNA.key]).data
        by_friend = BEN.record(world.now(1), kind=REPLY_COMMENT, notify=[ANNA.key]).data
        assert await anonymous.submit(spam, by_friend) == [ACCEPTED] * 2
        # Its recipient sees it, its author does not learn that it is held.
        assert (await anna.query(ALL))[0] == [by_friend, spam]
        for reader in (anonymous, eve):
            assert (await reader.query(ALL))[0] == [by_friend]
        # Approved, it is there for all.
        await world.server.moderation.approve([spam[:48]])
        for reader in (anonymous, eve, anna):
            assert (await reader.query(ALL))[0] == [by_friend, spam]


# --- Encryption --------------------------------------------------------------------------------------


@pytest.mark.claim("C56")
async def test_encryption_must_accept_messages_from_strangers_without_authentication_and_without_payment(
    tmp_path: Path,
) -> None:
    async with over_tcp(tmp_path, ENCRYPTION) as (world, net):
        anonymous = await net.connect()
        letter = EVE.record(world.now(), kind=PRIVATE_MESSAGE, notify=[ANNA.key])
        elsewhere = EVE.record(world.now(), kind=PRIVATE_MESSAGE, notify=[MALLORY.key])
        assert await anonymous.submit(letter, elsewhere) == [ACCEPTED, UNAUTHORIZED]


@pytest.mark.claim("C56")
async def test_encryption_must_serve_messages_to_the_recipient_after_authentication(tmp_path: Path) -> None:
    async with over_tcp(tmp_path, ENCRYPTION) as (world, net):
        anonymous = await net.connect()
        letter = EVE.record(world.now(), kind=PRIVATE_MESSAGE, notify=[ANNA.key]).data
        assert await anonymous.submit(ANNA.schedule(world.now(), ("phone",)), letter) == [ACCEPTED] * 2
        for key in (ANNA.master, ANNA.device("phone")):
            recipient = await net.connect(key)
            assert await recipient.query(Filter.of(kinds=[PRIVATE_MESSAGE])) == ([letter], ResultCode.SUCCESS)
            assert await recipient.get(letter[:48]) == [letter]


@pytest.mark.claim("C56")
@pytest.mark.parametrize("roles", [ENCRYPTION, EVERY], ids=["alone", "with every other role"])
async def test_encryption_must_not_deliver_messages_to_anybody_but_the_recipient(
    tmp_path: Path, roles: RoleSettings
) -> None:
    async with over_tcp(tmp_path, roles) as (world, net):
        others = [await net.connect(), *[await net.connect(one.master) for one in (EVE, BEN, MALLORY)]]
        letters = Filter.of(kinds=[PRIVATE_MESSAGE])
        open_before = [(await one.subscribe(letters))[0] for one in others]
        letter = EVE.record(world.now(), kind=PRIVATE_MESSAGE, notify=[ANNA.key]).data
        assert await (await net.connect()).submit(letter) == [ACCEPTED]
        await world.server._publisher.drained()
        for one, query_id in zip(others, open_before, strict=True):
            await one.settled()
            assert one.records(query_id) == []
            assert await one.query(letters) == ([], ResultCode.SUCCESS)
            assert await one.query(letters, limit=1) == ([], ResultCode.SUCCESS)
            assert await one.get(letter[:48], letter[48:96]) == []
            assert (await one.subscribe(letters))[1] == []
            assert await compare(one, wanted=letters) == (set(), set())
            # Handed in again it is a duplicate to whoever knows it, as it would be anywhere.
            assert await one.submit(letter) == [ResultCode.DUPLICATE]


@pytest.mark.claim("C56")
async def test_encryption_must_not_tell_by_no_consumers_whether_a_recipient_is_there(tmp_path: Path) -> None:
    kind = kind_of(duplicates=Duplicates.EPHEMERAL, readers=Readers.AUTHOR_AND_TAGGED)
    async with over_tcp(tmp_path, EVERY) as (world, net):
        ben = await net.connect(BEN.master)
        assert await ben.submit(BEN.record(world.now(), kind=kind, notify=[ANNA.key])) == [ACCEPTED]
        anna = await net.connect(ANNA.master)
        await anna.subscribe(Filter.of(kinds=[kind]))
        assert await ben.submit(BEN.record(world.now(), kind=kind, notify=[ANNA.key])) == [ACCEPTED]


# --- all of them -------------------------------------------------------------------------------------


@pytest.mark.claim("C57")
async def test_a_server_may_have_all_roles(tmp_path: Path) -> None:
    async with over_tcp(tmp_path, EVERY) as (world, net):
        anonymous, anna = await net.connect(), await net.connect(ANNA.master)
        post = ANNA.record(world.now(), kind=MICROBLOG).data
        reply = EVE.record(world.now(1), kind=REPLY_COMMENT, notify=[ANNA.key]).data
        chat = EVE.record(world.now(2), kind=CHAT_MESSAGE, notify=[ANNA.key]).data
        letter = EVE.record(world.now(3), kind=PRIVATE_MESSAGE, notify=[ANNA.key]).data
        assert await anonymous.submit(post, reply, chat, letter) == [ACCEPTED] * 4
        assert (await anonymous.query(ALL))[0] == [chat, reply, post]
        assert (await anna.query(ALL))[0] == [letter, chat, reply, post]


@pytest.mark.claim("C55", "C56")
async def test_strangers_need_no_authentication_but_may_be_slowed(tmp_path: Path) -> None:
    settings = ServerSettings(limits=LimitTable(Limits(records_per_second=1, burst=3)))
    async with over_tcp(tmp_path, EVERY, settings=settings) as (world, net):
        anonymous = await net.connect()
        replies = [EVE.record(world.now(), notify=[ANNA.key]) for _ in range(5)]
        anonymous.send(*(ask.Submission(reply.data) for reply in replies))
        results = [(await anonymous.take(tell.SubmissionResult)).result for _ in replies]
        assert sorted(results) == [ACCEPTED] * 3 + [ResultCode.TOO_FAST] * 2


@pytest.mark.claim("C54", "C55", "C56", "C57")
def test_servers_must_be_broadly_accessible_so_none_behind_nat_is_announced() -> None:
    listening = [Listening(Scheme.TCP, "0.0.0.0", 1320)]
    behind_nat = [ipaddress.ip_address(text) for text in ("127.0.0.1", "192.168.1.7", "10.0.0.2", "fd00::1")]
    nobody = announcement(listening, (), behind_nat, near=False)
    assert nobody.urls == ()
    assert "others can't find" in nobody.missing
    reachable = announcement(listening, (), [*behind_nat, ipaddress.ip_address("93.184.215.14")], near=False)
    assert [str(url) for url in reachable.urls] == ["mosaictcp://93.184.215.14/"]
