"""The page: what it shows, what it does, and whom it lets in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from mosaic.errors import InvalidText
from mosaic.web.app import create_app
from mosaic.web.face import Entry, FollowedPerson, Status
from mosaic.web.settings import WebSettings

TOKEN = "correct-horse"
HOST = "127.0.0.1:8123"
ORIGIN = f"http://{HOST}"


class Node:
    """A node that remembers what the page asked of it."""

    def __init__(self, name: str = "ana") -> None:
        self.name = name
        self.entries: list[Entry] = []
        self.followed: list[FollowedPerson] = []
        self.asked: list[tuple[str, ...]] = []

    def status(self) -> Status:
        return Status(self.name, "mopub0me", "mosrv0me", ("mosaictcp://127.0.0.1:1/",), 2)

    async def begin(self, name: str) -> Status:
        self.name = name
        return self.status()

    async def feed(self, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        self.asked.append(("feed", before))
        return self.entries[:limit]

    async def wall(self, person: str, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        if not person.startswith("mopub0"):
            raise InvalidText("this is no key")
        return [entry for entry in self.entries if entry.author == person]

    async def thread(self, reference: str) -> Sequence[Entry]:
        return [e for e in self.entries if reference in {e.reference, e.answers}]

    async def entry(self, reference: str) -> Entry | None:
        return next((e for e in self.entries if e.reference == reference), None)

    async def post(self, text: str) -> Entry:
        self.asked.append(("post", text))
        self.entries.insert(0, entry(text, f"moref0{len(self.entries)}"))
        return self.entries[0]

    async def reply(self, reference: str, text: str) -> Entry:
        self.asked.append(("reply", reference, text))
        return await self.post(text)

    async def follow(self, person: str, *, server: str = "", server_key: str = "") -> FollowedPerson:
        self.asked.append(("follow", person, server, server_key))
        return FollowedPerson(person, "", (server,), "connecting")

    async def unfollow(self, person: str) -> None:
        self.asked.append(("unfollow", person))

    def people(self) -> Sequence[FollowedPerson]:
        return self.followed

    async def changes(self) -> AsyncIterator[None]:
        yield None
        yield None


def entry(text: str, reference: str = "moref0a", author: str = "mopub0me") -> Entry:
    return Entry(reference, author, "ana", text, "2026-01-02T03:04:05.000000000Z", False, "", True)


def browser(node: Node, *, logged_in: bool = True, settings: WebSettings | None = None) -> httpx.AsyncClient:
    app = create_app(node, settings or WebSettings(), token=TOKEN, hosts=[HOST, "localhost:8123"])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)
    if logged_in:
        client.cookies.set("mosaic_8123", TOKEN, domain="127.0.0.1")
    return client


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


async def test_every_answer_forbids_foreign_content() -> None:
    client = browser(Node())
    for path in ("/feed", "/static/live.js", "/nowhere"):
        policy = (await client.get(path)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


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
    assert (answer.status_code, answer.headers["location"]) == (303, "/feed")
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
    assert node.asked == []


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
    assert "Give yourself a name" in (await client.get("/")).text
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
    assert 'href="?before=moref02"' in html


async def test_changes_are_streamed() -> None:
    answer = await browser(Node()).get("/changes")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.count("event: change") == 2


async def test_the_fragment_is_the_list_alone() -> None:
    node = Node()
    node.entries.append(entry("hello"))
    html = (await browser(node).get("/feed?fragment")).text
    assert html.lstrip().startswith("<article")
    assert "<html" not in html
