"""How a link becomes usable: the WebSocket stands, HELLO is answered, both keys are proven.

    TCP, QUIC       LINK_OPENED (the server's key) ── HELLO ──> HELLO ACK
    WebSocket       LINK_OPENED (key) ── LINK_UPGRADE ── HELLO ──> HELLO ACK
    browser mode    LINK_OPENED (none) ── LINK_UPGRADE ── HELLO ──> HELLO ACK ── HELLO CHALLENGE
                    ──> HELLO PROOF (the server's key) [── HELLO AUTH (ours) ──> HELLO ACK]

Source: messages.md "Hello", websockets.md, edition §2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mosaic.client.told import told
from mosaic.core.authentication import Role
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import PeerError, ProtocolViolation, Unreachable, WrongServerKey
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ClientUpgrade, UpgradeRefused
from mosaic.transport.events import DIAL_FOREIGN_CERTIFICATE, DIAL_REFUSED_FORM, DIAL_WRONG_KEY

GREETING: Final = (events.HelloAccepted, events.ServerProven, events.ServerUnproven, events.KeyAccepted)
"""The events of a session that belong to its greeting."""


class Refusal(Enum):
    """Why a server that was reached did not take the form in which keys were to be proven."""

    FORM = "form"
    """It broke off the handshake: another form may do."""
    FOREIGN_CERTIFICATE = "foreign certificate"
    """Its certificate is one of an authority: browser mode may do."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proven in HELLO, where TLS proves none of our keys.

    Args:
        server: The key that the server has to prove.
        authority: What was dialled, in the form of `mosaic.core.web_authority`.
        nonce: 32 random bytes, used for nothing else.
        secret: Whose key is proven to the server, None for nobody's.
    """

    server: PublicKey
    authority: str
    nonce: bytes
    secret: SecretKey | None = field(default=None, repr=False)


class Greeting:
    """One link, from the dial until it may be used.

    Args:
        session: The client's session on it.
        upgrade: What was asked for, if the link is to become a WebSocket.
        proof: What is to be proven in HELLO, in browser mode.

    Attributes:
        session: The client's session.
        server_key: The key that the server has proven, None until then.
        refusal: Whether another form may do.
        is_done: Whether the link may be used.
    """

    __slots__ = ("_proof", "_upgrade", "is_done", "refusal", "server_key", "session")

    def __init__(
        self, session: ClientSession, upgrade: ClientUpgrade | None = None, proof: Proof | None = None
    ) -> None:
        self.session = session
        self._upgrade = upgrade
        self._proof = proof
        self.server_key: PublicKey | None = None
        self.refusal: Refusal | None = None
        self.is_done = False

    def opened(self, key: bytes) -> bytes:
        """Takes LINK_OPENED with the key that the server has proven to the network; the frames to be sent.

        Raises:
            ProtocolViolation: it has proven none, and will not in HELLO.
        """
        if key:
            self.server_key = PublicKey(key)
        elif self._proof is None:
            raise ProtocolViolation("the server has proven no key")
        return b"" if self._upgrade is not None else self.session.hello()

    def upgraded(self, data: bytes) -> bytes:
        """Takes LINK_UPGRADE: a byte for the mode and the head of the response; the frames to be sent.

        Raises:
            Unreachable: the server does not let us have a WebSocket.
            ProtocolViolation: nobody has asked for one.
        """
        if self._upgrade is None:
            raise ProtocolViolation("the server began a WebSocket that nobody asked for")
        answer = self._upgrade.receive(data[1:])
        if isinstance(answer, UpgradeRefused):
            raise Unreachable(answer.reason, hint="Check the address: another web server may answer there.")
        return self.session.hello()

    def take(self, event: events.ClientEvent, now_ns: int) -> bytes:
        """Takes what the server says of HELLO and of keys; the frames to be sent.

        Raises:
            WrongServerKey: the server has not proven the key that is expected.
        """
        match event:
            case events.HelloAccepted():
                return self._greeted(now_ns)
            case events.ServerProven(key, to_sign):
                self.server_key = PublicKey(key)
                if to_sign is not None and self._proof is not None and self._proof.secret is not None:
                    signature = to_sign.sign(Role.CLIENT, self._proof.secret)
                    return self.session.authenticate(signature, now_ns)
                self.is_done = True
            case events.ServerUnproven(key, reason):
                raise WrongServerKey(f"{reason} (it has named {_named(key)})")
            case events.KeyAccepted():
                self.is_done = True
            case _:
                pass
        return b""

    def _greeted(self, now_ns: int) -> bytes:
        proof = self._proof
        if proof is None:
            self.is_done = True
            return b""
        client = None if proof.secret is None else proof.secret.public.bytes
        return self.session.challenge(proof.server.bytes, client, proof.authority, proof.nonce, now_ns)

    def failed(self, what: int, data: bytes) -> PeerError:
        """Takes the end of a dial (`what` and data as in `Dialer.dial`); what it means."""
        if what == DIAL_WRONG_KEY:
            return WrongServerKey(f"somebody else answered, with the key {_named(data)}")
        words = told(data)
        if what == DIAL_REFUSED_FORM:
            self.refusal = Refusal.FORM
            return Unreachable(f"the server broke off the handshake: {words}")
        if what == DIAL_FOREIGN_CERTIFICATE:
            self.refusal = Refusal.FOREIGN_CERTIFICATE
            return Unreachable(f"the server shows a certificate without a key of Mosaic's: {words}")
        return Unreachable(f"nobody answered: {words}")


def _named(key: bytes) -> str:
    return PublicKey(key).server_text
