"""What goes wrong in the network test, one after another.

Each mishap lets something happen to servers, to the DHT or to people, lets
those whom it concerns write, and says whose readers are to be waited for.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from mosaic.core.timestamp import Timestamp
from mosaic.social import posts
from mosaic.testing.simulation.dht import Manner
from mosaic.testing.simulation.theft import stolen_signer
from mosaic.testing.simulation.town import PASSWORD, Dweller, Lie
from mosaic.testing.simulation.trial import Trial, author_keys

_SETTLE_S: Final = 5.0
_SECOND: Final = 1_000_000_000
_ALONE: Final = 0
"""The first person's server: he uses no other."""


async def run(trial: Trial) -> None:
    """Plays everything, from the first day to the verdict."""
    await trial.mishap("everybody comes", "people choose servers, follow and write", lambda: _come(trial))
    await trial.mishap("an ordinary day", "posts, answers, edits, deletions", lambda: _day(trial))
    await dies_and_returns(trial)
    await bans(trial)
    await lies(trial)
    await dht_lies(trial)
    await stolen(trial)
    await move(trial)
    await vanish(trial)
    await trial.mishap("an ordinary day after", "posts, answers, edits, deletions", lambda: _day(trial))
    await trial.judge()
    trial.report.lies = await trial.town.lies_told()


async def _come(trial: Trial) -> Sequence[Dweller]:
    await trial.settle()
    return trial.town.people


async def _day(trial: Trial) -> Sequence[Dweller]:
    await trial.everyday()
    return trial.town.people


def _sum_of(counts: Sequence[int]) -> Callable[[], Awaitable[int]]:
    """Counts what is noted in a list meanwhile."""

    async def felt() -> int:
        return sum(counts)

    return felt


async def _write(trial: Trial, people: Sequence[Dweller]) -> None:
    await asyncio.gather(*(trial.post(person) for person in people))


def server_of_one(trial: Trial) -> int:
    """A living server that is somebody's only one, and one of several for others."""
    living = [each for each in range(trial.scale.servers) if each not in trial.dead]
    fitting = [each for each in living if trial.using(each, alone=True) and trial.using(each, alone=False)]
    return fitting[trial.chance.below(len(fitting))]


async def dies_and_returns(trial: Trial) -> None:
    """A server loses its power. Later it comes back, at another address."""
    server = server_of_one(trial)
    lacked: list[int] = []

    async def dies() -> Sequence[Dweller]:
        await trial.town.kill(server)
        trial.dead.add(server)
        await _write(trial, trial.using(server))
        return trial.using(server, alone=False)

    async def returns() -> Sequence[Dweller]:
        lacked.append(await trial.lacking(trial.using(server)))
        await trial.town.revive(server, elsewhere=True)
        trial.dead.discard(server)
        return trial.using(server)

    fails = [(person, server) for person in trial.using(server)]
    await trial.mishap("a server dies", "it loses its power; its people have others", dies, fails=fails)
    await trial.town.wait(trial.scale.back_s)
    await trial.mishap(
        "it returns elsewhere",
        "what was written meanwhile by those who have no other",
        returns,
        felt=_sum_of(lacked),
    )


async def bans(trial: Trial) -> None:
    """A server's operator bans two people, who use others as well."""
    server = server_of_one(trial)
    banned = trial.using(server, alone=False)[:2]

    async def happens() -> Sequence[Dweller]:
        for person in banned:
            await trial.town.servers[server].do("admin_ban", {"what": person.key, "reason": "a whim"})
            trial.banned.add((person.key, server))
        await _write(trial, banned)
        return banned

    fails = [(person, server) for person in banned]
    what = f"{len(banned)} of its people, who have others"
    await trial.mishap("a server bans people", what, happens, fails=fails, tells="refuses")
    for person in banned:
        await trial.change(person, server, None)


async def lies(trial: Trial) -> None:
    """A server withholds what some wrote; another changes it and makes some up. Both are read by many."""
    honest = [one for one in trial.town.liars if one not in trial.dead and trial.using(one, alone=False)]
    for lie, name in ((Lie.WITHHOLD, "a server withholds"), (Lie.FORGE, "a server forges")):
        server = await trial.most_read(honest)
        honest.remove(server)
        about = trial.using(server, alone=False)

        async def happens(
            server: int = server, about: Sequence[Dweller] = about, lie: Lie = lie
        ) -> Sequence[Dweller]:
            await trial.town.lie(server, lie, author_keys(about))
            await _write(trial, about)
            return about

        await trial.mishap(
            name,
            f"what {len(about)} people write, who have others",
            happens,
            fails=[(person, server) for person in about],
            tells="withholds",
            felt=trial.town.lies_told,
        )
        await trial.town.lie(server, Lie.NOTHING, ())


async def dht_lies(trial: Trial) -> None:
    """Half of the DHT misbehaves, while a server goes elsewhere."""
    server = server_of_one(trial)
    machines = list(range(trial.scale.machines))
    half = len(machines) // 2
    manners = (Manner.FORGER, Manner.BACKWARD, Manner.SILENT, Manner.FORGETFUL)

    async def happens() -> Sequence[Dweller]:
        for place, manner in enumerate(manners):
            await trial.town.misbehave(manner, machines[:half][place :: len(manners)])
        await trial.town.kill(server)
        await _write(trial, trial.using(server))
        await trial.town.revive(server, elsewhere=True)
        return trial.using(server)

    await trial.mishap(
        "half of the DHT lies",
        "and a server comes back elsewhere meanwhile",
        happens,
        felt=trial.town.dht_lies_told,
    )


async def stolen(trial: Trial) -> None:
    """Devices of two people are stolen. The thief writes in their names until they revoke them, and after."""
    places = [place for place, one in enumerate(trial.town.people) if len(trial.uses[one.key]) > 1][:2]
    victims = [trial.town.people[place] for place in places]
    thieves = [await _steal(trial, place) for place in places]
    await trial.town.wait(_SETTLE_S)
    since: dict[str, int] = {}
    believed: list[int] = []
    for victim, thief in zip(victims, thieves, strict=True):
        last = await trial.post(victim)
        since[victim.key] = int(str(last["time"])) + _SECOND
        await trial.town.wait(_SETTLE_S)
        await trial.forge(thief, "send me money")

    async def happens() -> Sequence[Dweller]:
        believed.append(await trial.seen_forged())
        for victim in victims:
            (keys,) = await victim.do("keys")
            given = {"key": keys["device"], "since": str(since[victim.key])}
            unlocking = {"master": trial.masters[victim.key], "password": PASSWORD}
            await victim.do("key_revoke", {**given, **unlocking})
        await _write(trial, victims)
        return victims

    async def again() -> Sequence[Dweller]:
        for thief, victim, place in zip(thieves, victims, places, strict=True):
            last = await trial.post(victim)
            signer = stolen_signer(_backup(trial, place), trial.town.folder / f"loot {place}")
            at = Timestamp(int(str(last["time"])) + 1)
            await trial.forge_on(thief, signer, posts.post(signer, "it is me, really", now=at))
        await trial.town.wait(_SETTLE_S)
        return victims

    await trial.town.wait(_SETTLE_S)
    await trial.mishap(
        "stolen keys are revoked", "what the thief wrote goes away again", happens, felt=_sum_of(believed)
    )
    await trial.mishap("the thief goes on", "with keys that are revoked", again)


def _backup(trial: Trial, place: int) -> Path:
    return trial.town.folder / f"backup {place}"


async def _steal(trial: Trial, place: int) -> Dweller:
    """Somebody copies all of a person's home; the master key was taken out of it in time."""
    victim = trial.town.people[place]
    master = trial.town.folder / f"master {place}"
    await victim.do("master_export", {"path": str(master), "new_password": PASSWORD})
    trial.masters[victim.key] = master.read_text()
    await victim.do("master_forget", {"master": trial.masters[victim.key], "password": PASSWORD})
    backup = _backup(trial, place)
    await victim.do("backup", {"path": str(backup), "password": PASSWORD})
    return await trial.town.copy(place, backup)


async def move(trial: Trial) -> None:
    """People leave all their servers for another. Hours later somebody new follows them."""
    movers = trial.town.people[1 :: max(2, trial.scale.people // 8)]

    async def moves(person: Dweller) -> None:
        first, *others = trial.uses[person.key]
        await trial.change(person, first, trial.another(person))
        for server in others:
            await trial.change(person, server, None)

    async def happens() -> Sequence[Dweller]:
        await asyncio.gather(*map(moves, movers))
        await _write(trial, movers)
        return movers

    async def followed() -> Sequence[Dweller]:
        for person in movers:
            strangers = [
                one
                for one in trial.town.people
                if one is not person and person.key not in trial.oracle.follows[one.key]
            ]
            await trial.follow(strangers[trial.chance.below(len(strangers))], person.key)
        await _write(trial, movers)
        return movers

    await trial.mishap("people move", f"{len(movers)} people, each to another server", happens)
    if trial.town.may_wait:
        await trial.town.wait(trial.scale.caches_s)
    await trial.mishap("who moved is followed anew", "old posts come from the new server", followed)


async def vanish(trial: Trial) -> None:
    """A third of the servers is gone for good; who has none left uses another from then on."""
    living = [each for each in range(trial.scale.servers) if each not in trial.dead]
    gone = [living.pop(trial.chance.below(len(living))) for _ in range(-(-trial.scale.servers // 3))]
    concerned = [one for one in trial.town.people if set(gone) & set(trial.uses[one.key])]
    alone = [one for one in concerned if set(gone).issuperset(trial.uses[one.key])]
    fails = [(one, server) for one in concerned for server in trial.uses[one.key] if server in gone]

    async def happens() -> Sequence[Dweller]:
        for server in gone:
            await trial.town.kill(server)
            trial.dead.add(server)
        await _write(trial, concerned)
        return [person for person in concerned if person not in alone]

    async def moves(person: Dweller) -> None:
        for dead in [one for one in trial.uses[person.key] if one in gone]:
            await trial.change(person, dead, trial.another(person))

    async def others() -> Sequence[Dweller]:
        await asyncio.gather(*map(moves, concerned))
        await _write(trial, concerned)
        return concerned

    what = f"{len(gone)} for good, used by {len(concerned)} people"
    await trial.mishap("a third of the servers vanish", what, happens, fails=fails)
    await trial.mishap("their people use others", f"{len(alone)} of them had none left", others)
