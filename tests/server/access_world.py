"""A server with every role, one record of every kind of access on it, and everybody who may look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from mosaic.core import key_schedule
from mosaic.core.community_kinds import DELETION
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Entry, Marker
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.introductions import Introductions
from mosaic.policy.roles import Role, encryption, roles_of
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.policy.whole import Policy, policy_of
from mosaic.policy.withhold import strangers
from mosaic.server.acquaintance import has_stored
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, World, running

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "behavior.md").read_text(encoding="utf-8")

ANNA, BEN, DAN = Person("anna"), Person("ben"), Person("dan")
"""They are served: the author of most, who is tagged, and somebody else."""
SAM, EVE = Person("sam"), Person("eve")
"""Strangers: the author of what comes to inbox and encryption server, and somebody else."""

SHARED: Final = Tag(0x7000, b"matrix")
"""Every record of the matrix has it."""
ACCEPTED: Final = ResultCode.ACCEPTED


def table() -> dict[str, dict[str, bool]]:
    """docs/behavior.md: for each kind of access, who reads it."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and line.count("|") == 9]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    for row in rows:
        assert set(row[1:]) <= {"yes", "no"}, row
    return {row[0]: dict(zip(head[1:], (cell == "yes" for cell in row[1:]), strict=True)) for row in rows}


MATRIX: Final = table()
ACCESS: Final = tuple(MATRIX)
VIEWERS: Final = tuple(next(iter(MATRIX.values())))

BY_STRANGER: Final = frozenset({"encryption", "encryption, public kind", "withheld"})
READERS: Final = {
    "author only": Readers.AUTHOR,
    "author and tagged": Readers.AUTHOR_AND_TAGGED,
    "encryption": Readers.AUTHOR_AND_TAGGED,
}


def author_of(access: str) -> Person:
    return SAM if access in BY_STRANGER else ANNA


def kind_with(access: str, duplicates: Duplicates = Duplicates.REPLACEABLE) -> Kind:
    """A kind of its own for each kind of access."""
    readers = READERS.get(access, Readers.EVERYBODY)
    return kind_of(number=100 + ACCESS.index(access), readers=readers, duplicates=duplicates)


def tag_of(access: str) -> Tag:
    return Tag(0x7001, access.encode())


def key_of(viewer: str, access: str) -> SecretKey | None:
    """The key that a viewer proves."""
    author = author_of(access)
    return {
        "anonymous": None,
        "stranger": EVE.master,
        "author": author.master,
        "author's subkey": author.device("phone"),
        "revoked subkey": author.device("lost"),
        "tagged person": BEN.device("phone"),
        "served person": DAN.master,
    }[viewer]


def schedule_of(person: Person, timestamp: int) -> bytes:
    """One that lists a phone, and a device that was lost."""
    marked = {"phone": Marker.ACTIVE_SIGNING_KEY, "lost": Marker.REVOKED_ALL}
    entries = [
        Entry.signing(key_schedule.attest(person.device(name), person.key), marker, Timestamp(timestamp))
        for name, marker in marked.items()
    ]
    return key_schedule.build(person.master, entries, timestamp).data


class AccessWorld:
    """The server, the records and the viewers.

    Args:
        world: A running server with the policy of `policy`.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.records: dict[str, bytes] = {}
        self.older: dict[str, bytes] = {}
        self._made = 0

    def record(self, access: str, *, ephemeral: bool = False, seconds: float = 0) -> bytes:
        """A record with this kind of access, before anything was done with it."""
        self._made += 1
        return (
            author_of(access)
            .record(
                self.world.now(seconds),
                kind=kind_with(access, Duplicates.EPHEMERAL if ephemeral else Duplicates.REPLACEABLE),
                nonce=(1 << 63 | 1 << 40 | self._made).to_bytes(8, "big"),
                notify=[BEN.key],
                tags=[SHARED, tag_of(access)],
            )
            .data
        )

    async def submit(self, *records: bytes) -> None:
        """Hands records in as their authors' clients do, over connections without a key."""
        client = await self.world.connect()
        assert set(await client.submit(*records)) == {ACCEPTED}
        await self.world.server._publisher.drained()

    async def fill(self, accesses: Iterable[str] = ACCESS) -> None:
        """One record of each kind of access, with what hides or deletes it done."""
        for access in accesses:
            record = self.records[access] = self.record(access)
            await self.submit(record)
            if access == "hidden":
                await self.hide(record)
            elif access == "deleted":
                await self.delete(record)

    async def hide(self, record: bytes) -> None:
        assert await self.world.server.moderation.hide([record[:48]]) == 1

    async def delete(self, record: bytes) -> None:
        target = Tag(0x4D01, bytes(4) + record[56:64] + record[:48])
        await self.submit(ANNA.record(self.world.now(1), kind=DELETION, tags=[target]).data)

    async def viewer(self, name: str, access: str) -> Client:
        return await self.world.connect(key_of(name, access))

    def viewers_of(self, name: str, access: str) -> tuple[bytes, ...]:
        """The keys that the server counts such a viewer as."""
        key = key_of(name, access)
        return self.world.server._authority.viewers_of(None if key is None else key.public.bytes)


def only(*kinds: bytes) -> Hook:
    def hook(submission: Submission) -> Verdict:
        return ACCEPT if submission.kind in kinds else Refuse(ResultCode.UNAUTHORIZED, "another kind")

    return hook


def policy(world: World) -> Policy:
    """All roles; what one alone would do with public kinds is done for one of them."""
    served = world.served.__contains__
    introductions = Introductions(has_stored(world.store), world.clock.now_ns)
    roles = roles_of(RoleSettings(chat=True), served, introductions, strangers(()))
    alone = encryption(served, all_kinds=True)
    narrow = [
        kind_with("encryption, public kind", handling).bytes
        for handling in (Duplicates.REPLACEABLE, Duplicates.EPHEMERAL)
    ]
    role = Role(alone.name, alone.usage, (only(*narrow), *alone.accepts), (), alone.sentences)
    return policy_of((role, *roles), served)


@asynccontextmanager
async def access_world(folder: Path) -> AsyncIterator[AccessWorld]:
    """A server with everybody's key schedules and no record yet."""
    async with running(folder, ANNA, BEN, DAN) as world:
        world.server.follow_policy(policy(world))
        schedules = [schedule_of(person, world.now()) for person in (ANNA, BEN, DAN, SAM, EVE)]
        assert set(await world.server.submit(schedules, Way.MIRROR)) == {ACCEPTED}
        yield AccessWorld(world)


def visible(reads: Callable[[str], bool], accesses: Iterable[str] = ACCESS) -> set[str]:
    """The kinds of access for which something holds."""
    return {access for access in accesses if reads(access)}


def expected(viewer: str, accesses: Iterable[str] = ACCESS) -> set[str]:
    """What the page says that a viewer reads."""
    return {access for access in accesses if MATRIX[access][viewer]}


OF_MATRIX: Final = Filter.of(tags=[SHARED])
