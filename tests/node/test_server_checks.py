"""Whose server fails is told so, in words, with what to do; and no more when it is well again.

Whole nodes in a simulated world: three servers, ana who uses all of them, and ben who follows her.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mosaic.client.queue import State
from mosaic.client.reputation import Observation, What
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.dht.mode import DhtMode
from mosaic.node.alarms import Failing
from mosaic.node.clock import Clock
from mosaic.node.control import JsonObject
from mosaic.node.surroundings import Surroundings
from mosaic.policy.submission import Way
from mosaic.social import posts
from mosaic.testing.simulation.memory_town import MemoryHome, MemoryServer, MemoryTown
from mosaic.testing.simulation.town import Lie
from mosaic.testing.simulation.virtual_time import run
from mosaic.wire.result_code import ResultCode

MINUTE_S = 60.0


class OffServer(MemoryServer):
    """A server whose clock is off."""

    off_ns = 0

    def surroundings(self) -> Surroundings:
        around = super().surroundings()
        true, off_ns = around.clock, self.off_ns
        return dataclasses.replace(around, clock=Clock(lambda: true._unix_ns() + off_ns))


class World:
    def __init__(self, folder: Path) -> None:
        self.town = MemoryTown(folder, 1, servers=3, people=2, machines=8)
        self.ana, self.ben = self.town.people
        self.ana.name = "ana"

    async def begin(self) -> None:
        await self.town.begin()
        for server in self.town.servers:
            await self.ana.do("servers_add", {"server_key": server.key})
        await self.ana.do("servers_remove", {"server_key": self.own(self.ana)})
        await self.town.wait(MINUTE_S)
        await self.ben.do("follow", {"person": self.ana.key})
        await self.ana.do("post", {"text": "hello"})
        await self.town.wait(MINUTE_S)

    @staticmethod
    def own(home: MemoryHome) -> str:
        return home.node.server_secret.public.server_text

    def key(self, number: int) -> PublicKey:
        return PublicKey.parse_server(self.town.servers[number].key)

    async def alarms(self) -> list[JsonObject]:
        (status,) = await self.ana.do("status")
        alarms = status["alarms"]
        assert isinstance(alarms, list)
        return [alarm for alarm in alarms if isinstance(alarm, dict)]

    async def what(self) -> list[tuple[int, str]]:
        keys = [server.key for server in self.town.servers]
        return sorted((keys.index(str(alarm["server"])), str(alarm["what"])) for alarm in await self.alarms())

    async def health(self, number: int) -> JsonObject:
        key = self.town.servers[number].key
        return next(item for item in await self.ana.do("servers_health") if item["key"] == key)


Story = Callable[[World], Awaitable[None]]


def play(folder: Path, story: Story, off_ns: int = 0) -> None:
    async def main() -> None:
        world = World(folder)
        if off_ns:
            off = OffServer(world.town.world, folder / "off", 0)
            off.off_ns = off_ns
            world.town.servers[0] = off
        try:
            await world.begin()
            await story(world)
        finally:
            await world.town.end()

    run(main)


async def all_is_well(world: World) -> None:
    assert await world.what() == []
    for number in range(3):
        health = await world.health(number)
        assert (health["health"], health["alarms"]) == ("well", [])
        assert health["reached_iso"]
        assert health["uses"] == ["outbox", "inbox", "encryption"]
        assert int(str(health["received_bytes"])) > 0


def test_servers_that_do_well_are_no_news(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await all_is_well(world)
        await world.town.wait(40 * MINUTE_S)
        await all_is_well(world)

    play(tmp_path, story)


@pytest.mark.claim("C83")
def test_whose_server_is_gone_is_told_and_is_told_no_more_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.town.kill(1)
        # Nobody needs it: even so it is noticed, within the time after which it is asked.
        await world.town.wait(35 * MINUTE_S)
        assert await world.what() == [(1, "failing")]
        (alarm,) = await world.alarms()
        key = world.town.servers[1].key
        assert key in str(alarm["words"])
        assert "does not answer" in str(alarm["words"])
        assert f"mosaic servers remove {key}" in str(alarm["act"])
        assert f"mosaic servers move {key}" in str(alarm["act"])
        assert (await world.health(1))["health"] != "well"
        # It outlives a restart of her own node.
        await world.ana.stop()
        await world.ana.start()
        assert await world.what() == [(1, "failing")]
        await world.town.revive(1, elsewhere=True)
        await world.town.wait(15 * MINUTE_S)
        assert await world.what() == []
        assert (await world.health(1))["alarms"] == []

    play(tmp_path, story)


@pytest.mark.claim("C83")
def test_who_posts_is_told_soon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.town.kill(1)
        await world.ana.do("post", {"text": "is anybody there"})
        await world.town.wait(1.5 * MINUTE_S)
        assert await world.what() == [(1, "failing")]

    play(tmp_path, story)


def test_who_is_offline_is_told_that_it_may_be_that(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.town.world.links.cut_off(world.ana.address)
        await world.ana.do("post", {"text": "from the train"})
        await world.town.wait(5 * MINUTE_S)
        alarms = await world.alarms()
        assert [alarm["what"] for alarm in alarms] == ["failing"] * 3
        assert all("online" in str(alarm["act"]) for alarm in alarms)
        world.town.world.links.connect_again(world.ana.address)
        await world.town.wait(10 * MINUTE_S)
        assert await world.what() == []

    play(tmp_path, story)


@pytest.mark.claim("C83")
def test_who_is_banned_is_told_and_what_was_refused_goes_there_when_that_ends(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        server = world.town.servers[2]
        await server.do("admin_ban", {"what": world.ana.key, "reason": "no reason"})
        said = [*await world.ana.do("post", {"text": "you too?"})]
        said += await world.ana.do("post", {"text": "still here"})
        await world.town.wait(2 * MINUTE_S)
        assert (2, "refuses") in await world.what()
        alarm = next(one for one in await world.alarms() if one["what"] == "refuses")
        assert "banned" in str(alarm["words"])
        assert "mosaic servers move" in str(alarm["act"])
        await world.town.wait(70 * MINUTE_S)
        assert (2, "refuses") in await world.what()
        # She says nothing more; it is noticed by what the server had refused.
        await server.do("admin_unban", {"what": world.ana.key})
        await world.town.wait(40 * MINUTE_S)
        assert await world.what() == []
        there = {one.id.text for one in server.node.everything.newest_first(_of(world.ana))}
        assert there.issuperset(str(item["id"]) for item in said)

    play(tmp_path, story)


@pytest.mark.claim("C83")
def test_a_door_that_was_shut_for_a_while_is_no_lasting_alarm(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        noted = world.ana.node.reputations.noted
        noted(world.key(1), Observation(What.REFUSED, int(ResultCode.SHUTTING_DOWN)))
        await world.town.wait(10)
        assert await world.what() == []
        noted(world.key(1), Observation(What.REFUSED, int(ResultCode.IP_TEMP_BANNED)))
        await world.town.wait(10)
        assert await world.what() == [(1, "refuses")]
        await world.town.wait(40 * MINUTE_S)
        assert await world.what() == []

    play(tmp_path, story)


@pytest.mark.claim("C83")
def test_who_is_withheld_is_told_and_his_records_go_there_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ana = PublicKey.parse_user(world.ana.key)
        await world.town.lie(0, Lie.WITHHOLD, [ana])
        await world.ana.do("post", {"text": "read me"})
        await world.town.wait(14 * MINUTE_S)
        assert await world.what() == [(0, "withholds")]
        (alarm,) = await world.alarms()
        assert "withholds your records" in str(alarm["words"])
        await world.town.lie(0, Lie.NOTHING, [])
        await world.town.wait(12 * MINUTE_S)
        assert await world.what() == []

    play(tmp_path, story)


def test_what_an_operator_dropped_is_told_and_not_pressed_on_him(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        (post,) = await world.ana.do("post", {"text": "not welcome"})
        await world.town.wait(MINUTE_S)
        server = world.town.servers[0].node
        (stored,) = [
            one for one in server.everything.newest_first(_of(world.ana)) if one.id.text == post["id"]
        ]
        await server.server.moderation.drop([stored.id.bytes])
        await world.town.wait(30 * MINUTE_S)
        assert (0, "withholds") in await world.what()
        (here,) = [
            each
            for each in world.ana.node.deliveries.of_record(stored.id.bytes)
            if each.server.key == world.key(0)
        ]
        assert (here.state, here.attempts) == (State.REFUSED, 2)

    play(tmp_path, story)


def test_a_server_that_lost_what_it_took_gets_it_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        (post,) = await world.ana.do("post", {"text": "keep this"})
        await world.town.wait(MINUTE_S)
        server = world.town.servers[0].node
        stored = [one for one in server.everything.newest_first(_of(world.ana)) if one.id.text == post["id"]]
        moderation = server.server.moderation
        # As retention does it: nothing is refused later.
        await moderation._remove_all(_of(world.ana).compiled, refuse=False, keep_lasting=True)
        assert not server.everything.at(stored[0].id)
        await world.town.wait(30 * MINUTE_S)
        assert server.everything.at(stored[0].id)
        await world.town.wait(15 * MINUTE_S)
        assert await world.what() == []

    play(tmp_path, story)


@pytest.mark.claim("C51")
def test_who_keeps_back_what_others_give_is_remembered_by_followers_wherever_it_goes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ana = PublicKey.parse_user(world.ana.key)
        ben = world.ben.node
        (read_at,) = {group.server for group in ben.follower.groups()}
        (liar,) = [number for number in range(3) if world.key(number) == read_at]
        await world.town.lie(liar, Lie.WITHHOLD, [ana])
        for number in range(3):
            await world.ana.do("post", {"text": f"number {number}"})
            await world.town.wait(1)
        await world.town.wait(2 * MINUTE_S)
        for number in range(3):
            ben.comparing.soon(world.key(number), [ana])
        await world.town.wait(14 * MINUTE_S)
        texts = {item.get("text") for item in await world.ben.do("feed")}
        assert texts >= {"number 0", "number 1", "number 2"}
        before = ben.reputations.of(read_at)
        assert before.withheld > 0
        for number in range(3):
            assert (ben.reputations.of(world.key(number)).withheld > 0) == (number == liar)
            assert ben.reputations.score(world.key(number)) > ben.reputations.score(read_at) or number == liar
        await world.town.lie(liar, Lie.NOTHING, [])
        await world.town.kill(liar)
        await world.town.revive(liar, elsewhere=True)
        await world.ben.stop()
        after = (await world.ben.start()).reputations.of(read_at)
        assert after.withheld == pytest.approx(before.withheld, rel=0.01)

    play(tmp_path, story)


@pytest.mark.claim("C82", "C83")
def test_who_says_that_it_has_a_record_and_does_not_give_it_keeps_nobody_else_from_giving_it(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        author, ben = world.ana.node.people.first, world.ben.node
        assert author is not None
        (read_at,) = {group.server for group in ben.follower.groups()}
        liar, honest = [number for number in range(3) if world.key(number) != read_at]
        post = posts.post(author.signer, "hard to get", now=world.ana.node.clock.now())
        for number in (liar, honest):
            await world.town.servers[number].node.server.submit([post.data], Way.MIRROR)
        for number in (liar, honest):
            await world.town.lie(number, Lie.WITHHOLD, [author.key])
        await world.town.wait(2 * MINUTE_S)
        difference = await ben.comparing.missing_from(world.key(liar), [author.key], Timestamp(0))
        assert post.id.bytes[:32] in difference.theirs
        assert not ben.everything.at(post.id)
        await world.town.lie(honest, Lie.NOTHING, [])
        await world.town.wait(2 * MINUTE_S)
        assert ben.everything.at(post.id)
        await world.town.wait(14 * MINUTE_S)
        assert ben.reputations.of(world.key(liar)).withheld > 0
        assert ben.reputations.of(world.key(honest)).withheld == 0

    play(tmp_path, story)


def test_whose_server_publishes_what_does_not_lead_to_it_is_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        server, node = world.town.servers[1], world.ana.node
        await world.town.kill(1)
        # It comes back elsewhere, and publishes nothing any more; ana was told its new place.
        server.settings = dataclasses.replace(server.settings, dht=DhtMode(on=False))
        await world.town.revive(1, elsewhere=True)
        me = PublicKey.parse_user(world.ana.key)
        node.directory.learn(me, world.key(1), server.node.urls[0], Usage.OUTBOX)
        await world.town.wait(60 * MINUTE_S)
        assert await world.what() == [(1, "hidden")]
        (alarm,) = await world.alarms()
        assert "is not found by its key" in str(alarm["words"])
        assert "Tell its operator" in str(alarm["act"])
        assert node.reputations.of(world.key(1)).stale > 0

    play(tmp_path, story)


@pytest.mark.parametrize("hours", [3, -3])
@pytest.mark.claim("C83")
def test_whose_server_has_a_wrong_clock_is_told(tmp_path: Path, hours: int) -> None:
    async def story(world: World) -> None:
        await world.ana.do("post", {"text": "what time is it"})
        await world.town.wait(2 * MINUTE_S)
        assert (0, "clock") in await world.what()
        alarm = next(one for one in await world.alarms() if one["what"] == "clock")
        assert ("ahead" if hours > 0 else "behind") in str(alarm["words"])
        assert "this machine's clock first" in str(alarm["act"])

    play(tmp_path, story, hours * 3_600 * 10**9)


def test_what_is_used_no_longer_is_no_news(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        node = world.ana.node
        me = PublicKey.parse_user(world.ana.key)
        node.alarms.tell(me, world.key(1), Failing.HIDDEN, "the DHT knows no address of it")
        assert await world.what() == [(1, "hidden")]
        await world.ana.do("servers_remove", {"server_key": world.town.servers[1].key})
        await world.town.wait(MINUTE_S)
        assert await world.what() == []

    play(tmp_path, story)


def _of(home: MemoryHome) -> Filter:
    return Filter.of(authors=[PublicKey.parse_user(home.key)])


def test_what_was_handed_in_long_ago_is_forgotten_while_the_node_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        node = world.ana.node
        node.db.connection.execute("UPDATE delivery SET queued_ns = 1")
        assert node.db.connection.execute("SELECT count(*) FROM delivery").fetchone() != (0,)
        await node.outbox_checks.compare()
        assert node.db.connection.execute("SELECT count(*) FROM delivery").fetchone() == (0,)

    play(tmp_path, story)
