"""Another site in the same browser can neither act on the page nor look at it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.browser.chromium import Tab
from tests.browser.conftest import Browse, Serve
from tests.browser.test_two_people import arrive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Everything that a site can try, and what the browser told it. `PAGE` is the address of the page.
_MISCHIEF = """<!doctype html><title>evil</title><body><iframe name="frame" id="frame"></iframe><script>
const page = PAGE;
const body = new URLSearchParams({ text: "mischief", person: "x", reference: "x", name: "mischief" });
const outcome = (work) => work.then((said) => "did: " + said, () => "refused");
const image = (address) => new Promise((good, bad) => {
  const one = new Image(); one.onload = () => good("seen"); one.onerror = bad; one.src = address;
});
const form = (path) => new Promise((good) => {
  const frame = document.getElementById("frame");
  frame.onload = () => { try { good(frame.contentDocument.body.innerText); } catch { good("hidden"); } };
  const one = document.createElement("form");
  Object.assign(one, { method: "post", action: page + path, target: "frame" });
  for (const [name, value] of body) {
    one.append(Object.assign(document.createElement("input"), { name, value }));
  }
  document.body.append(one); one.submit();
});
const stream = () => new Promise((good, bad) => {
  const one = new EventSource(page + "/changes", { withCredentials: true });
  one.onopen = () => good("open"); one.onerror = () => { one.close(); bad(); };
});
const socket = () => new Promise((good, bad) => {
  const one = new WebSocket(page.replace("http", "ws") + "/changes");
  one.onopen = () => good("open"); one.onerror = bad;
});
const script = (address) => new Promise((good, bad) => {
  const one = document.createElement("script"); one.onload = () => good("run"); one.onerror = bad;
  one.src = address; document.body.append(one);
});
const get = (path) => fetch(page + path, { credentials: "include" }).then((answer) => answer.text());
const send = (path) => fetch(page + path, { method: "POST", mode: "no-cors", credentials: "include", body });
(async () => {
  const found = {};
  for (const path of ["/post", "/reply", "/follow", "/unfollow", "/begin"]) {
    found["form " + path] = await outcome(form(path));
    await outcome(send(path));
  }
  found.feed = await outcome(get("/feed"));
  found.picture = await outcome(image(page + "/static/icon.svg"));
  found["picture of the feed"] = await outcome(image(page + "/feed"));
  found.stream = await outcome(stream());
  found.socket = await outcome(socket());
  found.script = await outcome(script(page + "/static/main.js"));
  document.body.append(JSON.stringify(found) + " finished");
})();
</script>"""


class EvilSite:
    """A web site on this machine that says whatever it is told to."""

    def __init__(self) -> None:
        self.html = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(site.html.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def evil() -> Iterator[EvilSite]:
    site = EvilSite()
    yield site
    site.stop()


_NAMES = "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1"


@pytest.mark.parametrize("site", ["evil.example", "127.0.0.1", "localhost"])
def test_another_site_can_not_act_and_sees_nothing(
    serve: Serve, browse: Browse, evil: EvilSite, site: str
) -> None:
    """At 127.0.0.1 the browser even sends the page's cookie along: cookies know no ports."""
    web = serve("ana").page
    page = f"http://{urlsplit(web).netloc}"
    tab = browse(_NAMES)
    arrive(tab, web, "ana")
    evil.html = _MISCHIEF.replace("PAGE", json.dumps(page))
    tab.open(f"http://{site}:{evil.port}/")
    tab.see("finished")
    found = json.loads(tab.text[tab.text.index("{") : tab.text.rindex("}") + 1])
    forms = {name: said for name, said in found.items() if name.startswith("form ")}
    rest = {name: said for name, said in found.items() if name not in forms}
    assert set(forms.values()) == {"did: hidden"}
    assert len(rest) == 6
    assert set(rest.values()) == {"refused"}
    # Nothing of it was done, and the page is as it was.
    open_as_before(tab, page)


def open_as_before(tab: Tab, page: str) -> None:
    tab.open(f"{page}/feed")
    tab.see("Hello ana")
    assert "mischief" not in tab.text
    tab.open(f"{page}/people")
    tab.see("Nobody yet.")


def test_a_name_that_is_pointed_here_is_refused(serve: Serve, browse: Browse) -> None:
    web = serve("ana").page
    tab = browse(_NAMES)
    arrive(tab, web, "ana")
    # Even with the token, and under a name that leads to the very same socket.
    rebound = web.replace("127.0.0.1", "rebound.example")
    for address in (
        rebound,
        rebound.partition("?")[0] + "feed",
        rebound.partition("?")[0] + "static/main.js",
    ):
        tab.open(address)
        assert "answers only to the address that mosaic printed" in tab.text
    open_as_before(tab, web.partition("/?")[0])


def test_without_the_token_there_is_nothing_to_see(serve: Serve, browse: Browse) -> None:
    web = serve("ana").page
    arrive(browse(), web, "ana")
    other = browse()
    other.open(web.partition("?")[0] + "feed")
    assert "belongs to the person who started it" in other.text
    assert "ana" not in other.text
