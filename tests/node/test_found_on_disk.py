"""What a home remembers of others' servers: bootstraps, what became of dialling, who is not found yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.client.dial_memory import Remembered
from mosaic.client.way import Form, Way
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT, DhtItem, ServerBootstrap, Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.dht.sequence_store import Known, Wish
from mosaic.node.bootstraps import MOST, Bootstraps
from mosaic.node.clock import Clock
from mosaic.node.dialled import Dialled
from mosaic.node.directory import HomeDirectory
from mosaic.node.private_db import PrivateDb
from mosaic.node.unaddressed import Letter, Unaddressed
from mosaic.social.records import Records

CARA, SERVER, OTHER, OWN = (SecretKey.from_seed(bytes([n]) * 32) for n in range(1, 5))
HERE = ServerUrl.parse("mosaictcp://203.0.113.1/")
THERE = ServerUrl.parse("mosaic://203.0.113.2:9/")
NAMED = ServerUrl.parse("mosaictcp://127.0.0.1:7/")


def says(secret: SecretKey, seq: int, *urls: ServerUrl) -> Known:
    """A server's item."""
    return Known(DhtItem.sign(secret, SERVER_SALT, seq, ServerBootstrap(urls).text.encode()), 5)


def uses(seq: int, *lines: tuple[int, SecretKey]) -> Known:
    """Cara's item."""
    text = "\n".join(["U", *(f"{usage} {server.public.server_text}" for usage, server in lines)])
    return Known(DhtItem.sign(CARA, USER_SALT, seq, text.encode()), 5)


class World:
    def __init__(self, path: Path) -> None:
        self.db = PrivateDb(path)
        self.changed: list[PublicKey] = []
        self.bootstraps = Bootstraps(self.db, self.changed.append)
        self.own: dict[PublicKey, UserBootstrap] = {}
        self.directory = HomeDirectory(
            self.db, self.bootstraps, self._records, Clock(), own_server=OWN.public, own=self.own.get
        )

    def _records(self) -> Records:
        raise AssertionError("no record is needed here")

    def outboxes(self, person: SecretKey = CARA) -> list[tuple[PublicKey, tuple[ServerUrl, ...]]]:
        return [(one.key, one.urls) for one in self.directory.servers(person.public, Usage.OUTBOX)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "private.db")


@pytest.mark.claim("C14", "C19")
def test_the_greatest_item_outlives_a_restart_and_is_never_gone_behind(world: World, tmp_path: Path) -> None:
    world.bootstraps.save(says(SERVER, 4, HERE))
    world.bootstraps.save(says(SERVER, 3, THERE))
    world.db.close()
    again = World(tmp_path / "private.db")
    known = again.bootstraps.known(SERVER.public, SERVER_SALT)
    assert known == says(SERVER, 4, HERE)
    assert known.item.verify()
    assert again.bootstraps.server(SERVER.public) == ServerBootstrap((HERE,))
    assert again.bootstraps.user(SERVER.public) is None
    assert again.directory.address(SERVER.public).urls == (HERE,)


def test_only_another_text_is_told_as_a_change(world: World) -> None:
    world.bootstraps.save(says(SERVER, 1, HERE))
    world.bootstraps.save(says(SERVER, 1, HERE))
    world.bootstraps.save(says(SERVER, 2, HERE))
    assert world.changed == [SERVER.public]
    world.bootstraps.save(says(SERVER, 3, THERE))
    assert world.changed == [SERVER.public] * 2


def test_what_strangers_had_looked_up_is_bounded_and_what_is_used_here_stays(world: World) -> None:
    world.bootstraps.save_wish(SERVER.public, SERVER_SALT, Wish(b"S", 1))
    world.bootstraps.save(says(SERVER, 1, HERE))
    world.bootstraps.save(says(OTHER, 1, THERE))
    world.db.connection.executemany(
        "INSERT INTO dht_item VALUES (?, ?, 1, x'53', zeroblob(64), ?)",
        ((n.to_bytes(32, "big"), SERVER_SALT, 10 + n) for n in range(MOST - 2)),
    )
    chosen = (5).to_bytes(32, "big")
    world.db.connection.execute("INSERT INTO kept VALUES (?, 1)", (chosen,))
    Bootstraps(world.db, world.changed.append).save(uses(1, (1, SERVER)))

    def kept() -> set[bytes]:
        return {key for (key,) in world.db.connection.execute("SELECT key FROM dht_item")}

    assert len(kept()) == MOST - MOST // 10
    # Those asked about for longest went: the stranger's first, then in order; what is told from here stayed.
    assert OTHER.public.bytes not in kept()
    assert SERVER.public.bytes in kept()
    assert chosen in kept()
    assert (MOST - 3).to_bytes(32, "big") in kept()
    assert (1).to_bytes(32, "big") not in kept()


def test_what_was_published_from_here_is_kept(world: World) -> None:
    assert world.bootstraps.wish(CARA.public, USER_SALT) is None
    world.bootstraps.save_wish(CARA.public, USER_SALT, Wish(b"U", 3))
    world.bootstraps.save_wish(CARA.public, USER_SALT, Wish(b"U\n", 4))
    assert world.bootstraps.wish(CARA.public, USER_SALT) == Wish(b"U\n", 4)


@pytest.mark.claim("C17", "C18")
def test_what_somebody_published_counts_before_what_was_said_here(world: World) -> None:
    world.directory.learn(CARA.public, OTHER.public, NAMED, Usage.OUTBOX)
    assert world.outboxes() == [(OTHER.public, (NAMED,))]
    world.bootstraps.save(uses(1, (7, SERVER)))
    # Published, but nobody knows yet where that server is: what was said here still leads somewhere.
    assert world.outboxes() == [(OTHER.public, (NAMED,)), (SERVER.public, ())]
    world.bootstraps.save(says(SERVER, 1, HERE))
    assert world.outboxes() == [(SERVER.public, (HERE,))]


def test_where_a_server_is_comes_from_the_server_first(world: World) -> None:
    world.directory.learn(CARA.public, SERVER.public, NAMED, Usage.OUTBOX)
    world.bootstraps.save(says(SERVER, 1, HERE, THERE))
    address = world.directory.address(SERVER.public)
    assert address.urls == (HERE, THERE, NAMED)
    # Only what the home's own people named may lead to a near address.
    assert address.named == {NAMED}


def test_each_role_has_its_servers_and_the_own_server_is_left_out(world: World) -> None:
    world.bootstraps.save(uses(1, (1, SERVER), (2, OTHER), (7, OWN)))
    world.bootstraps.save(says(SERVER, 1, HERE))
    world.bootstraps.save(says(OTHER, 1, THERE))
    assert world.outboxes() == [(SERVER.public, (HERE,))]
    inboxes = world.directory.servers(CARA.public, Usage.INBOX)
    assert [one.key for one in inboxes] == [OTHER.public]


def test_who_lives_here_uses_what_his_own_home_says(world: World) -> None:
    world.directory.learn(CARA.public, SERVER.public, HERE, Usage.OUTBOX)
    world.bootstraps.save(uses(9, (7, SERVER)))
    world.own[CARA.public] = UserBootstrap.parse(f"U\n7 {OWN.public.server_text}")
    assert world.outboxes() == []
    assert world.directory.lives_here(CARA.public)
    assert not world.directory.lives_here(SERVER.public)


def test_what_became_of_dialling_is_remembered(world: World, tmp_path: Path) -> None:
    memory = Dialled(world.db)
    assert memory.remembered(SERVER.public) == []
    memory.failed(SERVER.public, HERE, 5)
    memory.worked(SERVER.public, Way(THERE, Form.RAW_KEY), 6)
    memory.failed(SERVER.public, THERE, 7)
    memory.worked(OTHER.public, Way(HERE, Form.CERTIFICATE), 8)
    world.db.close()
    memory = Dialled(PrivateDb(tmp_path / "private.db"))
    assert set(memory.remembered(SERVER.public)) == {
        Remembered(HERE, None, 0, 5),
        Remembered(THERE, Form.RAW_KEY, 6, 7),
    }
    memory.worked(SERVER.public, Way(THERE, Form.CERTIFICATE), 9)
    assert Remembered(THERE, Form.CERTIFICATE, 9, 0) in memory.remembered(SERVER.public)


def test_a_server_that_moves_all_the_time_does_not_fill_the_memory(world: World) -> None:
    memory = Dialled(world.db)
    for port in range(1, 100):
        memory.failed(SERVER.public, ServerUrl.parse(f"mosaictcp://203.0.113.1:{port}/"), port)
    kept = memory.remembered(SERVER.public)
    assert {entry.url.port for entry in kept} == set(range(68, 100))


def test_letters_wait_once_for_each_person_in_their_order(world: World) -> None:
    letters = Unaddressed(world.db)
    first, second = b"1" * 300, b"2" * 300
    for_cara = [Letter(first, b"s" * 32, CARA.public), Letter(second, b"s" * 32, CARA.public)]
    for number, letter in enumerate([for_cara[0], for_cara[0], Letter(first, b"s" * 32, OTHER.public)]):
        letters.add(letter, number)
    letters.add(for_cara[1], 5)
    assert letters.waiting() == 3
    assert letters.of_person(CARA.public) == for_cara
    assert set(letters.people()) == {CARA.public, OTHER.public}
    assert letters.all(1) == for_cara[:1]
    letters.remove(for_cara[0])
    assert letters.of_person(CARA.public) == for_cara[1:]
    letters.withdraw(first[:48])
    assert letters.people() == [CARA.public]
    letters.forget_old(5 + 31 * 86_400 * 10**9)
    assert letters.waiting() == 0
