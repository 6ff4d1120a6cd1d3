"""The page of keys and devices."""

from __future__ import annotations

import pytest

from mosaic.errors import MasterAway
from mosaic.node.pairing import Pairing
from tests.web.fake_node import ORIGIN, Node, browser

HEADERS = {"origin": ORIGIN}


async def test_it_shows_keys_and_what_is_advised() -> None:
    answer = await browser(Node()).get("/keys")
    assert answer.status_code == 200
    assert "&lt;i&gt;laptop&lt;/i&gt; (this machine)" in answer.text
    assert "mopub0laptop" in answer.text
    assert "<code>mosaic key list</code>" in answer.text
    assert 'action="/keys/pair"' in answer.text


async def test_a_device_is_paired_step_by_step() -> None:
    node = Node()
    client = browser(node)
    assert (await client.post("/keys/pair", data={"password": "pw"}, headers=HEADERS)).status_code == 303
    node.keys.pairs, node.keys.pairing = True, Pairing("waiting", code="mosaic:mopub0me?pair=secret")
    shown = (await client.get("/keys")).text
    assert "pair=secret" in shown
    assert "<svg" in shown
    assert 'action="/keys/pair"' not in shown
    node.keys.pairing = Pairing("compare", number="123456", other="<b>phone</b>")
    shown = (await client.get("/keys")).text
    assert "123 456" in shown
    assert "&lt;b&gt;phone&lt;/b&gt;" in shown
    for same in ("yes", "no"):
        assert (await client.post("/keys/agree", data={"same": same}, headers=HEADERS)).status_code == 303
    assert (await client.post("/keys/stop", headers=HEADERS)).status_code == 303
    node.keys.pairs, node.keys.pairing = (
        False,
        Pairing("failed", note="the digits differ", hint="Begin again."),
    )
    assert "the digits differ" in (await client.get("/keys")).text
    node.keys.pairing = Pairing("ready", other="phone")
    assert "Ready: phone" in (await client.get("/keys")).text
    assert node.keys.asked == [("pair", "pw"), ("agree", "True"), ("agree", "False"), ("stop",)]


async def test_what_can_not_be_done_is_said_and_no_password_comes_back() -> None:
    node = Node()
    node.keys.refusal = MasterAway()
    answer = await browser(node).post("/keys/pair", data={"password": "hunter22"}, headers=HEADERS)
    assert answer.status_code == 400
    assert "--master FILE" in answer.text
    assert "hunter22" not in answer.text


@pytest.mark.parametrize("path", ["/keys/pair", "/keys/agree", "/keys/stop"])
async def test_other_sites_pair_nothing(path: str) -> None:
    node = Node()
    answer = await browser(node).post(path, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert node.keys.asked == []
