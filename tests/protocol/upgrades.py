"""Requests for WebSockets, and a server's answers to them."""

from __future__ import annotations

from mosaic.core.authentication import Authentication, Role
from mosaic.protocol.authentication import ServerIdentity
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.upgrade import Mode, Refusal, Upgrade, judge
from mosaic.testing import Person

SERVER, CLIENT = Person("server"), Person("client")
AUTHORITY = "mosaic.example:8443"
IDENTITY = ServerIdentity(SERVER.key_bytes, {AUTHORITY, "mosaic.example"})
SETTINGS = ServerSessionSettings(applications=(0, 1))
ENTROPY = bytes(range(48))
PLAIN_FIELDS = {
    "Host": AUTHORITY,
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "mosaic2025",
}


def request(start: str = "GET / HTTP/1.1", *more: str, **fields: str | None) -> bytes:
    """The head of a request with fields set (underscores for hyphens) or left out (None), and more lines."""
    given = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    lines = []
    for name, value in PLAIN_FIELDS.items():
        value = given.pop(name.lower(), value)  # type: ignore[assignment] # noqa: PLW2901
        if value is not None:
            lines.append(f"{name}: {value}")
    lines += [f"{name}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([start, *lines, *more, "", ""]).encode("latin-1")


def judged(
    data: bytes, mode: Mode = Mode.BROWSER, settings: ServerSessionSettings = SETTINGS
) -> Upgrade | Refusal:
    return judge(data, mode, settings, IDENTITY, ENTROPY[:32])


def accepted(
    data: bytes, mode: Mode = Mode.BROWSER, settings: ServerSessionSettings = SETTINGS
) -> tuple[Upgrade, bytes]:
    """An upgrade that is accepted, and its response, signed by the server."""
    upgrade = judged(data, mode, settings)
    assert isinstance(upgrade, Upgrade), upgrade
    return upgrade, upgrade.response(settings, signed(upgrade.to_sign))


def signed(authentication: Authentication | None) -> bytes | None:
    return None if authentication is None else authentication.sign(Role.SERVER, SERVER.master)


def refused(data: bytes, mode: Mode = Mode.BROWSER) -> Refusal:
    refusal = judged(data, mode)
    assert isinstance(refusal, Refusal)
    head, _, body = refusal.answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {refusal.status.value} ".encode())
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == f"{refusal.reason}.\n"
    return refusal
