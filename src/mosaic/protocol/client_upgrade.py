"""The client's side of a WebSocket's beginning: the head of a request out, the head of the answer in.

HELLO follows as a message, or goes in the request's fields (`header_hello`):
then the server's key may be proven, and a nonce for the client's be given,
before the first frame.

Source: RFC 6455 §4.1, websockets.md, edition §2.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from mosaic.core.authentication import NO_NONCE, NOBODY, Authentication, Role, nonce_of_text
from mosaic.errors import InvalidMessage, UsageError
from mosaic.protocol import header_hello
from mosaic.protocol.header_hello import HeaderHello
from mosaic.protocol.http_head import Head, write
from mosaic.protocol.settings import MAJOR_VERSION
from mosaic.protocol.upgrade import SUBPROTOCOL, accept_of

ENTROPY_LENGTH: Final = 48
_KEY_BYTES: Final = 16
_STATUS: Final = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})( .*)?")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The WebSocket stands.

    Attributes:
        version: The major version agreed, where HELLO went in the request; else None.
        applications: Those that both sides support, likewise.
        to_sign: What the client signs to prove the key that it has named; None if it named none.
        service_url: Where people manage what they have with the server, or nothing.
    """

    version: int | None = None
    applications: tuple[int, ...] = ()
    to_sign: Authentication | None = None
    service_url: str = ""


@dataclass(frozen=True, slots=True)
class UpgradeRefused:
    """There is no WebSocket: close the link.

    Attributes:
        status: The status of the server's response, 0 if it is no proper one.
        reason: What is wrong, for the person.
        unproven: Whether another server answers than the one that was expected.
    """

    status: int
    reason: str
    unproven: bool = False


class ClientUpgrade:
    """One request and what answers it.

    Args:
        authority: What was dialled, in the form of `mosaic.core.web_authority`.
        entropy: 48 random bytes, used for nothing else.
        applications: HELLO goes in the request's fields and asks for these; None: it follows as a message.
        server_key: The key (32 bytes) that the server proves, in header form; None does not ask for it.
        client_key: The key (32 bytes) that the client will prove, in header form.

    Raises:
        UsageError: a client's key without a server's: it would prove itself to whoever answers; or
            keys without header form.
    """

    def __init__(
        self,
        authority: str,
        entropy: bytes,
        *,
        applications: tuple[int, ...] | None = None,
        server_key: bytes | None = None,
        client_key: bytes | None = None,
    ) -> None:
        if len(entropy) != ENTROPY_LENGTH:
            raise UsageError(f"an upgrade takes {ENTROPY_LENGTH} random bytes")
        if (client_key is not None and server_key is None) or (
            server_key is not None and applications is None
        ):
            raise UsageError(
                "keys are proven in header form, and a client's only to a server whose key is known",
                hint="Give `applications` and `server_key`.",
            )
        self._authority = authority
        self._key = base64.b64encode(entropy[:_KEY_BYTES]).decode()
        self._server_key = server_key
        self._hello: HeaderHello | None = None
        if applications is not None:
            nonce = None if server_key is None else header_hello.nonce_text(entropy[_KEY_BYTES:])
            self._hello = HeaderHello(tuple(range(MAJOR_VERSION + 1)), applications, nonce, client_key)

    @property
    def request(self) -> bytes:
        """The head of the request."""
        fields = [
            ("Host", self._authority),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", self._key),
            ("Sec-WebSocket-Protocol", SUBPROTOCOL),
        ]
        if self._hello is not None:
            fields += self._hello.write()
        return write("GET / HTTP/1.1", fields)

    def receive(self, response: bytes) -> Upgraded | UpgradeRefused:
        """What the head of the response means, up to and with its blank line."""
        try:
            head = Head.parse(response)
            status = _STATUS.fullmatch(head.start)
            if status is None:
                return UpgradeRefused(0, "the server does not answer in HTTP/1.1")
            if status[1] != "101":
                return UpgradeRefused(int(status[1]), f"the server refuses a WebSocket with HTTP {status[1]}")
            self._check(head)
            return self._read(head)
        except InvalidMessage as error:
            return UpgradeRefused(0, str(error))

    def _check(self, head: Head) -> None:
        if not (head.has_token("Upgrade", "websocket") and head.has_token("Connection", "upgrade")):
            raise InvalidMessage("the server's 101 is about something else than a WebSocket")
        if head.one("Sec-WebSocket-Accept") != accept_of(self._key):
            raise InvalidMessage("the server has not read our request: Sec-WebSocket-Accept is another's")
        if head.one("Sec-WebSocket-Protocol") != SUBPROTOCOL:
            raise InvalidMessage(f"the server does not speak {SUBPROTOCOL}")
        if any(head.fields.get("sec-websocket-extensions", ())):
            raise InvalidMessage("the server has agreed to extensions that were not asked for")

    def _read(self, head: Head) -> Upgraded | UpgradeRefused:
        service_url = head.one(header_hello.SERVICE_URL) or ""
        hello = self._hello
        if hello is None:
            return Upgraded(service_url=service_url)
        version, applications = header_hello.read_answer(head, hello)
        if hello.nonce is None or self._server_key is None:
            return Upgraded(version, applications, None, service_url)
        signature = head.one(header_hello.SERVER_AUTHENTICATION)
        if signature is None:
            raise InvalidMessage("the server has not proven its key")
        nonce = head.one(header_hello.CLIENT_AUTHENTICATE_NONCE)
        if (nonce is None) is not (hello.key is None):
            raise InvalidMessage(
                f"{header_hello.CLIENT_AUTHENTICATE_NONCE} stands only where a key was named"
            )
        if nonce is not None:
            header_hello.check_nonce(nonce, header_hello.CLIENT_AUTHENTICATE_NONCE)
        authentication = Authentication(
            self._server_key,
            hello.key or NOBODY,
            nonce_of_text(hello.nonce),
            NO_NONCE if nonce is None else nonce_of_text(nonce),
            self._authority,
        )
        if not authentication.verify(Role.SERVER, header_hello.signature_of(signature)):
            return UpgradeRefused(101, "another server answers than the one that was expected", unproven=True)
        return Upgraded(version, applications, authentication if hello.key else None, service_url)
