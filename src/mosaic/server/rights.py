"""Rights: which keys each connection counts as, judged anew when key schedules or the people here change.

A connection that proves a device's key counts as its master too, as long as
the master's schedule says so (`mosaic.server.authority`).

Source: keyschedule.md; edition §3 (who may read).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable
from typing import Final

from mosaic.errors import MosaicError
from mosaic.policy.standing import Standing
from mosaic.server.authority import Authority
from mosaic.server.peer import Peer
from mosaic.server.questions import Questions
from mosaic.wire.result_code import ResultCode

_LOG: Final = logging.getLogger(__name__)


class Rights:
    """Gives rights to connections and takes them away.

    Args:
        authority: What a key counts as.
        questions: Cut when rights are lost.
        served: Whether a master key (32 bytes) lives here.
        contacts: The keys (32 bytes) that people here follow or have among their contacts.
    """

    def __init__(
        self,
        authority: Authority,
        questions: Questions,
        served: Callable[[bytes], bool],
        contacts: Container[bytes] = (),
    ) -> None:
        self._authority = authority
        self._questions = questions
        self._served = served
        self._contacts = contacts

    def give(self, peer: Peer) -> None:
        """Judges what a connection counts as; what is read with rights that were lost ends at once."""
        former = peer.viewers
        try:
            peer.viewers = self._authority.viewers_of(peer.key)
        except MosaicError as error:
            _LOG.error("the rights of a connection could not be found: %s", error)
            peer.viewers = () if peer.key is None else (peer.key,)
        peer.standing = self._standing(peer)
        if not set(former) <= set(peer.viewers):
            self._questions.cut(peer, ResultCode.UNAUTHORIZED)

    def _standing(self, peer: Peer) -> Standing:
        if any(self._served(key) for key in peer.viewers):
            return Standing.SERVED
        if any(key in self._contacts for key in peer.viewers):
            return Standing.CONTACT
        return Standing.ANONYMOUS if peer.key is None else Standing.STRANGER

    def changed(self, peers: Iterable[Peer], author: bytes | None = None) -> None:
        """Judges rights anew: of connections that the author's (32 bytes) schedule concerns, or of all."""
        listed: set[bytes] = set()
        if author is not None:
            schedule = self._authority.schedule_of(author)
            listed = set() if schedule is None else {key.bytes for key in schedule.signing_keys()}
        for peer in peers:
            if peer.key is not None and (author is None or author in peer.viewers or peer.key in listed):
                self.give(peer)

    def look_at_strangers(self, peers: Iterable[Peer]) -> None:
        """Judges the rights of connections anew that count as somebody who lives elsewhere.

        Of those whom the server serves, newer schedules are asked for; meanwhile they keep their rights.
        """
        for peer in peers:
            for master in peer.viewers[1:]:
                if self._served(master):
                    self._authority.recheck(master)
            if any(not self._served(key) for key in peer.viewers[1:]):
                self.give(peer)
