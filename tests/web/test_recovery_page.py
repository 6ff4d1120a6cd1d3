"""The recovery sheet: asked for on every page, made on one; coming in with it, or with a code."""

from __future__ import annotations

import pytest

from mosaic.errors import InvalidText, PairingFailed, WrongPassword
from mosaic.node.keys_face import ShownPairing
from mosaic.node.pairing import Pairing
from tests.web.fake_node import ORIGIN, Node, browser, entry

HEADERS = {"origin": ORIGIN}


@pytest.mark.claim("C13")
async def test_all_pages_ask_for_a_sheet_until_there_is_one() -> None:
    node = Node()
    node.entries = [entry("hello")]
    client = browser(node)
    pages = ("/feed", "/wall/mopub0me", "/thread/moref0a", "/people", "/servers", "/keys", "/help")
    for page in pages:
        assert "so is your name" not in (await client.get(page)).text
    node.sheet = "due"
    for page in pages:
        shown = (await client.get(page)).text
        assert "if the machine is lost, so is your name" in shown, page
        assert "Ask me in a month" in shown
    assert "so is your name" not in (await client.get("/keys/sheet")).text
    node.sheet = "due again"
    assert "Never ask again" in (await client.get("/feed")).text


async def test_it_is_put_off_and_one_stays_where_one_was() -> None:
    node = Node()
    done = await browser(node).post("/keys/sheet/later?from=/people", headers=HEADERS)
    assert (done.status_code, done.headers["location"]) == (303, "/people")
    assert node.keys.asked == [("put_off",)]


async def test_a_sheet_is_made_and_shown_once_ready_to_be_printed() -> None:
    node = Node()
    client = browser(node)
    asked = (await client.get("/keys/sheet")).text
    assert 'autocomplete="new-password"' in asked
    form = {"new": "plum tree river nine", "again": "plum tree river nine"}
    answer = await client.post("/keys/sheet", data=form, headers=HEADERS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "MOSAIC &lt;SHEET&gt;" in answer.text
    assert "<svg" in answer.text
    assert '<link rel="stylesheet" href="/static/sheet.css" media="print">' in answer.text
    assert 'data-where=""' in answer.text
    assert "it is short" in answer.text
    assert "plum tree" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert node.keys.asked == [("sheet", "plum tree river nine", "")]
    assert (await client.get("/static/sheet.css")).status_code == 200


async def test_two_different_passwords_make_no_sheet() -> None:
    node = Node()
    form = {"new": "hunter22 and more", "again": "hunter23 and more"}
    answer = await browser(node).post("/keys/sheet", data=form, headers=HEADERS)
    assert answer.status_code == 400
    assert "not the same" in answer.text
    assert "hunter2" not in answer.text
    assert node.keys.asked == []


async def test_an_empty_home_is_entered_by_a_code_or_a_sheet() -> None:
    node = Node(name="")
    client = browser(node)
    shown = (await client.get("/")).text
    assert "Give a name, and you exist" in shown
    assert "Join from another device of yours" in shown
    form = {"code": " mosaic:mopub0me?pair=x ", "label": " phone "}
    assert (await client.post("/join", data=form, headers=HEADERS)).headers["location"] == "/"
    node.keys.under_way = ShownPairing(Pairing("compare", number="123456", other="ana"), runs=True)
    shown = (await client.get("/")).text
    assert "123 456" in shown
    assert "Give a name" not in shown
    node.keys.under_way = ShownPairing(Pairing("failed", note="the code is too old", hint="Again."))
    shown = (await client.get("/")).text
    assert "the code is too old" in shown
    assert "Give a name" in shown
    form = {"sheet": "MOSAIC RECOVERY SHEET", "password": "hunter22"}
    assert (await client.post("/restore", data=form, headers=HEADERS)).headers["location"] == "/feed"
    assert node.keys.asked == [
        ("join", "mosaic:mopub0me?pair=x", "phone"),
        ("restore", "MOSAIC RECOVERY SHEET", "hunter22"),
    ]


@pytest.mark.claim("C2")
async def test_wrong_and_stale_codes_are_told_and_do_not_come_back() -> None:
    node = Node(name="")
    client = browser(node)
    for refusal in (InvalidText("this is no code"), PairingFailed("the code is too old")):
        node.keys.refusal = refusal
        answer = await client.post("/join", data={"code": "mosaic:x", "label": "phone"}, headers=HEADERS)
        assert answer.status_code == 400
        assert str(refusal)[1:] in answer.text
        assert "mosaic:x" not in answer.text
        assert 'value="phone"' in answer.text
    node.keys.refusal = WrongPassword()
    form = {"sheet": "mocryptsec0abc", "password": "hunter22"}
    answer = await client.post("/restore", data=form, headers=HEADERS)
    assert answer.status_code == 400
    assert "hunter22" not in answer.text
    assert "mocryptsec0abc" not in answer.text
