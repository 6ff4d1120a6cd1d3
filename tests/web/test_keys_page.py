"""The page of keys and devices."""

from __future__ import annotations

import pytest

from mosaic.errors import MasterAway, MosaicError, PasswordNeeded, UnknownKey, WrongPassword
from mosaic.node.keys_face import ShownPairing
from mosaic.node.pairing import Pairing
from tests.web.fake_node import ORIGIN, Node, browser

HEADERS = {"origin": ORIGIN}
SEALED = "mocryptsec0secret"


async def test_it_shows_keys_how_they_are_used_and_what_is_advised() -> None:
    answer = await browser(Node()).get("/keys")
    assert answer.status_code == 200
    assert "&lt;i&gt;laptop&lt;/i&gt; (this machine)" in answer.text
    assert "mopub0laptop" in answer.text
    assert "last signed something" in answer.text
    assert "nothing that it signed is here" in answer.text
    assert "<code>mosaic key list</code>" in answer.text
    assert 'action="/keys/pair"' in answer.text
    # What the master key in the home opens by itself asks for nothing.
    assert 'name="master"' not in answer.text
    assert 'type="password"' not in answer.text


async def test_this_machine_is_not_retired_and_what_is_revoked_is_not_revoked_again() -> None:
    shown = (await browser(Node()).get("/keys")).text
    cards = {card.partition('"')[0]: card for card in shown.split('<li class="card" id="key-')[1:]}
    assert "/keys/retire" in cards["mopub0phone"]
    assert "/keys/retire" not in cards["mopub0laptop"]
    assert "/keys/roll" in cards["mopub0laptop"]
    assert "/keys/revoke" in cards["mopub0pen"]
    assert "/keys/revoke" not in cards["mopub0gone"]
    assert "/keys/revoke" not in cards["boxkey"]


async def test_a_device_is_paired_step_by_step() -> None:
    node = Node()
    client = browser(node)
    assert (await client.post("/keys/pair", data={"password": "pw"}, headers=HEADERS)).status_code == 303
    node.keys.under_way = ShownPairing(Pairing("waiting", code="mosaic:mopub0me?pair=secret"), runs=True)
    shown = (await client.get("/keys")).text
    assert "pair=secret" in shown
    assert "<svg" in shown
    assert 'action="/keys/pair"' not in shown
    node.keys.under_way = ShownPairing(Pairing("compare", number="123456", other="<b>phone</b>"), runs=True)
    shown = (await client.get("/keys")).text
    assert "123 456" in shown
    assert "&lt;b&gt;phone&lt;/b&gt;" in shown
    for same in ("yes", "no"):
        assert (await client.post("/keys/agree", data={"same": same}, headers=HEADERS)).status_code == 303
    assert (await client.post("/keys/stop", headers=HEADERS)).status_code == 303
    node.keys.under_way = ShownPairing(Pairing("failed", note="the digits differ", hint="Begin again."))
    assert "the digits differ" in (await client.get("/keys")).text
    node.keys.under_way = ShownPairing(Pairing("ready", other="phone"))
    assert "Ready: phone" in (await client.get("/keys")).text
    assert node.keys.asked == [("pair", "", "pw"), ("agree", "True"), ("agree", "False"), ("stop",)]


async def test_keys_are_named_retired_rolled_and_revoked() -> None:
    node = Node()
    client = browser(node)
    for path, form in (
        ("label", {"key": "mopub0phone", "label": "old phone"}),
        ("retire", {"key": "mopub0phone", "password": "pw"}),
        ("roll", {"what": "encryption"}),
        ("roll", {"what": "device", "key": "mopub0laptop"}),
        ("persona", {"label": "baking"}),
        ("revoke", {"key": "mopub0phone", "since": "1d", "sure": "yes", "personas": "keep"}),
        ("revoke", {"key": "mopub0phone", "since": "ever", "sure": "yes", "master": f" {SEALED} "}),
        ("revoke", {"key": "mopub0phone", "since": "1d", "at": "2026-01-01T00:00:00Z", "sure": "yes"}),
    ):
        done = await client.post(f"/keys/{path}", data=form, headers=HEADERS)
        assert done.status_code == 200, (path, done.text)
        assert 'class="told"' in done.text
        assert path != "revoke" or "The key is &lt;revoked&gt;." in done.text
    assert node.keys.asked == [
        ("label", "mopub0phone", "old phone"),
        ("retire", "mopub0phone", "", "pw"),
        ("roll", "encryption", ""),
        ("roll", "device", ""),
        ("persona", "baking", ""),
        ("revoke", "mopub0phone", "1d", "", "", "personas stay"),
        ("revoke", "mopub0phone", "", SEALED, ""),
        ("revoke", "mopub0phone", "2026-01-01T00:00:00Z", "", ""),
    ]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"since": "1d"}, "Tick the box"),
        ({"since": "1d", "sure": "no"}, "Tick the box"),
        ({"sure": "yes"}, "Say since when"),
    ],
)
async def test_nothing_is_revoked_by_mistake(form: dict[str, str], words: str) -> None:
    node = Node()
    answer = await browser(node).post("/keys/revoke", data={"key": "mopub0phone", **form}, headers=HEADERS)
    assert answer.status_code == 400
    assert words in answer.text
    assert node.keys.asked == []


@pytest.mark.claim("C2", "C13")
@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (MasterAway(), "paste its text into the form"),
        (PasswordNeeded(), "Type it into the form"),
        (WrongPassword(), "keyboard"),
    ],
)
@pytest.mark.parametrize("path", ["pair", "retire", "revoke", "persona", "roll"])
async def test_what_needs_the_master_key_says_so_and_no_secret_comes_back(
    path: str, refusal: MosaicError, words: str
) -> None:
    node = Node()
    node.keys.where = "away"
    node.keys.refusal = refusal
    client = browser(node)
    form = {"password": "hunter22", "master": SEALED, "label": "baking", "since": "2d", "sure": "yes"}
    form |= {"what": "encryption"} if path == "roll" else {}
    form |= {"key": "mopub0phone"} if path in {"retire", "revoke"} else {}
    answer = await client.post(f"/keys/{path}", data=form, headers=HEADERS)
    assert answer.status_code == 400
    assert words in answer.text
    assert "--master" not in answer.text
    assert "hunter22" not in answer.text
    assert SEALED not in answer.text
    assert "not on this machine" in answer.text
    assert 'name="master"' in answer.text


async def test_a_key_that_is_not_there_any_more_is_told() -> None:
    node = Node()
    node.keys.refusal = UnknownKey("you have no such key")
    for form in ({"key": "<mopub0nobody>"}, {}):
        answer = await browser(node).post("/keys/retire", data=form, headers=HEADERS)
        assert answer.status_code == 400
        assert "You have no such key." in answer.text
        assert "<mopub0nobody>" not in answer.text


async def test_under_a_password_only_the_password_is_asked_for() -> None:
    node = Node()
    node.keys.where = "password"
    shown = (await browser(node).get("/keys")).text
    assert 'type="password"' in shown
    assert 'name="master"' not in shown


@pytest.mark.parametrize(
    "path",
    ["pair", "agree", "stop", "label", "retire", "revoke", "roll", "persona", "sheet", "sheet/later"],
)
async def test_other_sites_do_nothing_with_keys(path: str) -> None:
    node = Node()
    answer = await browser(node).post(f"/keys/{path}", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert node.keys.asked == []
