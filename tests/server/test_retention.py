"""What rules no longer keep goes from the store, oldest first, and stays away."""

from __future__ import annotations

from pathlib import Path

from mosaic.core.filter import Filter
from mosaic.core.kinds import CHAT_MESSAGE, MICROBLOG
from mosaic.policy.retention import AuthorClass, Retention, RetentionRule
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Verdict
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode
from tests.server.world import World, running

ANNA, BEN, CARL = Person("anna"), Person("ben"), Person("carl")
CLASSES = {ANNA.key_bytes: AuthorClass.HOME, BEN.key_bytes: AuthorClass.SERVED}
HOUR_NS = 3_600 * 10**9
ACCEPTED, UNAUTHORIZED = ResultCode.ACCEPTED, ResultCode.UNAUTHORIZED


def keeping(world: World, *rules: RetentionRule) -> Retention:
    made = Retention(lambda key: CLASSES.get(key, AuthorClass.STRANGER), world.clock.now_ns)
    made.follow(rules)
    return made


async def kept(world: World, person: Person) -> list[bytes]:
    reader = await world.connect()
    return (await reader.query(Filter.of(authors=[person.key], kinds=[MICROBLOG, CHAT_MESSAGE])))[0]


async def test_what_is_too_old_goes_by_kind_and_class_of_author(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, hooks=[]) as world:
        hours = [0, -1, -2, -3]
        posts = {
            person: [person.record(world.now(3_600 * hour), kind=MICROBLOG) for hour in hours]
            for person in (ANNA, BEN, CARL)
        }
        chats = [CARL.record(world.now(3_600 * hour), kind=CHAT_MESSAGE) for hour in hours]
        everything = [one.data for records in [*posts.values(), chats] for one in records]
        assert set(await world.server.submit(everything, Way.MIRROR)) == {ACCEPTED}
        made = keeping(
            world,
            RetentionRule(MICROBLOG, AuthorClass.STRANGER, older_than_ns=HOUR_NS),
            RetentionRule(None, AuthorClass.SERVED, older_than_ns=2 * HOUR_NS),
        )
        assert await world.server.moderation.retain(made).once() == 3
        assert await kept(world, ANNA) == [one.data for one in posts[ANNA]]
        assert await kept(world, BEN) == [one.data for one in posts[BEN][:3]]
        assert set(await kept(world, CARL)) == {one.data for one in [*posts[CARL][:2], *chats]}
        assert await world.server.moderation.retain(made).once() == 0
        assert world.store.verify() == []


async def test_the_oldest_make_room_and_do_not_come_again(tmp_path: Path) -> None:
    made: list[Retention] = []

    def hook(submission: Submission) -> Verdict:
        return made[0].hook()(submission) if made else ACCEPT

    async with running(tmp_path, ANNA, hooks=[hook]) as world:
        posts = [CARL.record(world.now(n), kind=MICROBLOG, payload=bytes(1_000)) for n in range(10)]
        size = 32 + len(posts[0].data)
        made.append(keeping(world, RetentionRule(keep_bytes=4 * size + 10)))
        data = [one.data for one in posts]
        assert set(await world.server.submit(data, Way.MIRROR)) == {ACCEPTED}
        work = world.server.moderation.retain(made[0])
        assert await work.once() == 6
        assert await kept(world, CARL) == data[:5:-1]
        assert await world.server.submit(data[:6], Way.SYNC) == [UNAUTHORIZED] * 6
        # At the next look all have room: what has gone stays away nevertheless.
        assert await work.once() == 0
        assert await world.server.submit(data[:6], Way.SYNC) == [UNAUTHORIZED] * 6
        newer = CARL.record(world.now(20), kind=MICROBLOG, payload=bytes(1_000))
        assert await world.server.submit([newer.data], Way.SYNC) == [ACCEPTED]
        assert await work.once() == 1
        assert await kept(world, CARL) == [newer.data, *data[:6:-1]]
