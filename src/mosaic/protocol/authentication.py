"""Proving keys inside of a session, where TLS has proven none (WebSocket in browser mode).

    client                                        server
      HELLO CHALLENGE  nonce, key or zeros, authority ──>
      <── HELLO PROOF  server's key, its nonce, its signature
      HELLO AUTH       key, signature ──>
      <── HELLO ACK, or CLOSING UNAUTHORIZED

Both nonces are random, made for one connection and good for 60 s. A server
refuses authorities that are not its own, so that nobody under another name can
pass on what it proves; a client goes on only if the key that it expects has
signed the authority that it dialled. Who holds a certificate for that very
name is not found out: native mode does.

In header form the first two steps are fields of the upgrade.

Source: edition §2.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from mosaic.core.authentication import NOBODY, Authentication, Role, nonce_from
from mosaic.core.keys import PublicKey
from mosaic.errors import InvalidKey, UsageError
from mosaic.protocol.events import (
    Finished,
    KeyAccepted,
    ServerProven,
    ServerUnproven,
)
from mosaic.wire.client_messages import HelloAuth, HelloChallenge
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import HelloProof

NONCE_LIFE_NS: Final = 60_000_000_000
CHALLENGES: Final = 8
"""How often a client may ask a server to prove its key on one connection; each time costs a signature."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who a server is to those who come by its name.

    Args:
        key: Its key (32 bytes).
        authorities: What clients may have dialled, in the form of `mosaic.core.web_authority`.
    """

    key: bytes
    authorities: Container[str]


@dataclass(frozen=True, slots=True)
class _Pending:
    authentication: Authentication
    since_ns: int


def _expired(since_ns: int, now_ns: int) -> bool:
    return not 0 <= now_ns - since_ns <= NONCE_LIFE_NS


class ServerAuthentication:
    """The server's side on one connection.

    Args:
        identity: Who the server is.
        entropy: 32 random bytes, used for nothing else.
    """

    __slots__ = ("_challenges", "_entropy", "_identity", "_pending", "_proven")

    def __init__(self, identity: ServerIdentity, entropy: bytes) -> None:
        self._identity = identity
        self._entropy = entropy
        self._challenges = 0
        self._pending: _Pending | None = None
        self._proven = False

    def offered(self, authentication: Authentication, now_ns: int) -> None:
        """In header form the client has named a key and been given a nonce."""
        self._pending = _Pending(authentication, now_ns)

    def challenged(self, message: HelloChallenge, now_ns: int) -> Authentication | Finished:
        """What the server has to sign for a HELLO CHALLENGE, or how the session ends."""
        self._pending = None
        if self._proven:
            return Finished(ResultCode.INVALID, "HELLO CHALLENGE after a key was proven")
        if self._challenges >= CHALLENGES:
            return Finished(ResultCode.TOO_FAST, f"HELLO CHALLENGE more than {CHALLENGES} times")
        authority = message.authority.decode("latin-1")
        if authority not in self._identity.authorities:
            return Finished(ResultCode.UNAUTHORIZED, "HELLO CHALLENGE names an authority that is not ours")
        if message.key != NOBODY and not _is_key(message.key):
            return Finished(ResultCode.INVALID, "HELLO CHALLENGE names bytes that are no key")
        self._challenges += 1
        nonce = nonce_from(self._entropy, self._challenges)
        asked = Authentication(self._identity.key, message.key, message.nonce, nonce, authority)
        if message.key != NOBODY:
            self._pending = _Pending(asked, now_ns)
        return asked

    def answered(self, message: HelloAuth, now_ns: int) -> str | None:
        """What is wrong with a HELLO AUTH; None if it proves its key. Either way its nonce is used up."""
        pending, self._pending = self._pending, None
        if pending is None:
            return "HELLO AUTH without a HELLO CHALLENGE that names a key"
        if _expired(pending.since_ns, now_ns):
            return "HELLO AUTH came too late"
        if message.key != pending.authentication.client_key:
            return "HELLO AUTH is for another key than was named"
        if not pending.authentication.verify(Role.CLIENT, message.signature):
            return "the signature in HELLO AUTH does not hold"
        self._proven = True
        return None


def proof(authentication: Authentication, signature: bytes) -> bytes:
    """The HELLO PROOF with the server's signature (64 bytes)."""
    return HelloProof(authentication.server_key, authentication.server_nonce, signature).encode()


class ClientAuthentication:
    """The client's side on one connection."""

    __slots__ = ("_accepting", "_asked", "_to_sign")

    def __init__(self) -> None:
        self._asked: _Asked | None = None
        self._to_sign: _Pending | None = None
        self._accepting: bytes | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the server has to answer something."""
        return self._asked is not None or self._accepting is not None

    def challenge(
        self, server_key: bytes | None, client_key: bytes | None, authority: str, nonce: bytes, now_ns: int
    ) -> bytes:
        """A HELLO CHALLENGE.

        Args:
            server_key: The key that the server has to prove; None takes any.
            client_key: The key that will be proven to it; None stays anonymous.
            authority: What was dialled, in the form of `mosaic.core.web_authority`.
            nonce: 32 random bytes, used for nothing else.
            now_ns: The time.

        Raises:
            UsageError: an answer to a former one is still to come, or a value does not fit.
        """
        if self.is_waiting:
            raise UsageError("the server has still to answer the last HELLO CHALLENGE or HELLO AUTH")
        asked = _Asked(server_key, client_key or NOBODY, authority, nonce, now_ns)
        frame = HelloChallenge(nonce, asked.client_key, authority.encode("ascii")).encode()
        self._asked = asked
        self._to_sign = None
        return frame

    def proven(self, message: HelloProof, now_ns: int) -> ServerProven | ServerUnproven | None:
        """What a HELLO PROOF means; None if it was not asked for."""
        asked, self._asked = self._asked, None
        if asked is None:
            return None
        if asked.server_key not in {None, message.key}:
            return ServerUnproven(message.key, "another server answers than the one that was expected")
        if _expired(asked.since_ns, now_ns):
            return ServerUnproven(message.key, "the server has proven its key too late")
        authentication = Authentication(
            message.key, asked.client_key, asked.nonce, message.nonce, asked.authority
        )
        if not authentication.verify(Role.SERVER, message.signature):
            return ServerUnproven(message.key, "the server's signature does not hold")
        if asked.client_key == NOBODY:
            return ServerProven(message.key, None)
        self.offered(authentication, now_ns)
        return ServerProven(message.key, authentication)

    def offered(self, authentication: Authentication, now_ns: int) -> None:
        """The server has proven its key, and given a nonce for the client's."""
        self._to_sign = _Pending(authentication, now_ns)

    def authenticate(self, signature: bytes, now_ns: int) -> bytes:
        """The HELLO AUTH with the client's signature (64 bytes) of what `ServerProven` had to sign.

        Raises:
            UsageError: there is nothing to sign, or no longer, or the signature is no such.
        """
        pending, self._to_sign = self._to_sign, None
        if pending is None or _expired(pending.since_ns, now_ns):
            raise UsageError("there is no HELLO PROOF of the last 60 s", hint="Send a HELLO CHALLENGE first.")
        key = pending.authentication.client_key
        if not pending.authentication.verify(Role.CLIENT, signature):
            raise UsageError("the signature is not that of the key that was named")
        self._accepting = key
        return HelloAuth(key, signature).encode()

    def acknowledged(self) -> KeyAccepted | None:
        """What a HELLO ACK after the first means; None if no HELLO AUTH is waiting for it."""
        key, self._accepting = self._accepting, None
        return None if key is None else KeyAccepted(key)


@dataclass(frozen=True, slots=True)
class _Asked:
    server_key: bytes | None
    client_key: bytes
    authority: str
    nonce: bytes
    since_ns: int


def _is_key(data: bytes) -> bool:
    try:
        PublicKey.from_bytes(data)
    except InvalidKey:
        return False
    return True
