"""What an operator does to stored records: approved, hidden, dropped, removed, erased."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mosaic.core import community_tags, deletion
from mosaic.core.community_kinds import DELETION, PRIVATE_MESSAGE, SERVER_ACT
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.policy.label import Label
from mosaic.policy.rules import not_erased
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import Accept, Verdict
from mosaic.testing import Person
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, World, running

ANNA = Person("anna")
BEN = Person("ben")
CARL = Person("carl")
ACCEPTED, DUPLICATE = ResultCode.ACCEPTED, ResultCode.DUPLICATE
UNAUTHORIZED = ResultCode.UNAUTHORIZED


def withhold(submission: Submission) -> Verdict:
    """Holds back whatever notifies somebody."""
    notifies = Record(submission.record).tags
    return Accept(Label.WITHHELD if notifies else Label.NONE)


class Erasures:
    """Where erasures are noted, in memory."""

    def __init__(self) -> None:
        self.until: dict[bytes, int] = {}

    def note(self, key: bytes, until_ns: int, by: str) -> None:
        assert by
        self.until[key] = until_ns


async def seen_by(world: World, record: Record) -> tuple[bool, ...]:
    """Whether nobody in particular, the author Anna, and Ben, whom it notifies, are given it."""
    readers = [await world.connect(), await world.connect(ANNA.master), await world.connect(BEN.master)]
    return tuple([bool(await reader.get(record.id.bytes)) for reader in readers])


async def live(reader: Client, query_id: int) -> list[bytes]:
    """What a subscription was given since, once all before was handed on."""
    await reader.settled()
    return reader.records(query_id)


async def settled(world: World) -> None:
    """Waits until all that was written has been handed on."""
    other = await world.connect(CARL.master)
    query_id, _ = await other.subscribe(Filter.of(authors=[CARL.key]))
    await other.submit(CARL.record(world.now()))
    await other.until(lambda: any(isinstance(message, tell.Record) for message in other.inbox))
    assert other.records(query_id)


async def test_an_approved_record_reaches_whoever_could_not_read_it_before(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN, CARL, hooks=[withhold]) as world:
        anna, ben = await world.connect(ANNA.master), await world.connect(BEN.master)
        readers = [await world.connect(), ben]
        asked = Filter.of(authors=[ANNA.key])
        ids = [(await reader.subscribe(asked))[0] for reader in readers]
        held, other = ANNA.record(world.now(), notify=[BEN.key]), ANNA.record(world.now(), notify=[BEN.key])
        await anna.submit(held, other)
        await settled(world)
        assert await live(readers[0], ids[0]) == []
        assert await live(ben, ids[1]) == [held.data, other.data]
        moderation = world.server.moderation
        assert [one.record for one in await moderation.held()] == [held.data, other.data]
        assert await seen_by(world, held) == (False, False, True)
        assert await moderation.approve([held.id.bytes[:32]]) == 1
        assert await moderation.approve([held.id.bytes]) == 0
        await settled(world)
        assert await live(readers[0], ids[0]) == [held.data]
        assert await live(ben, ids[1]) == []
        assert await seen_by(world, held) == (True, True, True)
        assert await anna.submit(held) == [DUPLICATE]
        assert await moderation.approve(author=ANNA.key_bytes) == 1
        assert await moderation.held() == []
        assert world.store.verify() == []


async def test_deletions_that_are_held_back_are_not_shown_to_be_approved(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN, hooks=[withhold]) as world:
        anna = await world.connect(ANNA.master)
        first, second = (ANNA.record(world.now(n), notify=[BEN.key]) for n in range(2))
        named = [community_tags.target(first.kind, Id(bytes(48)))]
        takes_back = [
            ANNA.record(world.now(n), kind=DELETION, notify=[BEN.key], tags=named) for n in range(2)
        ]
        assert await anna.submit(first, *takes_back, second) == [ACCEPTED] * 4
        moderation = world.server.moderation
        assert [one.record for one in await moderation.held()] == [first.data, second.data]
        (one,) = await moderation.held(limit=1)
        assert [each.record for each in await moderation.held(limit=1, after=one.position)] == [second.data]
        # They are let go with all else of their author.
        assert await moderation.approve(author=ANNA.key_bytes) == 4


async def test_what_is_hidden_is_read_by_nobody_until_it_is_shown_again(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN, CARL) as world:
        anna = await world.connect(ANNA.master)
        post, other = ANNA.record(world.now(), notify=[BEN.key]), ANNA.record(world.now())
        await anna.submit(post, other)
        moderation = world.server.moderation
        assert await moderation.hide([post.id.bytes, post.id.bytes]) == 1
        assert await moderation.hide([post.id.bytes]) == 0
        assert await seen_by(world, post) == (False, False, False)
        assert [one.record for one in await moderation.held(Label.HIDDEN)] == [post.data]
        assert (await anna.query(Filter.of(authors=[ANNA.key])))[0] == [other.data]
        assert await anna.submit(post) == [DUPLICATE]
        assert await moderation.show([post.id.bytes]) == 1
        assert await seen_by(world, post) == (True, True, True)


async def test_what_is_dropped_or_removed_does_not_come_again(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        anna, ben = await world.connect(ANNA.master), await world.connect(BEN.master)
        dropped, removed = ANNA.record(world.now()), ANNA.record(world.now())
        act = ANNA.record(world.now(), kind=SERVER_ACT)
        kept = BEN.record(world.now())
        await anna.submit(dropped, removed, act)
        await ben.submit(kept)
        moderation = world.server.moderation
        assert await moderation.drop([dropped.id.bytes, bytes(48)]) == 1
        wanted = Filter.of(authors=[ANNA.key])
        assert await moderation.remove(wanted, dry_run=True) == 1
        assert await moderation.remove(wanted, dry_run=False) == 1
        assert await anna.submit(dropped, removed, act) == [UNAUTHORIZED, UNAUTHORIZED, DUPLICATE]
        assert await ben.submit(kept) == [DUPLICATE]


async def test_what_an_author_has_deleted_stays_so_when_all_of_his_is_removed(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        post, other = ANNA.record(world.now()), ANNA.record(world.now())
        taken_back = deletion.build(ANNA.master, [Target(post.kind, post.id)], world.now(1), nonce=FIXED)
        assert await anna.submit(post, other, taken_back) == [ACCEPTED] * 3
        wanted = Filter.of(authors=[ANNA.key])
        assert await world.server.moderation.remove(wanted, dry_run=True) == 1
        assert await world.server.moderation.remove(wanted, dry_run=False) == 1
        assert await anna.submit(post, other, taken_back) == [UNAUTHORIZED, UNAUTHORIZED, DUPLICATE]


async def test_what_is_being_written_while_its_author_is_erased_goes_too(tmp_path: Path) -> None:
    erasures, judged = Erasures(), asyncio.Event()

    def hook(submission: Submission) -> Verdict:
        judged.set()
        return not_erased(erasures.until.get)(submission)

    async with running(tmp_path, ANNA, hooks=[hook]) as world:
        moderation = world.server.moderation
        moderation.erasures = erasures
        anna = await world.connect(ANNA.master)
        post = ANNA.record(world.now())
        async with world.server._writer._turn:
            submitting = asyncio.create_task(anna.submit(post))
            await judged.wait()
            erasing = asyncio.create_task(moderation.erase(ANNA.key_bytes, by="server"))
            await asyncio.wait([erasing], timeout=0.2)
        assert await submitting == [ACCEPTED]
        assert (await erasing).records == 1
        assert await anna.get(post.id.bytes) == []


@pytest.mark.claim("C58")
async def test_an_erased_person_is_gone_from_the_disk_and_may_begin_anew(tmp_path: Path) -> None:
    erasures = Erasures()
    async with running(tmp_path, ANNA, BEN, hooks=[not_erased(erasures.until.get)]) as world:
        moderation = world.server.moderation
        moderation.erasures = erasures
        anna, ben = await world.connect(ANNA.master), await world.connect(BEN.master)
        secret = b"what nobody shall find again"
        posts = [ANNA.record(world.now(n), payload=secret) for n in range(20)]
        schedule = ANNA.schedule(world.now(), ("phone",))
        forged = BEN.record(world.now(), signer=ANNA.master)
        message = CARL.record(world.now(), kind=PRIVATE_MESSAGE, notify=[ANNA.key])
        shared = CARL.record(world.now(), kind=PRIVATE_MESSAGE, notify=[ANNA.key, BEN.key])
        kept = BEN.record(world.now())
        taken_back = deletion.build(
            ANNA.master, [Target(kept.kind, forged.id)], world.now(), nonce=FIXED, author=BEN.key
        )
        await anna.submit(*posts, schedule)
        await ben.submit(kept, forged, taken_back)
        await world.server.submit([message.data, shared.data], Way.OWNER)
        by = ANNA.record(world.now(1), signer=ANNA.device("phone"))
        assert await anna.submit(by) == [ACCEPTED]
        done = await moderation.erase(ANNA.key_bytes, by="operator", with_messages=True)
        assert done.records == 24
        assert done.bytes_freed > 0
        assert erasures.until == {ANNA.key_bytes: done.until_ns}
        everything = [*posts, schedule, by]
        assert await anna.submit(*everything) == [UNAUTHORIZED] * len(everything)
        # What another has taken back in his own name would come again without his Deletion.
        assert await ben.submit(forged, kept, taken_back) == [UNAUTHORIZED, DUPLICATE, DUPLICATE]
        assert await world.server.submit([message.data, shared.data], Way.OWNER) == [UNAUTHORIZED, DUPLICATE]
        assert secret not in log_bytes(tmp_path)
        anew = ANNA.record(done.until_ns + 1)
        assert await anna.submit(anew) == [ACCEPTED]
        assert world.store.verify() == []


def log_bytes(folder: Path) -> bytes:
    """All that stands in the log's files."""
    return b"".join(path.read_bytes() for path in folder.rglob("*.log"))


async def test_changes_take_turns_with_what_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        posts = [ANNA.record(world.now(n)) for n in range(300)]
        takes_back = deletion.build(
            ANNA.master, [Target(post.kind, post.id) for post in posts[:50]], world.now(), nonce=FIXED
        )
        submitted = asyncio.create_task(anna.submit(*posts, takes_back))
        removed = await world.server.moderation.remove(Filter.of(authors=[ANNA.key]), dry_run=False)
        results = await submitted
        assert results == [ACCEPTED] * 301
        left, _ = await (await world.connect()).query(Filter.of(authors=[ANNA.key]))
        assert 0 <= removed <= 301
        assert not {post.data for post in posts[:50]} & set(left)
        assert world.store.verify() == []
