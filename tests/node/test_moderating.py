"""Moderators by command: what waits, hiding, dropping, removing, erasing, usage; each written down first."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.node.conftest import OpenNode, do, one
from tests.node.test_reload import reload_of

from mosaic.core import builder, deletion, kinds, nonce, server_act
from mosaic.core.core_tags import Target, notify
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.errors import FormatError, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.node import Node
from mosaic.policy.submission import Way
from mosaic.wire.result_code import ResultCode

ANNA = SecretKey.from_seed(b"a" * 32)
BERT = SecretKey.from_seed(b"b" * 32)


def post(secret: SecretKey, node: Node, text: str, to: PublicKey | None = None) -> Record:
    now = node.clock.now_ns()
    tags = [] if to is None else [notify(to)]
    return builder.build(
        secret,
        kind=kinds.MICROBLOG,
        nonce=nonce.from_time(now),
        timestamp=now,
        tags=tags,
        payload=text.encode(),
    )


async def offer(node: Node, record: Record) -> ResultCode:
    (result,) = await node.server.submit([record.data], Way.LINK)
    return result


async def log(node: Node) -> list[tuple[object, object]]:
    return [(item["act"], item["arguments"]) for item in await do(node, "admin_log")]


def texts(items: list[JsonObject]) -> list[object]:
    return [item.get("text") for item in items]


async def test_what_waits_is_shown_and_approved_by_record_or_author(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        file = node.home.folder / "mosaic.toml"
        reload = reload_of(node, file)
        file.write_text("[roles]\nwithhold = true\n")
        assert (await reload.once()).taken == ("roles.withhold",)
        me = node.people.find(None).key
        records = [post(BERT, node, f"letter {number}", to=me) for number in range(3)]
        stranger = await node.own(None)
        assert set(await stranger.submit_all([record.data for record in records])) == {ResultCode.ACCEPTED}
        assert texts(await do(node, "admin_held")) == ["letter 0", "letter 1", "letter 2"]
        assert texts(await do(node, "admin_held", limit=1)) == ["letter 0"]
        told = await one(node, "admin_approve", ids=[records[1].id.text])
        assert told == {"approved": 1}
        assert texts(await do(node, "admin_held")) == ["letter 0", "letter 2"]
        assert await one(node, "admin_approve", author=BERT.public.user_text) == {"approved": 2}
        assert await do(node, "admin_held") == []
        newest, oldest = await log(node)
        assert newest == ("approve", {"author": BERT.public.user_text})
        assert oldest == ("approve", {"ids": [records[1].id.text]})


async def test_hidden_is_kept_and_shown_again_and_dropped_does_not_come_back(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text)
        record = post(ANNA, node, "rude")
        assert await offer(node, record) is ResultCode.ACCEPTED
        assert await one(node, "admin_hide", ids=[record.id.text], reason="asked") == {"hidden": 1}
        assert texts(await do(node, "admin_held", hidden=True)) == ["rude"]
        assert await do(node, "get", {"as": "ana"}, references=[record.id.text]) == []
        # By its address as well.
        assert await one(node, "admin_show", ids=[record.address.text]) == {"shown": 1}
        (found,) = await do(node, "get", {"as": "ana"}, references=[record.id.text])
        assert found["text"] == "rude"
        assert await one(node, "admin_drop", ids=[record.id.text]) == {"dropped": 1}
        assert await offer(node, record) is ResultCode.UNAUTHORIZED
        assert [act for act, _ in await log(node)] == ["drop", "show", "hide", "serve"]


async def test_removing_by_a_filter_counts_first_and_leaves_the_log(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text)
        for number in range(3):
            await offer(node, post(ANNA, node, f"spam {number}"))
        wanted: Mapping[str, object] = {"authors": [ANNA.public.user_text], "kinds": ["post"]}
        assert await one(node, "admin_remove", wanted, dry_run=True) == {"removed": 3, "dry_run": True}
        assert [act for act, _ in await log(node)] == ["serve"]
        assert await one(node, "admin_remove", wanted, dry_run=False) == {"removed": 3, "dry_run": False}
        assert await do(node, "query", wanted) == []
        server = node.server_secret.public.user_text
        assert (await one(node, "admin_remove", authors=[server]))["removed"] == 0
        assert (await log(node))[1] == ("remove", dict(wanted))
        with pytest.raises(UsageError, match="remove everything"):
            await one(node, "admin_remove")


async def test_deletions_and_acts_are_not_dropped_but_may_be_hidden(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text)
        record = post(ANNA, node, "regretted")
        now = node.clock.now_ns()
        named = [Target(record.kind, record.id)]
        takes_back = deletion.build(ANNA, named, now, nonce=nonce.from_time(now))
        for each in (record, takes_back):
            assert await offer(node, each) is ResultCode.ACCEPTED
        act = str((await do(node, "admin_log"))[0]["id"])
        for text, what in (
            (takes_back.id.text, "a Deletion"),
            (takes_back.address.text, "a Deletion"),
            (act, "log"),
        ):
            with pytest.raises(UsageError, match=what) as refused:
                await one(node, "admin_drop", ids=[post(ANNA, node, "other").id.text, text])
            assert "admin hide moref0" in refused.value.hint
        assert [act for act, _ in await log(node)] == ["serve"]
        assert await one(node, "admin_hide", ids=[takes_back.id.text, act]) == {"hidden": 2}
        assert await offer(node, record) is ResultCode.UNAUTHORIZED
        assert [act for act, _ in await log(node)] == ["hide", "serve"]
        # The acts of others are records like all others.
        foreign = server_act.build(ANNA, ANNA.public, server_act.ServerAct("ban", {}, ""), now + 1)
        assert await offer(node, foreign) is ResultCode.ACCEPTED
        assert await one(node, "admin_drop", ids=[foreign.id.text]) == {"dropped": 1}


async def test_nobody_of_the_home_is_erased_and_neither_is_the_server(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        person = node.people.find(None)
        for key in (person.key, person.device.public, node.server_secret.public):
            with pytest.raises(UsageError, match="lives in this home"):
                await one(node, "admin_erase", key=key.user_text, confirm=True)
        assert await log(node) == []


async def test_an_erased_person_is_gone_and_does_not_come_back(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text)
        record = post(ANNA, node, "to be forgotten")
        await offer(node, record)
        key = ANNA.public.user_text
        assert await one(node, "admin_erase", key=key) == {"key": key, "erased": False, "records": 1}
        assert len(await do(node, "query", authors=[key])) == 1
        told = await one(node, "admin_erase", key=key, confirm=True)
        assert (told["erased"], told["records"]) == (True, 1)
        assert await do(node, "query", authors=[key]) == []
        assert await offer(node, record) is ResultCode.UNAUTHORIZED
        log_bytes = b"".join(path.read_bytes() for path in (node.home.folder / "log").iterdir())
        assert b"to be forgotten" not in log_bytes
        assert (await log(node))[0] == ("erase", {"key": key, "messages": False})
        # What is written from now on is another matter.
        assert await offer(node, post(ANNA, node, "a new beginning")) is ResultCode.ACCEPTED
    async with open_node("ana") as node:
        assert await offer(node, record) is ResultCode.UNAUTHORIZED


async def test_usage_is_told_by_person_and_by_kind_the_largest_first(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=ANNA.public.user_text, note="choir")
        for _ in range(5):
            await offer(node, post(ANNA, node, "x" * 1000))
        people = await do(node, "admin_usage")
        assert (people[0]["name"], people[0]["records"], people[0]["served"]) == ("choir", 5, True)
        assert int(str(people[0]["bytes"])) > 5_000
        by_kind = {item["name"]: item["records"] for item in await do(node, "admin_usage", by="kind")}
        assert by_kind["Microblog Root"] == 5
        assert by_kind["Server Act"] == 1
        assert len(await do(node, "admin_usage", limit=1)) == 1
        with pytest.raises(UsageError):
            await do(node, "admin_usage", by="colour")


@pytest.mark.parametrize("act", ["admin_approve", "admin_hide", "admin_show", "admin_drop"])
async def test_who_names_nothing_does_nothing(open_node: OpenNode, act: str) -> None:
    async with open_node("ana") as node:
        with pytest.raises(UsageError, match="no record is named"):
            await one(node, act)
        with pytest.raises(FormatError):
            await one(node, act, ids=["moref0nonsense"])
        assert await log(node) == []
