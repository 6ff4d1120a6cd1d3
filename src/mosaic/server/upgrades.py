"""How links that are WebSockets begin, and how this server proves its key on them.

The rules themselves are `mosaic.protocol.upgrade` and `mosaic.protocol.authentication`.

Source: websockets.md, edition §2.
"""

from __future__ import annotations

import logging
from typing import Final

from mosaic.core.authentication import Authentication
from mosaic.errors import Disconnected
from mosaic.protocol.authentication import ServerAuthentication, ServerIdentity
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.upgrade import Mode, Refusal, judge
from mosaic.server.identity import Authorities, Prover
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer

_LOG: Final = logging.getLogger(__name__)
_ENTROPY: Final = 32


class Upgrades:
    """Answers the requests with which WebSockets begin.

    Args:
        prover: Proves the server's key; None leaves native mode only.
        authorities: Under which names this server is reached.
        settings: The protocol's.
        metrics: Counted in.
    """

    def __init__(
        self,
        prover: Prover | None,
        authorities: Authorities,
        settings: ServerSessionSettings,
        metrics: Metrics,
    ) -> None:
        self._prover = prover
        self._identity = None if prover is None else ServerIdentity(prover.key, authorities)
        self._settings = settings
        self._metrics = metrics

    def answer(self, peer: Peer, data: bytes, now_ns: int) -> bool:
        """Answers a request; whether the link is a WebSocket now. If not, nothing more comes from it.

        Args:
            peer: The link.
            data: The mode (one byte) and the head of the request.
            now_ns: The time, ns.
        """
        mode = Mode(data[0])
        upgrade = judge(data[1:], mode, self._settings, self._identity, self._entropy())
        try:
            if isinstance(upgrade, Refusal):
                self._metrics.upgrades_refused += 1
                _LOG.info("a WebSocket from %s is refused: %s", peer.address, upgrade.reason)
                peer.network.answer_upgrade(peer.link, upgrade.answer, False)  # noqa: FBT003 - the network's face
                return False
            signature = None if upgrade.to_sign is None else self.sign(upgrade.to_sign)
            peer.network.answer_upgrade(peer.link, upgrade.response(self._settings, signature), True)  # noqa: FBT003
        except Disconnected:
            return False
        peer.session.upgraded(upgrade, self._authentication(mode), now_ns)
        return True

    def sign(self, authentication: Authentication) -> bytes:
        """The server's signature (64 bytes)."""
        if self._prover is None:  # no session asks a server that has no key
            raise AssertionError
        return self._prover.sign(authentication)

    def _authentication(self, mode: Mode) -> ServerAuthentication | None:
        if mode is Mode.NATIVE or self._identity is None:
            return None
        return ServerAuthentication(self._identity, self._entropy())

    def _entropy(self) -> bytes:
        """Random bytes; nothing of native mode, where TLS proves keys, is made of them."""
        return bytes(_ENTROPY) if self._prover is None else self._prover.entropy(_ENTROPY)
