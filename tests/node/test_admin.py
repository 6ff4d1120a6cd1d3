"""What operators do: written down and signed before it is done; whom the server serves; reading settings."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.node.conftest import OpenNode, do, one
from tests.node.test_reload import reload_of

from mosaic.core import builder, kinds, nonce, server_act
from mosaic.core.community_kinds import REPORT, SERVER_ACT
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.errors import FormatError, StoreError, UnknownPerson, UsageError
from mosaic.node.node import Node
from mosaic.node.operating import Operating
from mosaic.policy.submission import Way
from mosaic.wire.result_code import ResultCode

ANNA = SecretKey.from_seed(b"a" * 32)
STRANGER = SecretKey.from_seed(b"s" * 32)


def profile(secret: SecretKey, node: Node) -> Record:
    return builder.build(
        secret,
        kind=kinds.MICROBLOG,
        nonce=nonce.random(bytes(8)),
        timestamp=node.clock.now_ns(),
        payload=b"hello",
    )


async def offered(node: Node, record: Record) -> ResultCode:
    (result,) = await node.server.submit([record.data], Way.LINK)
    return result


async def test_who_is_listed_is_served_and_the_log_says_by_whom(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        key = ANNA.public.user_text
        assert await offered(node, profile(ANNA, node)) is ResultCode.UNAUTHORIZED
        told = await one(node, "admin_serve", key=key, note="choir", reason="asked me", blob_bytes=5)
        assert told["new"] is True
        assert await offered(node, profile(ANNA, node)) is ResultCode.ACCEPTED
        assert await offered(node, profile(STRANGER, node)) is ResultCode.UNAUTHORIZED
        listed = await do(node, "admin_served")
        assert [(item["note"], item["by"]) for item in listed] == [("ana", "home"), ("choir", "operator")]
        await one(node, "admin_unserve", {"as": "ana"}, key=key)
        assert await offered(node, profile(ANNA, node)) is ResultCode.UNAUTHORIZED
        newest, oldest = await do(node, "admin_log", verify=True)
        assert (newest["act"], newest["by"], newest["fault"]) == ("unserve", "ana", "")
        assert (oldest["act"], oldest["by"], oldest["reason"]) == ("serve", "server", "asked me")
        assert oldest["signer"] == node.server_secret.public.user_text
        assert oldest["arguments"] == {"key": key, "note": "choir", "until": None, "blob_bytes": 5}
        assert len(await do(node, "admin_log", limit=1)) == 1


async def test_what_can_not_be_written_down_is_not_done(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ana") as node:

        async def full(*_: object, **__: object) -> list[ResultCode]:
            return [ResultCode.TEMPORARY_ERROR]

        monkeypatch.setattr(node.server, "submit", full)
        with pytest.raises(StoreError, match="was not done"):
            await one(node, "admin_serve", key=ANNA.public.user_text)
        with pytest.raises(UnknownPerson):
            await one(node, "admin_serve", {"as": "nobody"}, key=ANNA.public.user_text)
        monkeypatch.undo()
        assert len(await do(node, "admin_served")) == 1


@pytest.mark.parametrize(
    ("act", "arguments", "error"),
    [
        ("admin_serve", {}, UsageError),
        ("admin_serve", {"key": "mopub0nonsense"}, FormatError),
        ("admin_serve", {"key": ANNA.public.user_text, "until": "2001-01-01T00:00:00Z"}, UsageError),
        ("admin_serve", {"key": ANNA.public.user_text, "until": "whenever"}, FormatError),
        ("admin_unserve", {"key": ANNA.public.user_text}, UsageError),
        ("admin_invite", {}, UsageError),
        ("admin_reload", {}, UsageError),
        ("admin_drain", {}, UsageError),
    ],
)
async def test_what_can_not_be_done_is_refused_and_not_in_the_log(
    open_node: OpenNode, act: str, arguments: dict[str, object], error: type[Exception]
) -> None:
    async with open_node("ana") as node:
        with pytest.raises(error):
            await do(node, act, arguments)
        assert await do(node, "admin_log") == []


async def test_the_end_of_being_served_comes_by_itself(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text, until="1h")
        record = profile(ANNA, node)
        assert node.rules.served.serves(ANNA.public.bytes)
        later = time.time_ns() + 3_601 * 10**9
        monkeypatch.setattr(node.clock, "_unix_ns", lambda: later)
        assert not node.rules.served.serves(ANNA.public.bytes)
        assert await offered(node, record) is ResultCode.UNAUTHORIZED


async def test_invitations_are_told_once_and_their_codes_kept_nowhere(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("ana") as node:
        reload = reload_of(node, tmp_path / "mosaic.toml")
        (tmp_path / "mosaic.toml").write_text('[serves]\nwho = "invitations"\n')
        await reload.once()
        told = await one(node, "admin_invite", uses=2, note="the choir", until="7d")
        code = str(told["code"])
        (item,) = await do(node, "admin_invitations")
        assert (item["uses"], item["note"]) == (2, "the choir")
        assert code not in repr(await do(node, "admin_log"))
        assert code.encode() not in node.home.private_db.read_bytes()
        assert node.rules.served.redeem(ANNA.public, code.encode())
        assert await offered(node, profile(ANNA, node)) is ResultCode.ACCEPTED


async def test_settings_are_read_again_and_the_node_goes_on_command(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("ana") as node:
        node.operating = Operating(node, reload_of(node, tmp_path / "mosaic.toml"))
        (tmp_path / "mosaic.toml").write_text('[server]\nlookups = 5\n[listen]\ntcp = "off"\n')
        told = await one(node, "admin_reload")
        assert told == {"taken": ["server.lookups"], "restart": ["listen.tcp"]}
        assert not node.operating.stop.is_set()
        assert (await one(node, "admin_drain", seconds=0))["draining"] is True
        assert node.operating.draining
        assert node.operating.drain_s == 0
        (logged,) = await do(node, "admin_log")
        assert (logged["act"], logged["arguments"]) == ("drain", {"seconds": 0})


async def test_each_act_names_the_one_before_it_and_one_that_is_missing_is_told(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        # By one of an older version, which names none.
        by_old = server_act.ServerAct("ban", {}, "")
        old = server_act.build(node.server_secret, node.server_secret.public, by_old, node.clock.now_ns())
        assert await node.server.submit([old.data], Way.OWNER) == [ResultCode.ACCEPTED]
        reasons = ["one", "two", "three"]
        keys = [SecretKey.from_seed(bytes([number]) * 32).public.user_text for number in range(3)]
        await asyncio.gather(
            *(one(node, "admin_serve", key=key, reason=why) for key, why in zip(keys, reasons, strict=True))
        )
    async with open_node("ana") as node:
        await one(node, "admin_serve", {"as": "ana"}, key=ANNA.public.user_text, reason="four")
        log = await do(node, "admin_log", verify=True)
        assert [item["before"] for item in log] == [*(item["id"] for item in log[1:]), None]
        assert [bool(item["note"]) for item in log] == [False] * 4 + [True]
        assert not any(item["fault"] for item in log)
        # Whoever has the files can take one out, but not unnoticed.
        ids = [Id.parse(str(log[at]["id"])).bytes for at in (0, 2)]
        assert node.store.remove([at for at in node.store.contains(ids) if at is not None]) == 2
        assert [item["fault"] for item in await do(node, "admin_log")] == [""] * 3
        told = await do(node, "admin_log", verify=True, limit=1)
        assert [(item["id"], item["fault"]) for item in told] == [
            (log[0]["id"], "it is missing"),
            (log[2]["id"], "it is missing"),
        ]
    async with open_node("ana") as node:
        await one(node, "admin_unserve", key=ANNA.public.user_text)
        newest = (await do(node, "admin_log", verify=True))[0]
        assert newest["before"] == log[0]["id"]


async def test_acts_of_another_server_that_a_person_runs_are_not_in_this_log(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        person = node.people.find("ana")
        link = server_act.Link(STRANGER.public, Id(bytes(48)))
        there = server_act.ServerAct("ban", {}, "", link)
        record = server_act.build(person.device, person.key, there, node.clock.now_ns())
        assert await node.server.submit([record.data], Way.OWNER) == [ResultCode.ACCEPTED]
        assert await do(node, "admin_log", verify=True) == []


async def test_reports_are_shown_and_others_acts_are_not(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=STRANGER.public.user_text)
        now = node.clock.now_ns()
        report = builder.build(
            STRANGER, kind=REPORT, nonce=nonce.from_time(now), timestamp=now, payload=b"spam"
        )
        assert await offered(node, report) is ResultCode.ACCEPTED

        forged = server_act.build(STRANGER, STRANGER.public, server_act.ServerAct("ban", {}, ""), now + 1)
        assert await offered(node, forged) is ResultCode.ACCEPTED
        assert [item["id"] for item in await do(node, "admin_reports")] == [report.id.text]
        assert [item["act"] for item in await do(node, "admin_log")] == ["serve"]


async def test_nobody_of_the_home_makes_up_an_act_of_its_log(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna, own = node.people.find("anna"), node.server_secret.public
        done = [
            await one(node, "admin_serve", key=SecretKey.from_seed(bytes([number]) * 32).public.user_text)
            for number in (1, 2, 3)
        ]
        assert done
        log = await do(node, "admin_log", verify=True)
        now_ns = node.clock.now_ns()
        places = [Id(b"\x11" * 48), Id.parse(str(log[0]["id"])), Id.parse(str(log[2]["id"])), None]
        for number, before in enumerate(places):
            act = server_act.ServerAct("ban", {}, "", server_act.Link(own, before))
            forged = server_act.build(anna.device, anna.key, act, now_ns + number)
            assert await offered(node, forged) is ResultCode.INVALID
            for way in (Way.MIRROR, Way.SYNC):
                assert await node.server.submit([forged.data], way) == [ResultCode.INVALID]
        assert await do(node, "admin_log", verify=True) == log
        # One that is missing comes back from wherever it still is, and the chain is whole again.
        lost = Id.parse(str(log[1]["id"]))
        (record,) = node.everything.at(lost)
        node.store.remove([at for at in node.store.contains([lost.bytes]) if at is not None])
        assert [item["fault"] for item in await do(node, "admin_log", verify=True)] == [
            "",
            "it is missing",
            "",
        ]
        assert await node.server.submit([record.data], Way.MIRROR) == [ResultCode.ACCEPTED]
        assert await node.server.submit([record.data], Way.SYNC) == [ResultCode.DUPLICATE]
        assert not any(item["fault"] for item in await do(node, "admin_log", verify=True))


async def test_what_a_moderator_forges_stops_nobody_from_acting(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna, now_ns = node.people.find("anna"), node.clock.now_ns()
        forged = builder.build(
            anna.device,
            author=anna.key,
            kind=SERVER_ACT,
            nonce=nonce.from_time(now_ns),
            timestamp=now_ns,
            # A name that is a list, which nothing in Python can be named by.
            payload=b"\xa4\x63act\x61x\x69arguments\xa0\x66reason\x60\x81\x01\x01",
        )
        assert await offered(node, forged) is ResultCode.INVALID
        # As it may be in a home from before that was refused.
        assert await node.server.submit([forged.data], Way.OWNER) == [ResultCode.ACCEPTED]
        await do(node, "admin_serve", key=ANNA.public.user_text)
        newest, oldest = await do(node, "admin_log", verify=True)
        assert (newest["act"], newest["fault"]) == ("serve", "")
        assert "have no names" in str(oldest["fault"])
        await do(node, "admin_drop", ids=[forged.id.text])
        assert not any(each["fault"] for each in await do(node, "admin_log", verify=True))
