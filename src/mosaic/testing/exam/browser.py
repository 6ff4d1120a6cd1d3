"""A browser as an exam needs one: a WebSocket under the server's name, its messages sent as they are.

Source: websockets.md, RFC 6455, edition §2 (browser mode).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from cryptography import x509

from mosaic.core.authentication import NO_NONCE, NOBODY, Authentication, Role, nonce_of_text
from mosaic.core.keys import PublicKey
from mosaic.core.web_authority import authority_of
from mosaic.errors import InvalidMessage
from mosaic.protocol.header_hello import SERVER_AUTHENTICATION
from mosaic.testing.exam import raw
from mosaic.testing.exam.check import Deviation
from mosaic.testing.exam.raw import Raw
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.codec import Message, decode

_Message = TypeVar("_Message")
_SIGNATURE = 64


class Browser:
    """One WebSocket in browser mode.

    Args:
        link: The TLS connection.
        server_key: The key that the server has to prove.
        authority: What was dialled.
    """

    def __init__(self, link: Raw, server_key: PublicKey, authority: str) -> None:
        self._link = link
        self._server_key = server_key
        self.authority = authority
        self._outgoing: list[bytes] = []

    @classmethod
    @asynccontextmanager
    async def dialled(cls, stage: Stage, *, name: str | None = None) -> AsyncIterator[Browser]:
        """A TLS connection under the server's name, or another one; nothing was asked yet.

        Args:
            stage: The check's.
            name: The name that TLS asks for (SNI).

        Raises:
            Deviation: there is none.
        """
        host, port = stage.address()
        patience_s = stage.examinee.patience_s
        link = await Raw.dial((host, port), patience_s, raw.context(alpn=""), name=name or host)
        try:
            yield cls(link, stage.examinee.key, authority_of(host, port))
        finally:
            link.close()

    @classmethod
    @asynccontextmanager
    async def greeted(cls, stage: Stage) -> AsyncIterator[Browser]:
        """A WebSocket over which HELLO was said and answered. Raises Deviation if it was not."""
        async with cls.dialled(stage) as browser:
            status, _ = await browser.request()
            stage.same(status, 101, "the status of the answer")
            browser.send(ask.Hello(0, (0, 1)))
            await browser.take(tell.HelloAck)
            yield browser

    @property
    def certificate(self) -> x509.Certificate:
        """What the server has shown. Raises Deviation if it has shown none."""
        shown = self._link.tls.getpeercert(binary_form=True)
        if shown is None:
            raise Deviation("expected a certificate; none was shown")
        return x509.load_der_x509_certificate(shown)

    async def request(
        self, *, authority: str | None = None, **fields: str | None
    ) -> tuple[int, Mapping[str, str]]:
        """Asks for a WebSocket: the status, and the fields of the answer, names in lower case.

        Args:
            authority: What stands in Host, if not what was dialled.
            fields: Further ones, see `raw.request`.

        Raises:
            Deviation: nothing that is HTTP came.
        """
        await self._link.write(raw.request(authority or self.authority, **fields))
        lines = (await self._link.head()).decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        pairs = (line.partition(":") for line in lines[1:] if ":" in line)
        return status, {name.strip().lower(): value.strip() for name, _, value in pairs}

    def send(self, message: Message) -> None:
        """Sends a message; it goes out with the next wait."""
        self._outgoing.append(raw.wrapped(raw.BINARY, message.encode()))

    async def take(self, kind: type[_Message]) -> _Message:
        """The next message, which has to be of this class. Raises Deviation."""
        message = await self._next()
        if not isinstance(message, kind):
            raise Deviation(f"expected {kind.__name__}; got {type(message).__name__}")
        return message

    async def get(self, reference: bytes) -> list[bytes]:
        """The records of a reference. Raises Deviation."""
        self.send(ask.Get(7, (reference,)))
        found: list[bytes] = []
        while isinstance(message := await self._next(), tell.Record):
            found.append(message.record)
        if not isinstance(message, tell.QueryClosed):
            raise Deviation(f"expected QUERY CLOSED; got {type(message).__name__}")
        return found

    async def challenged(self, key: PublicKey) -> Authentication:
        """What is to be signed by who wants to prove a key.

        Raises:
            Deviation: the server has not proven its own.
        """
        nonce = os.urandom(32)
        self.send(ask.HelloChallenge(nonce, key.bytes, self.authority.encode()))
        proof = await self.take(tell.HelloProof)
        asked = Authentication(self._server_key.bytes, key.bytes, nonce, proof.nonce, self.authority)
        if not asked.verify(Role.SERVER, proof.signature):
            raise Deviation("expected the server's proof in HELLO PROOF; it proves nothing")
        return asked

    def proves(self, head: Mapping[str, str], nonce: str) -> bool:
        """Whether the fields of an answer hold the server's proof for a nonce of the request's head."""
        try:
            signature = base64.b64decode(head.get(SERVER_AUTHENTICATION.lower(), ""), validate=True)
        except binascii.Error:
            return False
        asked = Authentication(self._server_key.bytes, NOBODY, nonce_of_text(nonce), NO_NONCE, self.authority)
        return len(signature) == _SIGNATURE and asked.verify(Role.SERVER, signature)

    async def _next(self) -> Message:
        if self._outgoing:
            await self._link.write(b"".join(self._outgoing))
            self._outgoing.clear()
        _, payload = await self._link.message()
        try:
            return decode(payload)
        except InvalidMessage as error:
            raise Deviation(f"expected a message; {error}") from None
