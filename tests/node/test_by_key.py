"""Two homes in one process that find each other in a DHT on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.dht.liar import Liar
from tests.node.conftest import FAST, HERE, do, one

from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT, DhtItem, ServerBootstrap, Usage
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.mode import OFF, DhtMode
from mosaic.dht.sequence_store import Known
from mosaic.dht.testnet import DhtTestnet
from mosaic.errors import InvalidBootstrap, Unreachable, UsageError
from mosaic.node.face import Face
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.settings import NodeSettings

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def testnet() -> Iterator[DhtTestnet]:
    with DhtTestnet(6) as net:
        yield net


@contextlib.asynccontextmanager
async def living(folder: Path, name: str, entry: str, *, listens: bool = True) -> AsyncIterator[Node]:
    """A home that works in a DHT."""
    home = Home(folder / name)
    if not home.is_there:
        home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, dataclasses.replace(FAST, dht=DhtMode.parse(entry)))
    try:
        if listens:
            node.listen(HERE)
        node.work()
        if not len(node.people):
            await Face(node).begin(name)
        yield node
    finally:
        await node.stop()


async def until(node: Node, holds: Callable[[], object]) -> None:
    """Waits for something that the node tells of."""
    with node.changes() as changed:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await changed.wait()
                changed.clear()


def key_of(node: Node) -> PublicKey:
    return node.people.find(None).key


@pytest.mark.claim("C14", "C16", "C17", "C19")
async def test_a_node_publishes_where_it_is_and_which_servers_its_people_use(
    tmp_path: Path, testnet: DhtTestnet
) -> None:
    async with living(tmp_path, "anna", testnet.entry_nodes[0]) as anna:
        await until(anna, lambda: anna.dht.state().published_iso)
        state = Face(anna).status().dht
        assert (state.mode, state.state) == ("own", "working")
        assert "published" in state.detail
        user = anna.bootstraps.known(key_of(anna), USER_SALT)
        server = anna.bootstraps.known(anna.server_secret.public, SERVER_SALT)
        assert user is not None
        assert server is not None
        # The master key itself has signed, and a look-up that strangers ask for proves that.
        assert user.item.verify()
        assert user.item.value.decode() == f"U\n7 {anna.server_secret.public.server_text}"
        assert ServerBootstrap.read(server.item.value).urls == tuple(anna.urls)
        async with living(tmp_path, "ben", testnet.entry_nodes[0]) as ben:
            assert await ben.dht.item(key_of(anna), USER_SALT) == user.item
            assert await ben.dht.item(anna.server_secret.public, SERVER_SALT) == server.item
            assert await ben.dht.item(key_of(anna), SERVER_SALT) is None


async def test_following_by_key_alone_says_what_goes_on(tmp_path: Path, testnet: DhtTestnet) -> None:
    entry = testnet.entry_nodes[0]
    async with living(tmp_path, "anna", entry) as anna, living(tmp_path, "ben", entry) as ben:
        await until(anna, lambda: anna.dht.state().published_iso)
        await Face(anna).post("hello")
        face = Face(ben)
        assert face.status().share == key_of(ben).user_text
        followed = await face.follow(key_of(anna).user_text)
        assert (followed.key, followed.state) == (key_of(anna).user_text, "looking for their servers")
        await until(ben, lambda: [one.name for one in face.people()] == ["anna"])
        await until(ben, lambda: face.people()[0].state == "connected")
        own, read = face.status().servers
        assert (own.mine, own.state, own.key) == (True, "listening", ben.server_secret.public.server_text)
        assert (read.mine, read.state, read.via) == (False, "connected", "TCP")
        assert (read.key, list(read.of)) == (
            anna.server_secret.public.server_text,
            [key_of(anna).user_text],
        )
        assert [entry.text for entry in await face.feed()] == ["hello"]
        await face.unfollow(key_of(anna).user_text)
        assert [server.mine for server in face.status().servers] == [True]


async def test_what_is_for_somebody_unknown_goes_out_when_he_is_found(
    tmp_path: Path, testnet: DhtTestnet
) -> None:
    entry = testnet.entry_nodes[0]
    async with living(tmp_path, "anna", entry, listens=False) as anna:
        hidden = key_of(anna)
        # She does not listen, so that nothing is published and the page says why.
        state = Face(anna).status()
        assert "does not listen" in state.dht.detail
        assert state.servers[0].state == "waiting"
    async with living(tmp_path, "ben", entry) as ben:
        post = await one(ben, "post", text=f"hello @{hidden.user_text}", working=True)
        assert post["unreached"] == [hidden.user_text]
        (waits,) = await do(ben, "queue", working=True)
        assert (waits["person"], waits["server"]) == (hidden.user_text, None)
        async with living(tmp_path, "anna", entry) as anna:
            # The text comes first, then the name.
            with anna.changes() as changed:
                async with asyncio.timeout(PATIENCE_S):
                    while not (posts := await Face(anna).wall(key_of(ben).user_text)) or (
                        posts[0].author_name != "ben"
                    ):
                        await changed.wait()
                        changed.clear()
            assert [post.text for post in posts] == ["hello @anna"]
        assert ben.unaddressed.waiting() == 0


async def test_an_entry_node_that_is_not_there_leaves_everything_local_working(tmp_path: Path) -> None:
    async with living(tmp_path, "anna", "127.0.0.1:9") as anna:
        face = Face(anna)
        await face.post("hello")
        await until(anna, lambda: face.status().dht.state == "unreachable")
        assert "No node of the DHT answers" in face.status().dht.detail
        assert [entry.text for entry in await face.feed()] == ["hello"]
        with pytest.raises(Unreachable):
            await anna.dht.item(PublicKey(bytes(31) + b"\x05"), USER_SALT)


@pytest.mark.claim("C17", "C18", "C64")
async def test_somebody_uses_another_server_as_well_and_friends_find_that(
    tmp_path: Path, testnet: DhtTestnet
) -> None:
    entry = testnet.entry_nodes[0]
    async with living(tmp_path, "anna", entry) as anna, living(tmp_path, "hub", entry) as hub:
        hub_key = hub.server_secret.public.server_text
        await until(hub, lambda: hub.dht.state().published_iso)
        added = await one(anna, "servers_add", server_key=hub_key, uses=["outbox"])
        assert (added["key"], added["uses"], added["mine"]) == (hub_key, ["outbox"], False)
        own, other = await do(anna, "servers")
        assert (own["mine"], own["uses"]) == (True, ["outbox", "inbox", "encryption"])
        assert other["key"] == hub_key
        async with living(tmp_path, "ben", entry) as ben:
            # Published and read back, the second time.
            wish = anna.bootstraps.wish
            await until(anna, lambda: (done := wish(key_of(anna), USER_SALT)) and done.seq > 1)
            await Face(ben).follow(key_of(anna).user_text)
            await until(ben, lambda: len(ben.directory.servers(key_of(anna), Usage.OUTBOX)) == 2)
        with pytest.raises(InvalidBootstrap):
            await do(anna, "servers_remove", server_key=own["key"])
        await do(anna, "servers_remove", server_key=hub_key)
        with pytest.raises(UsageError):
            await do(anna, "servers_remove", server_key=hub_key)
        with pytest.raises(UsageError):
            await do(anna, "servers_add", server_key=hub_key, uses=["cellar"])
        assert [item["key"] for item in await do(anna, "servers")] == [own["key"]]


@pytest.mark.claim("C14", "C15")
async def test_forged_and_stale_bootstraps_move_nobody(tmp_path: Path, testnet: DhtTestnet) -> None:
    entry = testnet.entry_nodes[0]
    async with living(tmp_path, "anna", entry) as anna:
        await until(anna, lambda: anna.dht.state().published_iso)
        async with living(tmp_path, "ben", entry) as ben:
            await Face(ben).follow(key_of(anna).user_text)
            await until(ben, lambda: Face(ben).people()[0].state == "connected")
        eve = SecretKey.from_seed(bytes([7]) * 32)
        elsewhere = f"U\n7 {eve.public.server_text}".encode()
        master = anna.people.master(anna.people.find(None))
        signature = DhtItem.sign(eve, USER_SALT, 9, elsewhere).signature
        lies = [
            DhtItem(key_of(anna), USER_SALT, 9, elsewhere, signature),  # signed by somebody else
            master.sign(USER_SALT, 0, elsewhere),  # signed long ago
            DhtItem.sign(anna.server_secret, SERVER_SALT, 0, b"S\nmosaictcp://203.0.113.9/"),
        ]
        by_target = {lie.target: [one for one in lies if one.target == lie.target] for lie in lies}
        liar = Liar(lambda asked: [asked.item(lie) for lie in by_target.get(asked.target, [])])
        async with living(tmp_path, "ben", await liar.start(), listens=False) as ben:
            for key, salt in ((key_of(anna), USER_SALT), (anna.server_secret.public, SERVER_SALT)):
                async for _ in ben.dht.answers(key, salt, fresh=True):
                    pass
            assert liar.look_ups
            (server,) = ben.directory.servers(key_of(anna), Usage.OUTBOX)
            assert (server.key, list(server.urls)) == (anna.server_secret.public, anna.urls)
            await Face(anna).post("still here")
            with ben.changes() as changed:
                async with asyncio.timeout(PATIENCE_S):
                    while not await Face(ben).feed():
                        await changed.wait()
                        changed.clear()
        liar.stop()


async def test_what_strangers_have_looked_up_makes_no_work_here(
    tmp_path: Path, testnet: DhtTestnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(tmp_path, "ben", testnet.entry_nodes[0]) as ben:
        await until(ben, lambda: ben.dht.state().published_iso)
        looked: list[None] = []
        monkeypatch.setattr(ben, "look_again", lambda: looked.append(None))
        stranger, friend = (SecretKey.from_seed(bytes([n]) * 32) for n in (91, 92))
        text = f"U\n7 {stranger.public.server_text}".encode()
        for number in range(5):
            ben.bootstraps.save(Known(DhtItem.sign(stranger, USER_SALT, number, text + b"\n" * number), 0))
        assert looked == []
        ben.seeker.want([friend.public])
        ben.bootstraps.save(Known(DhtItem.sign(friend, USER_SALT, 1, text), 0))
        assert looked == [None]


@pytest.mark.claim("C52")
def test_a_dht_does_not_go_past_a_proxy_for_all_links() -> None:
    dht, everything, onions = DhtMode.parse("127.0.0.1:1"), "socks5://h:1", ".onion=socks5://h:1"
    for proxy in (everything, f"{onions},{everything}"):
        with pytest.raises(UsageError, match="the DHT would go past it"):
            NodeSettings(dht=dht, client=ClientSettings(proxy=proxy))
        NodeSettings(dht=OFF, client=ClientSettings(proxy=proxy))
    NodeSettings(dht=dht, client=ClientSettings(proxy=onions))
