"""Somebody adds, leaves and changes servers; nothing is lost, and a follower finds the way by himself."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.node.conftest import FAST, HERE, do, one

from mosaic.client.connection import Connection
from mosaic.core.bootstrap import USER_SALT, UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.dht.mode import DhtMode
from mosaic.dht.network import NetworkState
from mosaic.errors import InvalidBootstrap, MosaicError, Refused, Unreachable, UsageError
from mosaic.node.backup import Backup
from mosaic.node.home import Home, try_lock
from mosaic.node.moves import Change, Step, swapped
from mosaic.node.moving import Going
from mosaic.node.node import Node
from mosaic.node.operating_settings import PolicySettings, RoleSettings, ServingSettings
from mosaic.node.own_copy import Counts, OwnCopy
from mosaic.node.restore import restore
from mosaic.node.surroundings import Surroundings
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.testing import FakeDht
from mosaic.wire.result_code import ResultCode

# Somebody whose servers all fail is looked up every 30 seconds.
PATIENCE_S = 60.0
ALL = ["outbox", "inbox", "encryption"]


class Dht(FakeDht):
    """One DHT for all; each node calls it its own."""

    state = NetworkState.WORKING

    def start(self) -> None: ...

    async def stop(self) -> None: ...


def refuses_old_words(submission: Submission) -> Verdict:
    if b"an unwelcome word" in submission.record:
        return Refuse(ResultCode.UNAUTHORIZED, "not here")
    return ACCEPT


class Town:
    """Homes that find each other in one DHT."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dht = Dht()
        self._nodes: list[Node] = []

    async def open(self, name: str, *, listens: bool, works: bool = True, **changes: Any) -> Node:
        home = Home(self.folder / name)
        if not home.is_there:
            home.make()
        lock = try_lock(home)
        assert lock is not None
        mode = DhtMode.parse("127.0.0.1:9")
        settings = dataclasses.replace(FAST, dht=mode, left_kept_s=7_200.0, **changes)
        node = await Node.open(home, lock, settings, surroundings=Surroundings(dht=lambda *_: self.dht))
        self._nodes.append(node)
        if listens:
            node.listen(HERE)
        if works:
            node.work()
        if not len(node.people):
            await node.make_person(name)
        return node

    async def server(self, name: str, *, who: str = "everyone", **changes: Any) -> Node:
        """Somebody's server that takes others in."""
        given = {"roles": RoleSettings(), "serves": ServingSettings(who=who), **changes}  # type: ignore[arg-type]
        node = await self.open(name, listens=True, **given)
        await until(node, lambda: node.dht.state().published_iso)
        return node

    async def person(self, name: str, *servers: Node, works: bool = True, **changes: Any) -> Node:
        """Somebody behind a router who uses servers of others."""
        node = await self.open(name, listens=False, works=works, **changes)
        for server in servers:
            await do(node, "servers_change", new=key(server), working=works)
        return node

    async def close(self) -> None:
        for node in self._nodes:
            await node.stop()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    try:
        yield made
    finally:
        await made.close()


async def until(node: Node, holds: Callable[[], object]) -> None:
    with node.changes() as changed:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 0.2)
                changed.clear()


def key(node: Node) -> str:
    return node.server_secret.public.server_text


def who(node: Node) -> Any:
    return node.people.find(None).key


def texts(node: Node, author: Node) -> set[bytes]:
    """What a node has of somebody's posts."""
    records = node.everything.newest_first(Filter.of(authors=[who(author)]))
    return {record.payload for record in records if record.payload.startswith(b"post")}


def published(town: Town, person: Node) -> list[str]:
    """The servers that the DHT tells of somebody."""
    item = town.dht.held(who(person), USER_SALT)
    assert item is not None
    return [entry.key.server_text for entry in UserBootstrap.read(item.value).entries]


async def post(node: Node, text: str) -> None:
    await do(node, "post", text=text, working=True)


async def change(node: Node, **given: Any) -> dict[str, Any]:
    *_, last = await do(node, "servers_change", working=True, **given)
    return last


async def follows(follower: Node, author: Node) -> None:
    await do(follower, "follow", person=who(author).user_text, working=True)


@pytest.mark.claim("C64")
async def test_a_follower_notices_nothing_of_a_move(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna, ben = await town.person("anna", first), await town.open("ben", listens=False)
    await post(anna, "post before")
    await follows(ben, anna)
    await until(ben, lambda: texts(ben, anna) == {b"post before"})
    assert published(town, anna) == [key(first)]

    done = await change(anna, old=key(first), new=key(second))
    assert (done["step"], done["lacking"], done["reached"]) == ("keep", 0, True)
    assert done["handed"] == len(list(anna.everything.newest_first(Filter.of(authors=[who(anna)]))))
    assert published(town, anna) == [key(second)]
    assert texts(second, anna) == {b"post before"}
    # Ben still looks at the first one, which is written to as before.
    await post(anna, "post after")
    await until(ben, lambda: texts(ben, anna) == {b"post before", b"post after"})
    await until(second, lambda: texts(second, anna) == {b"post before", b"post after"})
    # Now it goes, and he finds the second one.
    await first.stop()
    await post(anna, "post without it")
    await until(ben, lambda: b"post without it" in texts(ben, anna))


@pytest.mark.slow
@pytest.mark.claim("C64")
async def test_whose_only_server_is_gone_comes_back_with_a_backup_and_nothing_else(
    town: Town, tmp_path: Path
) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna, ben = await town.person("anna", first), await town.open("ben", listens=False)
    await post(anna, "post 1")
    await follows(ben, anna)
    await until(ben, lambda: texts(ben, anna) == {b"post 1"})
    backup = tmp_path / "laptop.backup"
    for _ in Backup(anna, "a good password").write(backup):
        pass
    await anna.stop()
    await first.stop()
    with backup.open("rb") as source:
        restore(source, tmp_path / "elsewhere", "a good password")
    again = await town.open("elsewhere", listens=False)
    assert who(again) == who(anna)
    done = await change(again, old=key(first), new=key(second))
    assert (done["step"], done["reached"], done["lacking"]) == ("keep", False, 0)
    assert "can't be read" in done["note"]
    assert texts(second, anna) == {b"post 1"}
    await post(again, "post 2")
    await until(ben, lambda: texts(ben, anna) == {b"post 1", b"post 2"})


@pytest.mark.claim("C1", "C64")
async def test_who_was_banned_takes_everything_along(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    await until(first, lambda: texts(first, anna) == {b"post 1"})
    await do(first, "admin_ban", what=who(anna).user_text, reason="a whim")
    done = await change(anna, old=key(first), new=key(second))
    assert done["step"] == "keep"
    assert texts(second, anna) == {b"post 1"}
    assert published(town, anna) == [key(second)]


@pytest.mark.claim("C64")
async def test_a_server_that_does_not_serve_me_changes_nothing(town: Town) -> None:
    first = await town.server("first")
    closed = await town.server("closed", who="invitations")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    with pytest.raises(Refused) as told:
        await change(anna, old=key(first), new=key(closed))
    assert "invitation" in told.value.hint
    assert published(town, anna) == [key(first)]
    assert len(await do(anna, "servers_moves")) == 1
    with pytest.raises(Refused):
        await change(anna, old=key(first), new=key(closed), invitation="guessed")
    code = closed.rules.served.invite()
    await change(anna, old=key(first), new=key(closed), invitation=code)
    assert published(town, anna) == [key(closed)]
    assert texts(closed, anna) == {b"post 1"}


async def test_nobody_is_left_without_an_outbox(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    own = key(anna)
    # Her own node is on the list, but nobody reaches it.
    with pytest.raises(InvalidBootstrap):
        await change(anna, old=key(first))
    with pytest.raises(UsageError):
        await change(anna, old=key(first), new="here")
    with pytest.raises(UsageError):
        await change(anna, old=key(second))
    with pytest.raises(UsageError):
        await change(anna, old=key(first), new=key(first))
    await second.stop()
    with pytest.raises(Unreachable):
        await change(anna, old=key(first), new=key(second))
    assert published(town, anna) == [key(first)]
    assert [item["key"] for item in await do(anna, "servers")] == [own, key(first)]


async def test_what_the_new_server_refuses_is_counted_before_anybody_is_told(town: Town) -> None:
    first = await town.server("first")
    rule = "tests.node.test_moving:refuses_old_words"
    picky = await town.server("picky", policy=PolicySettings(hooks=(rule,)))
    anna = await town.person("anna", first)
    await post(anna, "post with an unwelcome word")
    await post(anna, "post 2")
    with pytest.raises(UsageError) as told:
        await change(anna, old=key(first), new=key(picky))
    assert "1 of your records" in str(told.value)
    assert published(town, anna) == [key(first)]
    with pytest.raises(UsageError, match="under way"):
        await change(anna, old=key(first), new=key(picky))
    *_, done = await do(anna, "servers_resume", even_so=True, working=True)
    assert (done["step"], done["lacking"]) == ("keep", 1)
    assert published(town, anna) == [key(picky)]
    with pytest.raises(UsageError, match="published already"):
        await do(anna, "servers_cancel")


async def test_what_the_new_server_takes_and_does_not_keep_is_counted_as_lacking(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post to be dropped")
    await post(anna, "post 2")
    submit_all = Connection.submit_all

    async def dropped(connection: Connection, records: Sequence[bytes]) -> list[ResultCode]:
        results = iter(await submit_all(connection, [each for each in records if b"dropped" not in each]))
        return [ResultCode.ACCEPTED if b"dropped" in each else next(results) for each in records]

    monkeypatch.setattr(Connection, "submit_all", dropped)
    with pytest.raises(UsageError, match="1 of your records"):
        await change(anna, old=key(first), new=key(second))
    assert texts(second, anna) == {b"post 2"}
    assert published(town, anna) == [key(first)]


async def test_a_change_can_be_given_up_before_anybody_is_told(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    town.dht.down = True
    with pytest.raises(Unreachable):
        await change(anna, old=key(first), new=key(second), url=str(second.urls[0]))
    town.dht.down = False
    (cancelled,) = await do(anna, "servers_cancel")
    assert (cancelled["step"], cancelled["done"]) == ("cancelled", True)
    assert published(town, anna) == [key(first)]
    assert not anna.moving.moves.under_way()
    done = await change(anna, old=key(first), new=key(second))
    assert done["step"] == "keep"


async def test_what_is_given_up_while_it_goes_on_goes_no_further(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first, works=False)
    await post(anna, "post 1")
    moving = anna.moving
    person = anna.people.find(None)
    going = Going(anna.dht)
    wanted = Change(first.server_secret.public, second.server_secret.public, url=second.urls[0])
    move = await moving.begin(person, wanted, going)
    on = moving.go_on(move, going)
    await anext(on)
    (cancelled,) = await do(anna, "servers_cancel")
    assert cancelled["step"] == "cancelled"
    with pytest.raises(UsageError, match="given up"):
        async for _ in on:
            pass
    assert moving.moves.at(move.number).step is Step.CANCELLED
    assert published(town, anna) == [key(first)]
    assert key(second) not in anna.people.find(None).bootstrap


async def test_a_change_that_is_broken_off_when_all_but_the_note_is_done_is_not_given_up(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first, works=False)
    moves = anna.moving.moves
    move = moves.begin(who(anna), first.server_secret.public, second.server_secret.public, 7, 1)  # type: ignore[arg-type]
    moves.note(dataclasses.replace(move, step=Step.SWAP))
    person = anna.people.find(None)
    anna.use_servers(person, swapped(UserBootstrap.parse(person.bootstrap), move))
    with pytest.raises(UsageError, match="published already"):
        await do(anna, "servers_cancel")
    *_, done = await do(anna, "servers_resume", working=True)
    assert done["step"] == "keep"
    assert published(town, anna) == [key(second)]


async def test_what_is_written_before_the_change_can_be_published_reaches_the_new_server(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    await first.stop()
    town.dht.down = True
    with pytest.raises(Unreachable):
        await change(anna, old=key(first), new=key(second), url=str(second.urls[0]))
    assert texts(second, anna) == {b"post 1"}
    await post(anna, "post meanwhile")
    town.dht.down = False
    *_, done = await do(anna, "servers_resume", working=True)
    assert (done["step"], done["reached"]) == ("keep", False)
    assert texts(second, anna) == {b"post 1", b"post meanwhile"}


async def test_what_waits_for_the_master_key_is_told_once_and_not_tried_each_minute(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first, works=False)
    anna.people.keep_master(anna.people.find(None), None)
    moves, moving = anna.moving.moves, anna.moving
    move = moves.begin(who(anna), first.server_secret.public, second.server_secret.public, 7, 1)  # type: ignore[arg-type]
    moves.note(dataclasses.replace(move, step=Step.SWAP))
    await moving._go_on_alone(moves.at(move.number))
    assert "--master FILE" in moves.at(move.number).note
    moving._not_before_ns.clear()
    await moving._go_on_alone(moves.at(move.number))
    # A failure would have put the next try off.
    assert not moving._not_before_ns
    assert moves.at(move.number).step is Step.SWAP


@pytest.mark.parametrize("step", [Step.COPY, Step.HAND_IN, Step.SWAP])
async def test_a_restart_goes_on_at_each_step(town: Town, step: Step) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    moves = anna.moving.moves
    move = moves.begin(who(anna), first.server_secret.public, second.server_secret.public, 7, 1)  # type: ignore[arg-type]
    moves.note(dataclasses.replace(move, step=step))
    await anna.stop()
    again = await town.open("anna", listens=False)
    await until(again, lambda: published(town, again) == [key(second)])
    await until(again, lambda: again.moving.moves.at(move.number).step is Step.KEEP)
    if step is not Step.SWAP:
        assert texts(second, again) == {b"post 1"}


async def test_the_former_server_is_read_once_more_and_then_let_go(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna, ben = await town.person("anna", first), await town.person("ben", first)
    await follows(ben, anna)
    await post(anna, "post 1")
    await until(ben, lambda: texts(ben, anna) == {b"post 1"})
    done = await change(anna, old=key(first), new=key(second))
    # Somebody who has not heard of it yet writes to the former inbox.
    await do(first, "post", text=f"post for @{who(anna).user_text}")
    move = anna.moving.moves.at(done["number"])
    anna.moving.moves.note(dataclasses.replace(move, until_ns=anna.clock.now_ns()))
    *_, last = await do(anna, "servers_resume", working=True)
    assert (last["step"], last["done"]) == ("done", True)
    assert any(payload.startswith(b"post for") for payload in texts(anna, first))
    assert not anna.directory.left(who(anna))


async def test_one_server_more_gets_everything_and_one_fewer_loses_nothing(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    added = await change(anna, new=key(second), uses=["outbox"])
    assert (added["step"], added["uses"]) == ("done", ["outbox"])
    assert texts(second, anna) == {b"post 1"}
    assert published(town, anna) == [key(first), key(second)]
    # The second one is no inbox, so the first one has to stay.
    with pytest.raises(InvalidBootstrap):
        await change(anna, old=key(first))
    await change(anna, new=key(second))
    await change(anna, old=key(first))
    assert published(town, anna) == [key(second)]


@pytest.mark.claim("C64", "C83")
async def test_a_dead_server_can_be_given_up_while_another_one_is_dead(town: Town) -> None:
    servers = [await town.server(name) for name in ("first", "second", "third")]
    anna = await town.person("anna", *servers)
    await post(anna, "post 1")
    for server in servers[1:]:
        await server.stop()
    await post(anna, "post 2")
    done = await change(anna, old=key(servers[1]))
    assert (done["published"], done["lacking"]) == (True, 0)
    assert published(town, anna) == [key(servers[0]), key(servers[2])]
    assert texts(servers[0], anna) == {b"post 1", b"post 2"}
    # Where none that would stay is reached, nothing is changed.
    await servers[0].stop()
    with pytest.raises(Unreachable):
        await change(anna, old=key(servers[0]))
    assert published(town, anna) == [key(servers[0]), key(servers[2])]


async def test_of_what_would_be_done_nothing_is(town: Town) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    told = await change(anna, old=key(first), new=key(second), dry_run=True)
    assert told["to_hand_in"] == len(list(anna.everything.newest_first(Filter.of(authors=[who(anna)]))))
    assert (told["to_fetch"], told["old_problem"], told["new_problem"]) == (0, "", "")
    assert [entry["key"] for entry in told["servers"]] == [key(anna), key(second)]
    assert published(town, anna) == [key(first)]
    assert not list(second.everything.newest_first(Filter.of(authors=[who(anna)], kinds=[KEY_SCHEDULE])))
    assert len(await do(anna, "servers_moves")) == 1


async def test_without_a_dht_nobody_is_led_astray(town: Town) -> None:
    first = await town.server("first")
    anna = await town.person("anna", works=False)
    anna.dht._network = None
    url = str(first.urls[0])
    added = await one(anna, "servers_change", new=key(first), url=url, dry_run=True)
    assert added["new_problem"] == ""
    *_, added = await do(anna, "servers_change", new=key(first), url=url)
    assert added["step"] == "done"
    with pytest.raises(UsageError, match="DHT is off"):
        await do(anna, "servers_change", old=key(first), new=key(anna))
    with pytest.raises(MosaicError):
        await do(anna, "servers_change", new="mosaictcp://127.0.0.1:9/")


@pytest.mark.claim("C65")
async def test_what_lies_in_an_inbox_elsewhere_and_what_another_device_wrote_comes_by_itself(
    town: Town, tmp_path: Path
) -> None:
    first = await town.server("first")
    anna = await town.person("anna", first)
    before = f"post for @{who(anna).user_text}"
    await do(first, "post", text=before)
    await until(anna, lambda: any(each.startswith(b"post for") for each in texts(anna, first)))
    await do(first, "post", text=f"{before}, and another")
    await until(anna, lambda: len(texts(anna, first)) == 2)
    # Another machine of hers, from a backup: same person, the same device key.
    backup = tmp_path / "laptop.backup"
    for _ in Backup(anna, "a good password").write(backup):
        pass
    with backup.open("rb") as source:
        restore(source, tmp_path / "elsewhere", "a good password")
    again = await town.open("elsewhere", listens=False)
    await post(again, "post from elsewhere")
    await anna.stop()
    anna = await town.open("anna", listens=False)
    await until(anna, lambda: texts(anna, anna) == {b"post from elsewhere"})


@pytest.mark.claim("C64")
async def test_what_fails_after_the_change_is_published_is_tried_again_and_ends(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna = await town.person("anna", first)
    await post(anna, "post 1")
    done = await change(anna, old=key(first), new=key(second))
    moves, number = anna.moving.moves, done["number"]
    # The former server could not be read, and had something that nobody else has.
    moves.note(dataclasses.replace(moves.at(number), reached=False, note="it can't be read"))
    hand_in, down = OwnCopy.hand_in, True

    def failing(copy: OwnCopy) -> AsyncGenerator[Counts, None]:
        if down:
            raise Unreachable("the new server is down")
        return hand_in(copy)

    monkeypatch.setattr(OwnCopy, "hand_in", failing)
    with pytest.raises(Unreachable):
        await do(anna, "servers_resume", working=True)
    move = moves.at(number)
    assert (move.step, move.reached) == (Step.KEEP, True)
    assert "new server is down" in move.note
    # It is handed on as soon as that works, though the former one was read before.
    down = False
    *_, now = await do(anna, "servers_resume", working=True)
    assert (now["step"], now["note"], now["lacking"]) == ("keep", "", 0)
    # When its time is over it ends, whatever happens, and says so.
    down = True
    moves.note(dataclasses.replace(moves.at(number), until_ns=anna.clock.now_ns()))
    *_, last = await do(anna, "servers_resume", working=True)
    assert (last["step"], last["done"]) == ("done", True)
    assert "could not be handed on" in str(last["note"])
    assert published(town, anna) == [key(second)]


@pytest.mark.claim("C64")
async def test_two_machines_with_one_device_key_use_the_same_servers(town: Town, tmp_path: Path) -> None:
    first, second = await town.server("first"), await town.server("second")
    anna, ben = await town.person("anna", first), await town.open("ben", listens=False)
    await post(anna, "post 1")
    await follows(ben, anna)
    await until(ben, lambda: texts(ben, anna) == {b"post 1"})
    backup = tmp_path / "laptop.backup"
    for _ in Backup(anna, "a good password").write(backup):
        pass
    with backup.open("rb") as source:
        restore(source, tmp_path / "elsewhere", "a good password")
    # The first machine lives on, and changes servers.
    again = await town.open("elsewhere", listens=False)
    await change(anna, old=key(first), new=key(second))
    await do(again, "dht_publish")
    servers = [key(anna), key(second)]
    await until(again, lambda: [str(item) for item in _used(again)] == servers)
    assert [item["key"] for item in await do(again, "servers")] == servers
    # Neither takes the other's list back, and what either writes is read.
    await do(anna, "dht_publish")
    await do(again, "dht_publish")
    assert published(town, anna) == [key(second)]
    await first.stop()
    await post(again, "post from elsewhere")
    await post(anna, "post 2")
    await until(ben, lambda: texts(ben, anna) == {b"post 1", b"post from elsewhere", b"post 2"})


def _used(node: Node) -> list[str]:
    person = node.people.find(None)
    return [entry.key.server_text for entry in UserBootstrap.parse(person.bootstrap).entries]


async def test_a_change_of_servers_that_is_not_published_yet_is_not_taken_back(
    town: Town, tmp_path: Path
) -> None:
    first, second, third = [await town.server(name) for name in ("first", "second", "third")]
    anna = await town.person("anna", first)
    backup = tmp_path / "laptop.backup"
    for _ in Backup(anna, "a good password").write(backup):
        pass
    with backup.open("rb") as source:
        restore(source, tmp_path / "elsewhere", "a good password")
    again = await town.open("elsewhere", listens=False, works=False)
    await do(again, "servers_add", server_key=key(third), url=str(third.urls[0]))
    await change(anna, new=key(second))
    again.look_again()
    async for _ in again.dht.answers(who(again), USER_SALT, fresh=True):
        pass
    assert key(third) in _used(again)
