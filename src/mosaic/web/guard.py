"""Who may use the page: only a browser that was opened with the node's own address.

Any website can make a browser send requests to 127.0.0.1, and any name can be
pointed there. So each request must name this page as its Host (no rebinding),
each action must come from this page's own Origin, nothing but a link may lead
here from elsewhere, and everything but the style sheet needs the token that
`mosaic serve` prints in a terminal, and `mosaic page` wherever it is asked.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: browsers would then hide the Origin of this page's own forms, too.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Guard:
    """Middleware that lets in this page's own browser and nobody else.

    Args:
        app: What is guarded.
        token: The secret in the printed address (at least 128 bits of randomness as text).
        hosts: The values of the Host header that mean this page, with port.
        once: Tokens that open the page in one browser each: for an address that others may see as well,
            like the arguments of a program. Each goes out of this set when it is used; more may come.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, hosts: Iterable[str], once: set[str] | None = None
    ) -> None:
        self._app = app
        self._token = token
        self._once = set() if once is None else once
        self._hosts = frozenset(host.lower() for host in hosts)
        port = next(iter(self._hosts)).rsplit(":", 1)[-1]
        # Cookies ignore the port, so two nodes on one machine need different names.
        self.cookie = f"mosaic_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judges one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers) or self._login(scope, headers)
        if answer is not None:
            await answer(scope, receive, _hardened(send))
            return
        await self._app(scope, receive, _hardened(send))

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if headers.get("host", "").lower() not in self._hosts:
            return PlainTextResponse("This page answers only to the address that mosaic printed.\n", 421)
        if scope["method"] not in SAFE_METHODS and headers.get("origin", "") not in {
            f"http://{host}" for host in self._hosts
        }:
            return PlainTextResponse("Another site asked for this; nothing was done.\n", 403)
        if _from_elsewhere(headers) and not _is_followed_link(scope, headers):
            return PlainTextResponse("Another site asked for this; nothing is shown to it.\n", 403)
        if scope["path"].startswith("/static/") or _given_token(scope):
            return None
        if not self._matches(self._cookie_of(headers)):
            return PlainTextResponse(
                "This page belongs to the person who started it. Open the whole address, with its token: "
                "`mosaic page` tells it.\n",
                403,
            )
        return None

    def _login(self, scope: Scope, headers: Headers) -> RedirectResponse | PlainTextResponse | None:
        given = _given_token(scope)
        if not given:
            return None
        # Whoever is in already may come again by an address that is used up.
        if not (self._matches(given) or self._matches(self._cookie_of(headers)) or self._use_up(given)):
            return PlainTextResponse(
                "The token in this address is not the one of the running node, or it was used already. "
                "Open the whole address that `mosaic page` tells.\n",
                403,
            )
        query = {k: v for k, v in parse_qs(scope["query_string"].decode("latin-1")).items() if k != "token"}
        target = scope["path"] + (f"?{urlencode(query, doseq=True)}" if query else "")
        # One leading slash only: `//host` would send the browser to another site.
        answer = RedirectResponse("/" + target.lstrip("/"), status_code=303)
        answer.set_cookie(self.cookie, self._token, httponly=True, samesite="strict", path="/")
        return answer

    def _cookie_of(self, headers: Headers) -> str:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _use_up(self, given: str) -> bool:
        """Whether a token opens the page this one time."""
        found = next((one for one in self._once if hmac.compare_digest(given.encode(), one.encode())), None)
        self._once.discard(found or "")
        return found is not None

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


class Hardened:
    """Middleware for pages that everybody may read: the same headers, and nobody is asked who he is.

    Args:
        app: What is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        await self._app(scope, receive, _hardened(send))


def _from_elsewhere(headers: Headers) -> bool:
    """Whether the browser says that another site asks; another port of this machine is one, too."""
    return headers.get("sec-fetch-site", "") in {"cross-site", "same-site"}


def _is_followed_link(scope: Scope, headers: Headers) -> bool:
    """Whether somebody goes to this page, rather than a page to its content."""
    return (
        scope["method"] in SAFE_METHODS
        and headers.get("sec-fetch-mode", "") == "navigate"
        and headers.get("sec-fetch-dest", "") == "document"
    )


def _given_token(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def _hardened(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
        await send(message)

    return send_with_headers
