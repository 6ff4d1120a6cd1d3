from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.node.conftest import HERE, OpenNode, do, one, stored

from mosaic.core import encrypted_secret_key, key_schedule, kinds, nonce
from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.reference import Id
from mosaic.errors import (
    HomeDamaged,
    HomeExists,
    InvalidProfile,
    Refused,
    UnknownPerson,
    UsageError,
    WrongServerKey,
)
from mosaic.node.acts import Acts
from mosaic.node.home import try_lock
from mosaic.node.node import Node
from mosaic.node.shapes import record_text
from mosaic.policy.submission import Way
from mosaic.server.authority import Authority
from mosaic.social import posts
from mosaic.social.signer import Signer
from mosaic.testing import Person as Stranger

NOTE = "000000630002000e"


def texts(node: Node, key: PublicKey) -> list[str]:
    wanted = Filter.of(authors=[key], kinds=[kinds.MICROBLOG, kinds.REPLY_COMMENT])
    return [record.payload.decode() for record in node.records.newest_first(wanted)]


# --- people and keys ------------------------------------------------------------------------------------


@pytest.mark.claim("C1", "C2", "C3", "C4")
async def test_a_person_gets_master_device_schedule_profile_and_bootstrap_at_once(
    open_node: OpenNode,
) -> None:
    async with open_node("anna") as node:
        person = node.people.find("anna")
        assert person.device.public != person.key
        schedule = node.records.schedule(person.key)
        assert schedule is not None
        assert schedule.signing_keys() == (person.device.public,)
        wanted = Filter.of(authors=[person.key])
        stored = {record.kind: record for record in node.records.newest_first(wanted)}
        assert set(stored) == {kinds.KEY_SCHEDULE, kinds.PROFILE}
        assert {record.signer for record in stored.values()} == {person.key}
        assert {record.nonce for record in stored.values()} == {nonce.FIXED}
        bootstrap = UserBootstrap.parse(person.bootstrap)
        own = (node.server_secret.public,)
        assert bootstrap.outboxes == bootstrap.inboxes == bootstrap.encryption == own


async def test_devices_of_who_lives_here_or_is_listed_are_known_however_many_tag_them(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Authority, "_authors_that_tag", lambda *_: {})
    eve = Stranger("eve")
    async with open_node("anna") as node:
        person = node.people.find("anna")
        device, eves = person.device.public.bytes, eve.device().public.bytes
        assert node.server._authority.viewers_of(device) == (device, person.key.bytes)
        await node.server.submit([eve.schedule(node.clock.now_ns()).data], Way.MIRROR)
        assert node.server._authority.viewers_of(eves) == (eves,)
        node.rules.served.serve(eve.key)
        assert node.server._authority.viewers_of(eves) == (eves, eve.key_bytes)


@pytest.mark.claim("C2")
async def test_everything_else_is_signed_by_the_device(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        item = await one(node, "post", text="hello")
        assert (item["author"], item["signer"]) == (person.key.user_text, person.device.public.user_text)


async def test_a_home_holds_several_people_who_act_by_name(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await one(node, "init", name="ben")
        with pytest.raises(HomeExists):
            await one(node, "init", name="ben")
        by_ben = await one(node, "post", {"as": "ben"}, text="I am Ben")
        first = await one(node, "post", text="I am Anna")
        assert by_ben["author"] == node.people.find("ben").key.user_text
        assert first["author"] == node.people.find("anna").key.user_text
        with pytest.raises(UnknownPerson):
            await one(node, "post", {"as": "cara"}, text="?")
    async with open_node("anna") as node:
        assert [person.name for person in node.people] == ["anna", "ben"]
        assert node.people.find(node.people.find("ben").key.user_text).name == "ben"


@pytest.mark.parametrize("name", ["", "  ", "zoë", "mopub0x", "a\nb"])
async def test_names_that_can_not_be_typed_are_refused_and_leave_nothing(
    open_node: OpenNode, name: str
) -> None:
    async with open_node("anna") as node:
        with pytest.raises(InvalidProfile):
            await one(node, "init", name=name)
        assert len(node.people) == 1
        assert len(node.db.people()) == 1


@pytest.mark.claim("C11")
async def test_secrets_lie_in_the_home_encrypted_only(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        secrets = [person.device, node.people.master(person).secret(), node.server_secret]
        await one(node, "post", text="hello")
        shown = repr((node.people, person, person.signer, node.db.people(), node.server_secret))
        rows = node.db.people()
    forms = [
        form for key in secrets for form in (key.reveal(), key.reveal().hex().encode(), key.text.encode())
    ]
    for path in (tmp_path / "anna").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(form in data for form in forms), path
    assert not any(form.decode("latin-1") in shown for form in forms)
    assert encrypted_secret_key.log_n_of(rows[0].master_secret) == 10


async def test_another_unlock_file_opens_nothing_and_is_told(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("anna"):
        pass
    (tmp_path / "anna" / "unlock").write_text("something else\n")
    with pytest.raises(HomeDamaged, match="does not open"):
        async with open_node("anna"):
            pass
    # The failure lets go of the home.
    (tmp_path / "anna" / "unlock").unlink()
    with pytest.raises(HomeDamaged, match="neither"):
        async with open_node("anna"):
            pass


async def test_what_a_crash_kept_from_being_published_is_published_at_the_next_start(
    open_node: OpenNode,
) -> None:
    async with open_node("anna") as node:
        # As if the process had ended right after the person was written.
        ben, records = node.people.make("ben", node.server_secret.public)
        assert node.records.schedule(ben.key) is None
    async with open_node("anna") as node:
        assert [node.records.at(record.id) for record in records] == [[records[0]], [records[1]]]


async def test_the_server_key_stays_the_same(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        key = node.server_secret.public
    async with open_node("anna") as node:
        assert node.server_secret.public == key


async def test_stopping_lets_go_of_the_home(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        home = node.home
        assert try_lock(home) is None
    lock = try_lock(home)
    assert lock is not None
    lock.release()


# --- writing and reading ---------------------------------------------------------------------------------


async def test_what_was_posted_is_there_after_a_restart(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        post = await one(node, "post", text="hello")
        await one(node, "edit", reference=post["address"], text="hello, all")
    async with open_node("anna") as node:
        (item,) = await do(node, "feed")
        assert (item["text"], item["edited"], item["author_name"]) == ("hello, all", True, "anna")
        assert await do(node, "wall") == [item]
        assert await do(node, "thread", reference=post["id"]) == [item]


async def test_pages_of_a_feed(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        for number in range(5):
            await one(node, "post", text=str(number))
        *items, more = await do(node, "feed", limit=3)
        assert [item["text"] for item in items] == ["4", "3", "2"]
        assert [item["text"] for item in await do(node, "feed", before=more["next"])] == ["1", "0"]


async def test_a_replaceable_record_is_replaced(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        first = await one(node, "record", kind=NOTE, at="notes", payload="01")
        second = await one(node, "record", kind=NOTE, at="notes", payload="02")
        assert first["address"] == second["address"]
        third = await one(node, "edit", reference=first["address"], payload="03")
        assert [item["id"] for item in await do(node, "get", references=[first["address"]])] == [third["id"]]
        assert await do(node, "get", references=[first["id"]]) == []


@pytest.mark.claim("C3", "C70")
async def test_a_profile_is_changed_by_the_master(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        item = await one(node, "profile", set={"about": "bakes", "bot": False})
        assert item["signer"] == item["author"]
        again = await one(node, "profile", set={"about": None, "display_name": "Änna"})
        assert again["address"] == item["address"]
        shown = await one(node, "profile")
        assert (shown["name"], shown["about"], shown["display_name"]) == ("anna", None, "Änna")
        with pytest.raises(InvalidProfile):
            await one(node, "profile", set={"nose": "red"})


@pytest.mark.claim("C44")
async def test_queries_and_watches_of_the_own_server(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        key = node.people.find(None).key.user_text
        await one(node, "post", text="stored")
        watch = _watch(node)
        assert await anext(watch) == {"live": True}
        await one(node, "post", text="live")
        assert (await anext(watch))["text"] == "live"
        await watch.aclose()
        found = await do(node, "query", authors=[key], kinds=["post"], since="1h")
        assert [item["text"] for item in found] == ["live", "stored"]
        (whole,) = await do(node, "query", authors=[key], kinds=["post"], limit=1, records=True)
        (result,) = await do(node, "submit", records=[whole["record"]])
        assert (result["result"], result["accepted"]) == ("DUPLICATE", True)


def _watch(node: Node):  # type: ignore[no-untyped-def]
    return Acts(node, working=True).table()["watch"]({})


async def test_a_record_that_is_nobodys_business_here_is_refused(open_node: OpenNode) -> None:
    stranger = SecretKey.from_seed(bytes([66]) * 32)
    async with open_node("anna") as node:
        record = posts.post(Signer(stranger.public, stranger), "spam", now=node.clock.now())
        (result,) = await do(node, "submit", records=[record_text(record)])
        assert (result["result"], result["accepted"]) == ("UNAUTHORIZED", False)


@pytest.mark.claim("C2", "C25")
async def test_what_a_key_signed_that_its_author_never_named_is_not_shown(open_node: OpenNode) -> None:
    cara, thief = (SecretKey.from_seed(bytes([number]) * 32) for number in (70, 71))
    async with open_node("anna") as node:
        forged = posts.post(Signer(cara.public, thief), "I am Cara", now=node.clock.now())
        genuine = posts.post(Signer(cara.public, cara), "so am I", now=node.clock.now())
        await node.server.submit([forged.data, genuine.data], Way.MIRROR)
        assert texts(node, cara.public) == ["so am I"]
        entry = key_schedule.Entry.signing(key_schedule.attest(thief, cara.public))
        schedule = key_schedule.build(cara, [entry], node.clock.now())
        await node.server.submit([schedule.data], Way.MIRROR)
        assert texts(node, cara.public) == ["so am I", "I am Cara"]


@pytest.mark.parametrize(
    ("act", "arguments", "error"),
    [
        ("post", {}, UsageError),
        ("post", {"text": 3}, UsageError),
        ("feed", {"limit": -1}, UsageError),
        ("feed", {"limit": "many"}, UsageError),
        ("query", {"kinds": ["nonsense"]}, UsageError),
        ("query", {"tags": ["1=00"]}, UsageError),
        ("query", {"server": "mosaictcp://127.0.0.1:1/"}, UsageError),
        ("record", {"kind": NOTE, "payload": "xyz"}, UsageError),
        ("blob_get", {"hash": "00", "path": "x"}, UsageError),
        ("unfollow", {"person": "anna"}, Exception),
    ],
)
async def test_wrong_arguments_are_told(
    open_node: OpenNode, act: str, arguments: dict[str, object], error: type[Exception]
) -> None:
    async with open_node("anna") as node:
        with pytest.raises(error):
            await do(node, act, arguments)


async def test_an_answer_to_what_is_not_here_is_refused_with_a_hint(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        post = await one(node, "post", text="x")
    async with open_node("ben") as node:
        with pytest.raises(Refused, match="not here") as caught:
            await one(node, "reply", reference=post["address"], text="y")
        assert "--server" in caught.value.hint


@pytest.mark.claim("C45")
async def test_blobs_of_the_own_people(open_node: OpenNode, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"blob" * 50_000)
    async with open_node("anna") as node:
        item = await one(node, "blob_put", path=str(source))
        await one(node, "blob_get", hash=item["hash"], path=str(target))
        assert target.read_bytes() == source.read_bytes()
        assert node.blobs.has(bytes.fromhex(str(item["hash"])))


# --- two nodes in one process ------------------------------------------------------------------------------


@pytest.mark.claim("C44", "C82")
async def test_following_reads_what_was_and_what_comes_and_goes_on_after_breaks(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        await one(anna, "post", text="before")
        url = anna.listen(HERE)
        ben.work()
        key = anna.people.find(None).key
        server = {"server": str(url), "key": anna.server_secret.public.server_text}
        await one(ben, "follow", server, working=True, person=key.user_text)
        await stored(ben, lambda: texts(ben, key) == ["before"])
        await one(anna, "post", text="live")
        await stored(ben, lambda: texts(ben, key) == ["live", "before"])
        # How the connection does is noted when what came with that is stored: before the next post comes.
        await one(anna, "post", text="more")
        await stored(ben, lambda: texts(ben, key) == ["more", "live", "before"])
        (followed,) = await do(ben, "following", working=True)
        assert followed["name"] == "anna"
        outboxes = followed["outboxes"]
        assert isinstance(outboxes, list)
        assert [outbox["state"] for outbox in outboxes if isinstance(outbox, dict)] == ["connected"]
        # The connection breaks, and more comes meanwhile.
        for connection in list(ben.pool._open.values()):
            connection._network.abort(connection.link)
        await one(anna, "post", text="later")
        await stored(ben, lambda: texts(ben, key)[:1] == ["later"])
        await one(ben, "unfollow", working=True, person=key.user_text)
        assert await do(ben, "following") == []
        with pytest.raises(UnknownPerson):
            await one(ben, "unfollow", person=key.user_text)


@pytest.mark.claim("C82")
async def test_a_reply_is_delivered_to_the_server_of_who_is_answered(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        post = await one(anna, "post", text="who bakes?")
        url = anna.listen(HERE)
        ben.work()
        key = anna.people.find(None).key
        server = {"server": str(url), "key": anna.server_secret.public.server_text}
        await one(ben, "follow", server, working=True, person=key.user_text)
        # What is not here yet is fetched from where its author publishes.
        reply = await one(ben, "reply", working=True, reference=post["address"], text="I do")
        assert (reply["delivered"], reply["queued"], reply["refused"]) == (1, 0, 0)
        assert anna.store.contains([id_of(reply)]) != [None]
        # Anna follows nobody, and still sees whose it is: Ben's key schedule came along.
        thread = await do(anna, "thread", reference=post["address"])
        assert [item["text"] for item in thread] == ["who bakes?", "I do"]


def id_of(item: object) -> bytes:
    assert isinstance(item, dict)
    return Id.parse(str(item["id"])).bytes


async def test_a_home_that_does_not_work_leaves_deliveries_in_the_queue(open_node: OpenNode) -> None:
    async with open_node("anna") as anna:
        post = await one(anna, "post", text="hello")
        url = anna.listen(HERE)
        server = {"server": str(url), "key": anna.server_secret.public.server_text}
        async with open_node("ben") as ben:
            await one(ben, "follow", server, person=anna.people.find(None).key.user_text)
            reply = await one(ben, "reply", reference=post["address"], text="hi")
            assert (reply["queued"], reply["working"]) == (1, False)
        async with open_node("ben") as ben:
            waiting = await do(ben, "queue")
            assert [item["kind_name"] for item in waiting] == ["Key Schedule", "Reply Comment", "Profile"]
            assert waiting[1]["id"] == reply["id"]
            ben.work()
            for item in waiting:
                await ben.queue.settled(id_of(item), 30)
            assert ben.queue.waiting == 0
            assert anna.store.contains([id_of(reply)]) != [None]


async def test_a_server_with_another_key_is_not_read(open_node: OpenNode) -> None:
    async with open_node("anna") as anna, open_node("ben") as ben:
        url = anna.listen(HERE)
        wrong = {"server": str(url), "key": ben.server_secret.public.server_text}
        with pytest.raises(WrongServerKey):
            await do(ben, "query", wrong, kinds=["post"])


async def test_changes_are_told(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        with node.changes() as changed:
            assert not changed.is_set()
            await one(node, "post", text="x")
            await asyncio.wait_for(changed.wait(), 10)


async def test_status_tells_how_the_node_does(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        status = await one(node, "status", working=True)
        assert status["server"] == node.server_secret.public.server_text
        assert status["people"] == ["anna"]
        assert status["waiting"] == 0


async def test_a_watch_spans_more_people_than_one_filter_holds(open_node: OpenNode) -> None:
    people = [SecretKey.from_seed(bytes([9, number]) + bytes(30)) for number in range(150)]
    async with open_node("anna") as node:
        for person in people:
            await one(node, "follow", person=person.public.user_text)
        watch = _watch(node)
        assert await anext(watch) == {"live": True}
        for person in (people[0], people[149]):
            record = posts.post(Signer(person.public, person), "hi", now=node.clock.now())
            await node.server.submit([record.data], Way.MIRROR)
            assert (await anext(watch))["author"] == person.public.user_text
        await watch.aclose()
