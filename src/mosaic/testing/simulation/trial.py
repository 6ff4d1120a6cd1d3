"""The network test's people at their everyday life, and how long it takes until readers have everything.

A seed decides who does what. What an author wants public stands in the oracle;
a reader is *whole* when he sees exactly that of everybody whom he follows.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, cast

from mosaic.core import community_tags
from mosaic.core.community_kinds import DELETION
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.core.reference import parse
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.control import JsonObject
from mosaic.node.shapes import record_text
from mosaic.social.signer import Signer
from mosaic.testing.simulation.lying import INVENTED_BY
from mosaic.testing.simulation.oracle import Difference, Oracle
from mosaic.testing.simulation.report import Fault, Report
from mosaic.testing.simulation.scale import Scale
from mosaic.testing.simulation.town import PASSWORD, Dweller, Town
from mosaic.testing.simulation.waited import Waited
from mosaic.testing.simulation.world import Chance

_OUTBOXES: Final = 3
_POSTS_SEEN: Final = 1_000
_AGAIN_S: Final = 5.0
_FIRST_LOOK_S: Final = 0.25
_LOOK_LATER: Final = 0.05
"""By such a share of the time that has passed looks become rarer."""


class Trial:
    """A town with a script.

    Args:
        town: Where it is played.
        scale: How large it is.
        seed: Decides who does what.
        say: Takes lines for whoever watches.
    """

    def __init__(self, town: Town, scale: Scale, seed: int, say: Callable[[str], None]) -> None:
        self.town = town
        self.scale = scale
        self.chance = Chance(seed, "script")
        self.oracle = Oracle()
        self.report = Report(town.how, seed)
        self.say = say
        self.uses: dict[str, list[int]] = {}
        """The servers of each person, by their positions in the town."""
        self.dead: set[int] = set()
        self.banned: set[tuple[str, int]] = set()
        """Who may not use which server."""
        self.masters: dict[str, str] = {}
        """The files of master keys that people keep elsewhere."""
        self._by_key: dict[str, Dweller] = {}
        self._count = 0

    # --- beginning -----------------------------------------------------------------------------------

    async def settle(self) -> None:
        """People choose servers, follow each other, and write a first post each."""
        town, scale = self.town, self.scale
        self._by_key = {person.key: person for person in town.people}
        self.oracle.live(self._by_key)
        for place, person in enumerate(town.people):
            number = 1 if place % 4 == 0 else min(_OUTBOXES, scale.servers)
            self.uses[person.key] = [(place * 7 + each) % scale.servers for each in range(number)]
        await self._all(self._move_in(person) for person in town.people)
        for person in town.people:
            others = [one.key for one in town.people if one.key != person.key]
            for _ in range(scale.follows):
                await self.follow(person, others.pop(self.chance.below(len(others))))
        await self._all(self.post(person) for person in town.people)

    async def _move_in(self, person: Dweller) -> None:
        chosen, self.uses[person.key] = self.uses[person.key], []
        for server in chosen:
            await self.change(person, None, server)

    # --- what people do ------------------------------------------------------------------------------

    def using(self, server: int, *, alone: bool | None = None) -> list[Dweller]:
        """Who uses a server.

        Args:
            server: Its position in the town.
            alone: Only those who use no other, or only those who do.
        """
        found = [person for person in self.town.people if server in self.uses[person.key]]
        return [one for one in found if alone is None or (len(self.uses[one.key]) == 1) == alone]

    def another(self, person: Dweller) -> int:
        """A living server that somebody may use and doesn't yet, drawn by chance."""
        free = [
            server
            for server in range(self.scale.servers)
            if server not in self.dead
            and server not in self.uses[person.key]
            and (person.key, server) not in self.banned
        ]
        return free[self.chance.below(len(free))]

    def person(self, key: str) -> Dweller:
        """The person of a `mopub0…`."""
        return self._by_key[key]

    async def post(self, person: Dweller) -> JsonObject:
        """Writes a post; what the act gave back."""
        self._count += 1
        text = f"post {self._count} of {person.name}"
        (item,) = await person.do("post", {"text": text})
        self.oracle.posted(person.key, item, text)
        return item

    async def reply(self, person: Dweller) -> None:
        """Answers a post of somebody who is followed, if there is one."""
        others = [key for key in self.oracle.follows[person.key] if self.oracle.posts[key]]
        if not others:
            return
        posts = list(self.oracle.posts[others[self.chance.below(len(others))]])
        reference = posts[self.chance.below(len(posts))]
        self._count += 1
        text = f"answer {self._count} of {person.name}"
        try:
            (item,) = await person.do("reply", {"reference": reference, "text": text})
        except MosaicError:
            # What he would answer has not come to him yet.
            return
        self.oracle.posted(person.key, item, text)

    async def edit(self, person: Dweller) -> None:
        """Changes a post of one's own."""
        posts = list(self.oracle.posts[person.key])
        reference = posts[self.chance.below(len(posts))]
        self._count += 1
        text = f"version {self._count} of {person.name}"
        (item,) = await person.do("edit", {"reference": reference, "text": text})
        self.oracle.posted(person.key, item, text)

    async def delete(self, person: Dweller) -> None:
        """Takes a post of one's own back, unless it is the last."""
        posts = list(self.oracle.posts[person.key])
        if len(posts) < 2:
            return
        address = posts[self.chance.below(len(posts))]
        kind = Kind.from_bytes(bytes.fromhex(self.oracle.kinds[address]))
        tag = community_tags.target(kind, parse(address))
        await person.do(
            "record",
            {"kind": DELETION.bytes.hex(), "text": "", "tags": [f"{int(tag.type)}:{tag.value.hex()}"]},
        )
        self.oracle.deleted(person.key, address)

    async def forge(self, thief: Dweller, text: str) -> None:
        """Somebody who has a person's stolen home writes in his name."""
        (item,) = await thief.do("post", {"text": text})
        self._forged(thief.key, str(item["id"]))

    async def forge_on(self, thief: Dweller, signer: Signer, record: Record) -> None:
        """Somebody who has a person's stolen key hands in what it signed at all servers of that person."""
        self._forged(signer.author.user_text, record.id.text)
        for server in self.uses[thief.key]:
            if server not in self.dead:
                given = {"records": [record_text(record)], "as": thief.key}
                with contextlib.suppress(MosaicError):
                    await thief.do("submit", {**given, "key": self.town.servers[server].key})

    def _forged(self, author: str, record: str) -> None:
        self.oracle.forged.setdefault(author, set()).add(record)
        self.report.forgeries += 1

    async def seen_forged(self) -> int:
        """How many readers see now what a thief wrote."""
        seen = 0
        for author, forged in self.oracle.forged.items():
            for reader in self.oracle.followers(author):
                wall = await self.person(reader).do("wall", {"person": author, "limit": _POSTS_SEEN})
                seen += any(item.get("id") in forged for item in wall)
        return seen

    async def change(self, person: Dweller, old: int | None, new: int | None) -> None:
        """Uses a server in the place of another, one more, or one fewer.

        Args:
            person: Who.
            old: The server that is given up, by its position in the town, if one is.
            new: The server that is used instead, alike.
        """
        # The first takes the place of the own node, which nobody reaches.
        given: dict[str, object] = {} if self.uses[person.key] else {"old": "here"}
        for name, server in (("old", old), ("new", new)):
            if server is not None:
                given[name] = self.town.servers[server].key
        if person.key in self.masters:
            given |= {"master": self.masters[person.key], "password": PASSWORD}
        await self._persist(person, "servers_change", given)
        uses = self.uses[person.key]
        if old is not None and new is not None:
            uses[uses.index(old)] = new
        elif old is not None:
            uses.remove(old)
        elif new is not None:
            uses.append(new)

    async def _persist(self, person: Dweller, act: str, given: dict[str, object]) -> None:
        """Does what has to be done, again and again where nobody is reached, as people do."""
        give_up_s = self.town.now_s() + self.scale.give_up_s
        while True:
            try:
                await person.do(act, given)
            except Unreachable as error:
                if self.town.now_s() > give_up_s:
                    raise
                self.report.repeated += 1
                self.say(f"    {person.name} tries again: {error}")
                await self.town.wait(_AGAIN_S)
            else:
                return

    async def follow(self, person: Dweller, other: str) -> None:
        """Follows somebody by the key alone."""
        await person.do("follow", {"person": other})
        self.oracle.follows[person.key].append(other)

    async def everyday(self) -> None:
        """Some hours of an ordinary day, in short."""
        for _ in range(self.scale.acts):
            person = self.town.people[self.chance.below(len(self.town.people))]
            drawn = self.chance.below(100)
            if drawn < 50:
                await self.post(person)
            elif drawn < 75:
                await self.reply(person)
            elif drawn < 85:
                await self.edit(person)
            elif drawn < 92:
                await self.delete(person)
            else:
                followed = [person.key, *self.oracle.follows[person.key]]
                others = [one.key for one in self.town.people if one.key not in followed]
                if others:
                    await self.follow(person, others[self.chance.below(len(others))])
            await self.town.wait(self.chance.below(400) / 1_000)

    # --- what readers see ----------------------------------------------------------------------------

    async def difference(self, reader: str, author: str) -> Difference:
        """What a reader sees otherwise than the author wants it."""
        wall = await self.person(reader).do("wall", {"person": author, "limit": _POSTS_SEEN})
        return self.oracle.difference(author, [item for item in wall if "address" in item])

    async def until_whole(self, authors: Sequence[Dweller], begun_s: float) -> Waited:
        """Waits until all who follow these authors are whole, as far as these go.

        Args:
            authors: Who.
            begun_s: Since when it is counted, as `Town.now_s` has it (seconds).
        """
        waited = Waited()
        open_pairs = {
            reader: {author.key for author in authors if author.key in followed}
            for reader, followed in self.oracle.follows.items()
        }
        open_pairs = {reader: pairs for reader, pairs in open_pairs.items() if pairs}
        waited.pairs = sum(map(len, open_pairs.values()))
        while open_pairs:
            await self._all(self._look(reader, open_pairs[reader], waited) for reader in list(open_pairs))
            passed_s = self.town.now_s() - begun_s
            for reader in [reader for reader, pairs in open_pairs.items() if not pairs]:
                del open_pairs[reader]
                waited.seconds.append(passed_s)
            if passed_s > self.scale.give_up_s:
                waited.failed = sum(map(len, open_pairs.values()))
                break
            if open_pairs:
                await self.town.wait(_FIRST_LOOK_S + _LOOK_LATER * passed_s)
        return waited

    async def _look(self, reader: str, pairs: set[str], waited: Waited) -> None:
        for author in sorted(pairs):
            difference = await self.difference(reader, author)
            waited.last[reader, author] = difference
            if not difference:
                pairs.discard(author)

    async def mishap(
        self,
        name: str,
        what: str,
        happens: Callable[[], Awaitable[Sequence[Dweller]]],
        *,
        fails: Sequence[tuple[Dweller, int]] = (),
        tells: str = "failing",
        felt: Callable[[], Awaitable[int]] | None = None,
    ) -> Fault:
        """Lets something happen, and measures until the last reader is whole again.

        Args:
            name: What it is called in the report.
            what: What happens, in words.
            happens: Lets it happen; gives the authors of whom readers may lack something then.
            fails: Whom which server fails by it, by its position in the town: they are to be told.
            tells: What they are to be told of it (`node.alarms.Failing`).
            felt: Counts how often it has shown so far, if that has to be shown apart.
        """
        before, begun_s = self.town.traffic(), self.town.now_s()
        felt_before = 0 if felt is None else await felt()
        authors = await happens()
        waited, told_s = await asyncio.gather(
            self.until_whole(authors, begun_s), self._until_told(fails, tells, begun_s)
        )
        traffic = self.town.traffic().since(before)
        fault = Fault(
            name,
            what,
            authors=len(authors),
            readers=len(waited.seconds) + len({reader for reader, _ in waited.open()}),
            pairs=waited.pairs,
            seconds=tuple(sorted(waited.seconds)),
            failed=waited.failed,
            link_bytes=traffic.links,
            dht_bytes=traffic.dht,
            told_s=tuple(sorted(told_s)),
            to_tell=len(fails),
            felt=None if felt is None else await felt() - felt_before,
        )
        self.report.faults.append(fault)
        self.say(fault.line)
        for (reader, author), difference in list(waited.open().items())[:5]:
            self.say(f"    {self.person(reader).name} of {self.person(author).name}: {difference}")
        return fault

    async def _until_told(
        self, fails: Sequence[tuple[Dweller, int]], tells: str, begun_s: float
    ) -> list[float]:
        """Waits until people are told how a server fails them; after how many seconds each was."""
        told_s: list[float] = []
        open_ones = list(fails)
        while open_ones:
            for person, server in list(open_ones):
                (status,) = await person.do("status")
                alarms = cast("list[JsonObject]", status["alarms"])
                key = self.town.servers[server].key
                if any(alarm["server"] == key and alarm["what"] == tells for alarm in alarms):
                    open_ones.remove((person, server))
                    told_s.append(self.town.now_s() - begun_s)
            passed_s = self.town.now_s() - begun_s
            if passed_s > self.scale.give_up_s:
                break
            if open_ones:
                await self.town.wait(1.0 + _LOOK_LATER * passed_s)
        for person, server in open_ones[:5]:
            self.say(f"    {person.name} was not told of server {server}")
        return told_s

    async def judge(self) -> None:
        """Looks at everything in the end: each reader at each whom he follows, and what all homes keep."""
        for reader, followed in self.oracle.follows.items():
            for author in followed:
                difference = await self.difference(reader, author)
                self.report.pairs += 1
                self.report.records += len(self.oracle.posts[author])
                self.report.missing += len(difference.missing)
                self.report.wrong += len(difference.wrong)
        for home in [*self.town.people, *self.town.servers]:
            if home.is_running:
                self.report.homes += 1
                self.report.wrong += await self.kept_wrongly(home)

    async def kept_wrongly(self, home: Dweller) -> int:
        """How many records a home has that nobody signed who may: made up by servers, or by thieves."""
        made_up = await home.do("query", {"signers": [INVENTED_BY.user_text]})
        stolen = 0
        for author, forged in self.oracle.forged.items():
            kept = await home.do("query", {"authors": [author], "kinds": [MICROBLOG.bytes.hex()]})
            stolen += sum(str(item["id"]) in forged for item in kept)
        return len(made_up) + stolen

    async def lacking(self, authors: Sequence[Dweller]) -> int:
        """How many readers of these authors don't see now what they should."""
        keys = [author.key for author in authors]
        pairs = [(reader, key) for reader, whom in self.oracle.follows.items() for key in keys if key in whom]
        return sum([bool(await self.difference(*pair)) for pair in pairs])

    async def most_read(self, servers: Sequence[int]) -> int:
        """The one of some servers (by their positions) at which most people are read now."""
        places = {self.town.servers[server].key: server for server in servers}
        read = Counter(dict.fromkeys(servers, 0))
        for person in self.town.people:
            for followed in await person.do("following"):
                outboxes = cast("list[JsonObject]", followed["outboxes"])
                here = [one for one in outboxes if one["state"] == "connected" and one["server"] in places]
                read.update(places[str(one["server"])] for one in here)
        return max(servers, key=lambda server: read[server])

    async def _all(self, acts: Iterable[Awaitable[object]]) -> None:
        await asyncio.gather(*acts)


def author_keys(people: Sequence[Dweller]) -> list[PublicKey]:
    """The keys of people."""
    return [PublicKey.parse_user(person.key) for person in people]
