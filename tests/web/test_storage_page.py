"""The page of what is on this machine."""

from __future__ import annotations

import pytest

from mosaic.errors import UsageError
from tests.web.fake_node import ORIGIN, Node, browser, entry

HEADERS = {"origin": ORIGIN}


async def test_it_shows_what_stays_what_goes_and_what_is_kept() -> None:
    shown = (await browser(Node()).get("/storage")).text
    assert "1 MB in 3 records" in shown
    assert "of 20.0 GB that it may take" in shown
    assert "&lt;b&gt;friend&lt;/b&gt;" in shown
    assert 'href="/wall/mopub0friend"' in shown
    assert 'href="/thread/moref0post"' in shown


async def test_accounts_and_posts_are_kept_and_no_longer_kept() -> None:
    node = Node()
    node.entries = [entry("hello", "moref0a", "mopub0friend", "friend"), entry("mine", "moref0b")]
    client = browser(node)
    assert 'name="what" value="mopub0friend"' in (await client.get("/wall/mopub0friend")).text
    assert 'action="/storage/keep"' not in (await client.get("/wall/mopub0me")).text
    assert 'name="what" value="moref0a"' in (await client.get("/thread/moref0a")).text
    assert 'action="/storage/keep"' not in (await client.get("/thread/moref0b")).text
    for path in ("/storage/keep", "/storage/no-longer"):
        answer = await client.post(path, data={"what": "moref0a"}, headers=HEADERS)
        assert (answer.status_code, answer.headers["location"]) == (303, "/storage")
    assert node.storage.asked == [("keep", "moref0a"), ("no longer", "moref0a")]


async def test_what_can_not_be_kept_is_said() -> None:
    node = Node()
    node.storage.refusal = UsageError("what people of this home write is kept anyway")
    answer = await browser(node).post("/storage/keep", data={"what": "mopub0<me>"}, headers=HEADERS)
    assert answer.status_code == 400
    assert "is kept anyway" in answer.text
    assert 'value="mopub0&lt;me&gt;"' in answer.text


@pytest.mark.parametrize("path", ["/storage/keep", "/storage/no-longer"])
async def test_other_sites_keep_nothing(path: str) -> None:
    node = Node()
    answer = await browser(node).post(
        path, data={"what": "moref0a"}, headers={"origin": "https://else.where"}
    )
    assert answer.status_code == 403
    assert not node.storage.asked
