"""How a link becomes usable: the server proves its key, and answers HELLO.

Source: messages.md "Hello"; edition §2.
"""

from __future__ import annotations

from enum import Enum

from mosaic.core.keys import PublicKey
from mosaic.errors import PeerError, Unreachable, WrongServerKey
from mosaic.protocol.client_session import ClientSession
from mosaic.transport.events import DIAL_FOREIGN_CERTIFICATE, DIAL_REFUSED_FORM, DIAL_WRONG_KEY


class Refusal(Enum):
    """Why a server that was reached did not take the form in which keys were to be proven."""

    FORM = "form"
    """It broke off the handshake: another form may do."""
    FOREIGN_CERTIFICATE = "foreign certificate"
    """Its certificate is one of an authority: browser mode may do."""


class Greeting:
    """One link, from the dial to HELLO ACK.

    Args:
        session: The client's session on it.

    Attributes:
        server_key: The key that the server has proven, None until then.
        refusal: Whether another form may do.
    """

    __slots__ = ("_session", "refusal", "server_key")

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.server_key: PublicKey | None = None
        self.refusal: Refusal | None = None

    def opened(self, key: bytes) -> bytes:
        """Takes the key that the server has proven to the network; the frames to be sent."""
        self.server_key = PublicKey(key)
        return self._session.hello()

    def failed(self, what: int, data: bytes) -> PeerError:
        """Takes the end of a dial (`what` and data as in `Dialer.dial`); what it means."""
        if what == DIAL_WRONG_KEY:
            return WrongServerKey(f"somebody else answered, with the key {PublicKey(data).server_text}")
        words = data.decode("utf-8", "replace")
        if what == DIAL_REFUSED_FORM:
            self.refusal = Refusal.FORM
            return Unreachable(f"the server broke off the handshake: {words}")
        if what == DIAL_FOREIGN_CERTIFICATE:
            self.refusal = Refusal.FOREIGN_CERTIFICATE
            return Unreachable(f"the server shows a certificate without a key of Mosaic's: {words}")
        return Unreachable(f"nobody answered: {words}")
