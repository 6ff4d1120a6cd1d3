"""The server's side of a WebSocket's beginning: the HTTP head of a request in, the head of an answer out.

A link begins in one of three modes. *Native*: TLS with our own certificate
has proven the server's key, and the client's if it has one; authentication by
header is passed over. *Browser*: TLS with a certificate of the operator's,
issued by an authority. *Plain*: no TLS, behind the operator's own proxy. In
the last two the Host must be an authority that this server is configured for,
and keys are proven in HELLO.

HELLO comes in the fields of the request (`header_hello`) or, without them, as
the first message.

The Origin of a page is not looked at: nothing that a browser adds by itself
(no cookie, no certificate) gives a connection any right here, so a page can
do no more than any program can, and what it proves it proves with a key that
it holds.

Source: RFC 6455 §4.2, websockets.md, edition §2.
"""

from __future__ import annotations

import base64
import hashlib
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Final

from mosaic.core.authentication import NO_NONCE, NOBODY, Authentication, nonce_of_text
from mosaic.core.web_authority import parse_authority
from mosaic.errors import InvalidMessage, InvalidUrl, UsageError
from mosaic.protocol import header_hello
from mosaic.protocol.authentication import ServerIdentity
from mosaic.protocol.header_hello import HeaderHello
from mosaic.protocol.hello import agreement
from mosaic.protocol.http_head import Head, write
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.wire.client_messages import Hello
from mosaic.wire.server_messages import HelloAck

SUBPROTOCOL: Final = "mosaic2025"
_ACCEPT_SALT: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = "13"
_KEY_BYTES: Final = 16


class Mode(IntEnum):
    """What a WebSocket runs over."""

    NATIVE = 0
    BROWSER = 1
    PLAIN = 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upgrade that is refused: send `answer`, then close.

    Attributes:
        status: 400, 403, 404 or 426.
        reason: Why, in the answer's body, too.
        answer: The whole HTTP response.
    """

    status: HTTPStatus
    reason: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An upgrade that may be accepted: send the head that `response` makes, then tell the session.

    Attributes:
        mode: What the link runs over.
        accept: Sec-WebSocket-Accept.
        ack: The answer to a HELLO in header form, or None.
        to_sign: What the server signs to prove its key, or None.
        client_nonce: The text of the nonce for the client's key, if it has named one.
    """

    mode: Mode
    accept: str
    ack: HelloAck | None = None
    to_sign: Authentication | None = None
    client_nonce: str | None = None

    def response(self, settings: ServerSessionSettings, signature: bytes | None = None) -> bytes:
        """The head that accepts.

        Args:
            settings: The operator's choices.
            signature: The server's, of `to_sign`.

        Raises:
            UsageError: something is to be signed and no signature is given.
        """
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", self.accept),
            ("Sec-WebSocket-Protocol", SUBPROTOCOL),
        ]
        if self.ack is not None:
            fields.append((header_hello.VERSION, str(self.ack.version)))
            fields.append((header_hello.FEATURES_ACCEPTED, header_hello.joined(self.ack.applications)))
        if self.to_sign is not None:
            if signature is None:
                raise UsageError("the server's signature is missing")
            fields.append((header_hello.SERVER_AUTHENTICATION, header_hello.signature_text(signature)))
        if self.client_nonce is not None:
            fields.append((header_hello.CLIENT_AUTHENTICATE_NONCE, self.client_nonce))
        if settings.service_url:
            fields.append((header_hello.SERVICE_URL, settings.service_url))
        return write("HTTP/1.1 101 Switching Protocols", fields)


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        self.status = status
        self.reason = reason


def judge(
    request: bytes,
    mode: Mode,
    settings: ServerSessionSettings,
    identity: ServerIdentity | None,
    entropy: bytes,
) -> Upgrade | Refusal:
    """What becomes of a request to begin a WebSocket.

    Args:
        request: The whole head, up to and with its blank line.
        mode: What the link runs over.
        settings: The operator's choices.
        identity: Who the server is; None refuses all but native mode.
        entropy: 32 random bytes, used for nothing else.
    """
    try:
        return _judge(Head.parse(request), mode, settings, identity, entropy)
    except _Refused as refused:
        return _refusal(refused.status, refused.reason)
    except InvalidMessage as error:
        return _refusal(HTTPStatus.BAD_REQUEST, str(error))


def accept_of(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    digest = hashlib.sha1((key + _ACCEPT_SALT).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _refusal(status: HTTPStatus, reason: str) -> Refusal:
    body = f"{reason}.\n".encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    if status is HTTPStatus.UPGRADE_REQUIRED:
        fields[-1] = ("Connection", "Upgrade, close")
        fields += [("Upgrade", "websocket"), ("Sec-WebSocket-Version", _VERSION)]
    return Refusal(status, reason, write(f"HTTP/1.1 {status.value} {status.phrase}", fields) + body)


def _judge(
    head: Head, mode: Mode, settings: ServerSessionSettings, identity: ServerIdentity | None, entropy: bytes
) -> Upgrade:
    _check_start(head)
    authority = _authority(head)
    if mode is not Mode.NATIVE and (identity is None or authority not in identity.authorities):
        raise _Refused(HTTPStatus.FORBIDDEN, "This server is not reached under the name in Host")
    accept = _websocket(head)
    hello = HeaderHello.read(head)
    if hello is None:
        return Upgrade(mode, accept)
    version = hello.version
    if version is None:
        raise _Refused(HTTPStatus.BAD_REQUEST, "None of the versions in X-Mosaic-Versions is spoken here")
    ack = agreement(Hello(version, hello.applications), settings.applications)
    if hello.nonce is None or identity is None or mode is Mode.NATIVE:
        return Upgrade(mode, accept, ack)
    client_nonce = None if hello.key is None else header_hello.nonce_text(entropy)
    to_sign = Authentication(
        identity.key,
        NOBODY if hello.key is None else hello.key,
        nonce_of_text(hello.nonce),
        NO_NONCE if client_nonce is None else nonce_of_text(client_nonce),
        authority,
    )
    return Upgrade(mode, accept, ack, to_sign, client_nonce)


def _check_start(head: Head) -> None:
    parts = head.start.split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1":
        raise _Refused(HTTPStatus.BAD_REQUEST, "The request is not one of HTTP/1.1")
    method, target, _ = parts
    if method != "GET":
        raise _Refused(HTTPStatus.BAD_REQUEST, "A WebSocket begins with GET")
    if not target.startswith("/"):
        raise _Refused(HTTPStatus.BAD_REQUEST, "The request's target is no path")
    if target != "/":
        raise _Refused(HTTPStatus.NOT_FOUND, "Nothing is here: the WebSocket of this server is at /")
    if "transfer-encoding" in head.fields or head.one("Content-Length") not in {None, "0"}:
        raise _Refused(HTTPStatus.BAD_REQUEST, "A request for a WebSocket has no body")


def _authority(head: Head) -> str:
    host = head.one("Host")
    if host is None:
        raise _Refused(HTTPStatus.BAD_REQUEST, "Host is missing")
    try:
        return parse_authority(host)
    except InvalidUrl:
        raise _Refused(HTTPStatus.BAD_REQUEST, "Host is no name or address with or without a port") from None


def _websocket(head: Head) -> str:
    """Sec-WebSocket-Accept for a request that asks for a WebSocket of ours."""
    if not (head.has_token("Upgrade", "websocket") and head.has_token("Connection", "upgrade")):
        raise _Refused(
            HTTPStatus.UPGRADE_REQUIRED,
            "This is a Mosaic server: reach it with a Mosaic client, by WebSocket",
        )
    if head.one("Sec-WebSocket-Version") != _VERSION:
        raise _Refused(HTTPStatus.UPGRADE_REQUIRED, f"Version {_VERSION} of WebSocket is spoken here")
    key = head.one("Sec-WebSocket-Key") or ""
    try:
        length = len(base64.b64decode(key, validate=True))
    except (Base64Error, ValueError):
        length = 0
    if length != _KEY_BYTES:
        raise _Refused(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Key is not the base64 of 16 bytes")
    if SUBPROTOCOL not in head.tokens("Sec-WebSocket-Protocol"):
        raise _Refused(
            HTTPStatus.BAD_REQUEST,
            f"Ask for the subprotocol {SUBPROTOCOL} in Sec-WebSocket-Protocol: no other is spoken here",
        )
    return accept_of(key)
