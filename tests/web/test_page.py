"""The page: what it shows, what it does, and whom it lets in."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from mosaic.core.keys import SecretKey
from mosaic.errors import InvalidText, Refused
from mosaic.web.app import create_app
from mosaic.web.face import FollowedPerson, MyServer, ServerState, Trouble
from mosaic.web.settings import WebSettings
from mosaic.wire.result_code import ResultCode
from tests.web.fake_node import HOST, ORIGIN, TOKEN, Node, browser, entry


async def test_the_printed_address_opens_the_page_and_leaves_no_token_in_it() -> None:
    client = browser(Node(), logged_in=False)
    answer = await client.get(f"/feed?before=x&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/feed?before=x"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await client.get("/feed")).status_code == 200


@pytest.mark.parametrize("cookie", ["", "wrong"])
async def test_without_the_token_nothing_is_shown(cookie: str) -> None:
    node = Node()
    node.entries.append(entry("for my eyes"))
    client = browser(node, logged_in=False)
    client.cookies.set("mosaic_8123", cookie, domain="127.0.0.1")
    for path in ("/feed", "/people", "/changes", "/wall/mopub0me"):
        answer = await client.get(path)
        assert answer.status_code == 403
        assert "for my eyes" not in answer.text
        assert "mopub0me" not in answer.text
    assert (await client.get("/feed?token=wrong")).status_code == 403


async def test_an_address_that_others_may_see_opens_the_page_one_time() -> None:
    app = create_app(Node(), WebSettings(), token=TOKEN, hosts=[HOST], once={"seen-by-all", "another"})

    def visitor() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)

    owner = visitor()
    answer = await owner.get("/?token=seen-by-all")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await owner.get("/feed")).status_code == 200
    assert (await visitor().get("/?token=seen-by-all")).status_code == 403
    # The owner's browser may load it again; the other one has its own.
    assert (await owner.get("/?token=seen-by-all")).status_code == 303
    assert (await visitor().get("/?token=another")).status_code == 303


async def test_another_name_for_this_address_is_refused() -> None:
    client = browser(Node())
    assert (await client.get("/feed", headers={"host": "evil.example:8123"})).status_code == 421
    assert (await client.get("/feed", headers={"host": "127.0.0.1"})).status_code == 421


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}])
@pytest.mark.parametrize("path", ["/post", "/reply", "/follow", "/unfollow", "/begin"])
async def test_another_site_can_not_act(path: str, headers: dict[str, str]) -> None:
    node = Node()
    answer = await browser(node).post(path, data={"text": "x", "person": "y"}, headers=headers)
    assert answer.status_code == 403
    assert node.asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/feed", "/changes", "/static/icon.svg"])
async def test_another_site_gets_nothing_of_the_page(path: str, site: str) -> None:
    client = browser(Node())
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
        assert (await client.get(path, headers=headers)).status_code == 403


async def test_a_link_from_elsewhere_leads_to_the_page() -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await browser(Node()).get("/feed", headers=headers)).status_code == 200
    headers["origin"] = "http://evil.example"
    assert (await browser(Node()).post("/post", data={"text": "x"}, headers=headers)).status_code == 403


async def test_every_answer_forbids_foreign_content() -> None:
    client = browser(Node())
    for path in ("/feed", "/static/live.js", "/nowhere"):
        policy = (await client.get(path)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        # Under `no-referrer` browsers hide the Origin of this page's own forms, and none of them would work.
        assert (await client.get(path)).headers["referrer-policy"] == "same-origin"


async def test_what_strangers_write_stays_text() -> None:
    node = Node()
    node.entries.append(entry("<script>alert(1)</script>"))
    html = (await browser(node).get("/feed")).text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


async def test_a_post_is_published_and_shown() -> None:
    node = Node()
    client = browser(node)
    answer = await client.post(
        "/post?from=/feed", data={"text": " hello\r\nworld "}, headers={"origin": ORIGIN}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/feed#moref00")
    assert node.asked == [("post", "hello\nworld")]
    assert "hello\nworld" in (await client.get("/feed")).text


async def test_a_form_can_not_send_the_browser_elsewhere() -> None:
    client = browser(Node())
    for target in ("//evil.example/", "http://evil.example/x", "/\\evil.example"):
        answer = await client.post(
            "/post", params={"from": target}, data={"text": "x"}, headers={"origin": ORIGIN}
        )
        location = answer.headers["location"]
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize("text", ["", "   ", "x" * 101])
async def test_what_can_not_be_posted_is_explained(text: str) -> None:
    node = Node()
    client = browser(node, settings=WebSettings(greatest_post_bytes=100))
    answer = await client.post("/post", data={"text": text}, headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert not [what for what, *_ in node.asked if what == "post"]


async def test_a_huge_body_is_not_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10_000):
            read += 1000
            yield b"text=" + b"x" * 995

    client = browser(Node(), settings=WebSettings(greatest_post_bytes=1000))
    answer = await client.post("/post", content=endless(), headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert read < 20_000


async def test_a_home_without_anyone_asks_for_a_name() -> None:
    node = Node(name="")
    client = browser(node)
    assert (await client.get("/feed")).headers["location"] == "/"
    assert "Give a name, and you exist" in (await client.get("/")).text
    await client.post("/begin", data={"name": " bo "}, headers={"origin": ORIGIN})
    assert node.name == "bo"


async def test_following_and_leaving() -> None:
    node = Node()
    client = browser(node)
    form = {"person": "mopub0you", "server": "mosaictcp://127.0.0.1:2/", "key": "mosrv0you"}
    await client.post("/follow", data=form, headers={"origin": ORIGIN})
    await client.post("/unfollow", data={"person": "mopub0you"}, headers={"origin": ORIGIN})
    assert node.asked == [
        ("follow", "mopub0you", "mosaictcp://127.0.0.1:2/", "mosrv0you"),
        ("unfollow", "mopub0you"),
    ]


async def test_an_invite_link_is_shown_with_its_code_and_taken() -> None:
    node = Node()
    page = browser(node)
    people = (await page.get("/people")).text
    assert "mosaic:mopub0me?follow" in people
    assert '<svg width="' in people
    link = "mosaic:mopub0anna?follow&at=mosrv0x"
    filled = (await page.get("/people", params={"follow": link + '"><b>'})).text
    assert 'value="mosaic:mopub0anna?follow&amp;at=mosrv0x&#34;&gt;&lt;b&gt;"' in filled
    assert node.asked == []
    await page.post("/follow", data={"person": f" {link} "}, headers={"origin": ORIGIN})
    assert node.asked == [("follow", link, "", "")]


async def test_errors_are_told_with_what_to_do_next() -> None:
    answer = await browser(Node()).get("/wall/nonsense")
    assert answer.status_code == 400
    assert "This is no key." in answer.text
    assert InvalidText.default_hint[:20] in answer.text
    assert (await browser(Node()).get("/nowhere")).status_code == 404


async def test_older_posts_are_offered_only_when_there_may_be_some() -> None:
    node = Node()
    node.entries = [entry(str(n), f"moref0{n}") for n in range(3)]
    assert "Older posts" not in (await browser(node).get("/feed")).text
    html = (await browser(node, settings=WebSettings(page_size=3)).get("/feed")).text
    assert 'href="/feed?before=moref02"' in html


async def test_changes_are_streamed() -> None:
    answer = await browser(Node()).get("/changes")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.count("event: change") == 2


async def test_streams_end_before_the_node_does() -> None:
    class Quiet(Node):
        async def changes(self) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield None

    app = create_app(Quiet(), WebSettings(streams=1), token=TOKEN, hosts=[HOST])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)
    client.cookies.set("mosaic_8123", TOKEN, domain="127.0.0.1")
    app.state.end_streams()
    async with asyncio.timeout(10):
        assert (await client.get("/changes")).status_code == 200
        # Its place is free again.
        assert (await client.get("/changes")).status_code == 200


@pytest.mark.claim("C11")
async def test_a_secret_key_that_was_typed_in_the_wrong_field_is_not_shown_again() -> None:
    node, key = Node(), SecretKey.from_seed(bytes(range(32))).text
    node.refusal = Refused(f"nobody is called {key}", result=ResultCode.NOT_FOUND)
    for path, field in (("/follow", "person"), ("/post", "text")):
        answer = await browser(node).post(path, data={field: f"so: {key}"}, headers={"origin": ORIGIN})
        assert answer.status_code == 400
        assert key[6:] not in answer.text
        assert "so: (hidden)" in answer.text


async def test_who_came_first_is_told_what_to_do() -> None:
    node = Node()
    html = (await browser(node).get("/feed")).text
    assert "Hello ana" in html
    assert 'data-copy="mopub0me"' in html
    # Whoever can't be found yet learns it where the key is given away.
    assert "others can&#39;t find" not in html
    own = ServerState("mosrv0me", (), (), True, "listening", "", "So others can't find your posts.")
    node.servers = [own]
    html = (await browser(node).get("/feed")).text
    assert '<p class="hint">So others can&#39;t find your posts.</p>' in html
    node.followed.append(FollowedPerson("mopub0you", "bo", (), "looking for their servers"))
    html = (await browser(node).get("/feed")).text
    assert "Hello ana" not in html
    assert "Nothing has come yet from the person you follow" in html
    assert "looking for their servers" in html


async def test_a_person_is_followed_by_key_alone() -> None:
    node = Node()
    page = (await browser(node).get("/people")).text
    form = page[page.index('class="follow"') :]
    inside = form[: form.index("</form>")]
    # What is asked for at first is the key; the rest is folded away.
    assert inside.index('name="person"') < inside.index("<details>") < inside.index('name="server"')
    assert "required" not in inside[inside.index("<details>") :]
    answer = await browser(node).post("/follow", data={"person": " mopub0you "}, headers={"origin": ORIGIN})
    assert node.asked == [("follow", "mopub0you", "", "")]
    assert answer.headers["location"] == "/wall/mopub0you"


@pytest.mark.parametrize(
    ("path", "field", "shown"),
    [
        ("/post?from=/feed", "text", "What do you want to say?"),
        ("/post?from=/wall/mopub0me", "text", "This is you"),
        ("/follow?from=/people", "person", "You follow"),
        ("/follow?from=/feed", "person", "Hello ana"),
        ("/reply", "text", "Your reply to"),
    ],
)
async def test_what_went_wrong_stands_beside_the_form_with_what_was_typed(
    path: str, field: str, shown: str
) -> None:
    node = Node()
    node.entries.append(entry("hello"))
    node.refusal = Refused("no room left", result=ResultCode.NOT_FOUND)
    form = {field: "what I <typed>", "reference": "moref0a"}
    answer = await browser(node).post(path, data=form, headers={"origin": ORIGIN})
    assert answer.status_code == 400
    html = answer.text
    assert shown in html
    assert "what I &lt;typed&gt;" in html
    name = path[1:].partition("?")[0]
    assert f'id="{name}-wrong" role="alert"' in html
    assert "No room left." in html
    field_at = html.index(f'name="{field}"')
    assert f'aria-invalid="true" aria-describedby="{name}-wrong' in html[field_at : field_at + 600]
    # The page can be asked for again under its own address.
    assert 'data-where="/post' not in html


async def test_a_name_that_can_not_be_one_is_told_on_the_first_page() -> None:
    node = Node(name="")
    node.refusal = InvalidText("this can't be a name")
    answer = await browser(node).post("/begin", data={"name": "x\ty"}, headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert "This can't be a name." in answer.text.replace("&#39;", "'")
    assert 'value="x\ty"' in answer.text


async def test_no_page_has_scripts_or_styles_of_its_own() -> None:
    node = Node()
    node.entries.append(entry("hello", author="mopub0you"))
    node.followed.append(FollowedPerson("mopub0you", "bo", ("mosaictcp://127.0.0.1:2/",), "connected"))
    client = browser(node)
    for path in ("/feed", "/wall/mopub0you", "/thread/moref0a", "/people", "/help", "/nowhere"):
        html = (await client.get(path)).text
        assert html.count("<script") == 1
        assert '<script type="module" src="/static/main.js"></script>' in html
        assert "style=" not in html
        assert "<style" not in html
        assert not re.search(r"<[^>]+\son\w+=", html)
        assert "http://" not in html.replace(ORIGIN, "")
        assert "https://" not in html


MINE = MyServer(
    key="mosrv0mine",
    uses=["outbox", "inbox"],
    urls=["mosaictcp://203.0.113.5:1320/"],
    mine=False,
    health="bad",
    score=0.2,
    latency_ms=120,
    reached_iso="2026-01-02T03:04:05Z",
    received=12_345,
    sent=678,
    waiting=2,
    troubles=[
        Trouble(
            "failing",
            "mosrv0mine",
            "…",
            "nobody <there>",
            "Wait, or `mosaic servers move A <B>`.",
            "2026-01-02T03:04:05Z",
        )
    ],
)


@pytest.mark.claim("C83")
async def test_a_server_that_fails_is_told_on_every_page_with_what_to_do() -> None:
    node = Node()
    node.mine = [MINE]
    node.troubles = list(MINE.troubles)
    client = browser(node)
    for path in ("/feed", "/people", "/servers"):
        assert "Your server mosrv0mine does not answer." in (await client.get(path)).text
    page = (await client.get("/servers")).text
    assert "<code>mosaic servers move A &lt;B&gt;</code>" in page
    assert "does badly" in page
    assert "nobody &lt;there&gt;." in page
    assert "outbox, inbox" in page
    assert "12 KB from it, 678 bytes to it" in page
    assert "2 records to be delivered" in page
    node.troubles = []
    assert "does not answer" not in (await client.get("/feed")).text


@pytest.mark.claim("C8")
async def test_a_machine_whose_key_was_taken_away_says_so_on_every_page() -> None:
    node = Node()
    client = browser(node)
    assert "not in use any more" not in (await client.get("/feed")).text
    node.key_gone = True
    for path in ("/feed", "/people", "/keys"):
        page = (await client.get(path)).text
        assert "The key that signs on this machine is not in use any more" in page
        assert 'href="/keys"' in page


async def test_servers_are_asked_when_one_wants() -> None:
    node = Node()
    client = browser(node)
    answer = await client.post("/servers/check", headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/servers")
    assert node.asked == [("check_servers",)]
    node.refusal = Refused("not now", result=ResultCode.TOO_FAST)
    answer = await client.post("/servers/check", headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert "Not now" in answer.text


@pytest.mark.claim("C82", "C83")
@pytest.mark.parametrize(
    ("reached", "words", "level"),
    [
        ("some", "2 of 3 servers have it; 1 failed (TOO_FAST), next try at 13:20", "partly"),
        ("refused", "2 of 3 servers have it; 1 refused it (PUBKEY_PERM_BANNED)", "bad"),
        ("all", "all 3 servers have it", "good"),
    ],
)
async def test_a_post_of_mine_says_how_far_it_has_come(reached: str, words: str, level: str) -> None:
    node = Node()
    node.entries = [
        dataclasses.replace(entry("mine"), sent=words, reached=reached),
        entry("theirs", "moref0b", "mopub0you"),
    ]
    html = (await browser(node).get("/feed")).text
    (found,) = re.findall(r'<footer>.*?<span class="note (\w+)">.*?</span> (.*?)</span></footer>', html)
    assert found == (level, words)


async def test_it_is_told_how_far_old_posts_of_somebody_are_here() -> None:
    node = Node()
    node.followed = [
        FollowedPerson("mopub0you", "ben", (), "connected", "older posts are being fetched: 120 so far"),
        FollowedPerson("mopub0her", "cara", (), "connected"),
    ]
    html = (await browser(node).get("/people")).text
    assert html.count("older posts") == 1
    assert "older posts are being fetched: 120 so far" in html
