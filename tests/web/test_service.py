"""The page of the service: open to everybody, without secrets; what it says is what holds."""

from __future__ import annotations

import dataclasses
from typing import Literal

import httpx
import pytest

from mosaic.node.operating_settings import RoleSettings, ServingSettings
from mosaic.node.service import limits, roles, who_is_served
from mosaic.policy.limits import Limits, LimitTable
from mosaic.server.settings import ServerSettings
from mosaic.web.service import create_service_app
from tests.web.fake_node import Node, browser


def visitor(node: Node) -> httpx.AsyncClient:
    app = create_service_app(node.service)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://choir.example")


async def test_everybody_reads_it_and_nothing_else() -> None:
    async with visitor(Node()) as client:
        for path in ("/", "/service"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "<script" not in answer.text
            assert "set-cookie" not in answer.headers
        assert (await client.get("/static/style.css")).status_code == 200
        for path in ("/feed", "/post", "/people", "/static/../service.py"):
            assert (await client.get(path)).status_code in {404, 405}
        assert (await client.post("/")).status_code == 405


async def test_it_says_what_the_operator_said_and_marks_nothing_up() -> None:
    async with visitor(Node()) as client:
        html = (await client.get("/")).text
    assert "The &lt;b&gt;choir&lt;/b&gt;" in html
    assert "Be kind &amp; brief." in html
    assert "mosrv0me" in html
    assert 'href="https://choir.example/contact"' in html
    assert 'href="https://choir.example/terms"' in html
    assert html.index("Be kind") < html.index("You may leave")


async def test_an_address_that_is_none_is_no_link() -> None:
    node = Node()
    node.told = dataclasses.replace(node.told, terms="javascript:alert(1)", contact="", account="data:x")
    async with visitor(node) as client:
        html = (await client.get("/")).text
    assert "javascript" not in html
    assert "data:x" not in html
    assert "has not said how to be reached" in html


async def test_on_the_owners_page_it_needs_the_token_and_leads_back() -> None:
    node = Node()
    assert 'href="/"' in (await browser(node).get("/service")).text
    assert (await browser(node, logged_in=False).get("/service")).status_code == 403
    assert 'href="/service"' in (await browser(node).get("/help")).text


def test_every_way_of_serving_and_every_role_has_its_sentence() -> None:
    ways: list[Literal["home", "everyone", "list", "invitations"]] = [
        "home",
        "everyone",
        "list",
        "invitations",
    ]
    for who in ways:
        assert who_is_served(ServingSettings(who=who)).endswith(".")
    names = [name for name, _ in roles(RoleSettings(chat=True))]
    assert names == ["Outbox", "Inbox", "Private messages", "Chat"]
    assert [name for name, _ in roles(RoleSettings(inbox=False, encryption=False))] == ["Outbox"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (RoleSettings(withhold=True), "until a moderator has approved it"),
        (RoleSettings(inbox_readers="recipient"), "Only the recipient reads it"),
    ],
)
def test_who_reads_the_inbox_is_said(settings: RoleSettings, words: str) -> None:
    assert words in dict(roles(settings))["Inbox"]


@pytest.mark.claim("C88")
def test_limits_are_told_in_words() -> None:
    told = dict(
        limits(ServerSettings(record_limit=65_536, limits=LimitTable(Limits(records_per_second=0.5))))
    )
    assert told["Longest record"] == "64 KiB"
    assert told["Records from strangers"] == "0.5 a second"
    assert told["Questions about everybody"] == "500 records, or the last 2 hours"
    assert "15 minutes" in told["Clock"]


@pytest.mark.claim("C88")
def test_narrower_limits_of_strangers_are_told_and_hold_for_all_where_everyone_is_served() -> None:
    row = Limits(record_bytes=65_536, blob_bytes=1_048_576, subscriptions=100, work_bits=16)
    settings = ServerSettings(limits=LimitTable(stranger=row))
    told = dict(limits(settings))
    assert told["Longest record"] == "1 MiB; for strangers 64 KiB"
    assert told["Proof of work from strangers"].startswith("16 zero bits")
    assert "Proof of work from strangers" not in dict(limits(ServerSettings()))
    assert told["Subscriptions of one connection"] == "1,000; for strangers 100"
    told = dict(limits(settings, everyone=True))
    assert told["Longest record"] == "64 KiB"
    assert told["Largest picture or file"] == "1 MiB"
