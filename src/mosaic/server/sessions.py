"""The pump: batches of what happened on links become events of sessions and go to where they are answered.

Submissions are by far the most, so neighbouring ones of one link are taken as
a run: the session looks at each frame once, and intake gets them as a list.

Source: messages.md, edition §1; what an event means is `mosaic.protocol.events`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mosaic.errors import Disconnected, MosaicError
from mosaic.policy.admission import address_group
from mosaic.policy.offences import Offence
from mosaic.policy.verdict import Refuse
from mosaic.protocol.blob_events import BlobOffered, BlobPartAsked, BlobPartCame
from mosaic.protocol.events import (
    BlobAsked,
    BlobSubmitted,
    DhtAsked,
    Finished,
    GetAsked,
    KeyProven,
    ProofAsked,
    QueryAsked,
    ServerEvent,
    Submitted,
    SubscribeAsked,
    UnsubscribeAsked,
)
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.sync_events import SyncEnded, SyncGetAsked, SyncMessage, SyncOpened
from mosaic.server.admission import Admission
from mosaic.server.blob_service import BlobService
from mosaic.server.intake import Intake
from mosaic.server.lookups import LookupService
from mosaic.server.memory import held_bytes
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.questions import Questions
from mosaic.server.rights import Rights
from mosaic.server.settings import ServerSettings
from mosaic.server.sync_service import SyncService
from mosaic.server.upgrades import Upgrades
from mosaic.transport.events import (
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
    LINK_UPGRADE,
)
from mosaic.transport.network import Entrance, Event
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode

_LOG: Final = logging.getLogger(__name__)
_SUBMISSION: Final = int(MessageType.SUBMISSION)
_FRAME_COSTS: Final = 128
"""What a frame counts for beside its bytes in the pace of its link."""
_LOOKED_AT: Final = 8
"""Each link is looked at again after so many ticks: it may come from elsewhere by now."""
_HEAVIEST: Final = 256
_STOPPING: Final = Refuse(ResultCode.SHUTTING_DOWN, "the server is going down")


class Sessions:
    """All links of all networks.

    Args:
        intake: Takes submissions.
        questions: Answers GET, QUERY and SUBSCRIBE.
        blobs: Takes and gives blobs.
        lookups: Answers DHT LOOKUP.
        syncs: Compares what is here with what peers have.
        upgrades: Answers requests for WebSockets.
        session_settings: The protocol's.
        metrics: Counted in.
        rights: What connections count as.
        admission: Who is let in, and how much of it he may do.
        now_ns: The clock.
    """

    def __init__(  # noqa: PLR0913 - the pump stands between all the others
        self,
        intake: Intake,
        questions: Questions,
        blobs: BlobService,
        lookups: LookupService,
        syncs: SyncService,
        upgrades: Upgrades,
        *,
        session_settings: ServerSessionSettings,
        metrics: Metrics,
        rights: Rights,
        admission: Admission,
        now_ns: Callable[[], int],
    ) -> None:
        self._intake = intake
        self._questions = questions
        self._blobs = blobs
        self._lookups = lookups
        self._syncs = syncs
        self._upgrades = upgrades
        self._session_settings = session_settings
        self._metrics = metrics
        self._rights = rights
        self._now_ns = now_ns
        self._admission = admission
        self._peers: dict[tuple[Entrance, int], Peer] = {}
        self._greeting: dict[Peer, None] = {}
        self._stopping = False
        self._ticks = 0

    def __len__(self) -> int:
        """How many links are open."""
        return len(self._peers)

    # --- the pump

    def take(self, network: Entrance, events: Sequence[Event]) -> None:
        """Takes a batch of what happened on the links of a network."""
        now_ns = self._now_ns()
        peers = self._peers
        at, count = 0, len(events)
        while at < count:
            link, what, data = events[at]
            peer = peers.get((network, link))
            if what == _SUBMISSION and peer is not None:
                begin = at
                at += 1
                while at < count and events[at][0] == link and events[at][1] == _SUBMISSION:
                    at += 1
                frames = [event[2] for event in events[begin:at]]
                try:
                    if not peer.came(sum(map(len, frames)), now_ns):
                        self._too_much(peer)
                        continue
                    self._take_submissions(peer, frames, now_ns)
                except Exception:  # noqa: BLE001 - a fault of ours costs this link, not its neighbours
                    self._give_up(peer)
                continue
            at += 1
            try:
                if peer is not None:
                    self._take_one(peer, what, data, now_ns)
                elif what == LINK_OPENED:
                    self._open(network, link, data, now_ns)
            except Exception:  # noqa: BLE001 - as above
                self._give_up(peer)

    def _give_up(self, peer: Peer | None) -> None:
        """Something failed that should not: the link ends, the log tells why."""
        _LOG.exception("a link failed")
        if peer is not None:
            self.close(peer, ResultCode.GENERAL_ERROR)

    def _take_submissions(self, peer: Peer, frames: list[bytes], now_ns: int) -> None:
        begin = 0
        while begin < len(frames):
            records = peer.session.receive_run(frames, begin)
            if records:
                self._submit(peer, records)
                begin += len(records)
            else:
                self._act(peer, peer.session.receive(frames[begin], now_ns), now_ns)
                begin += 1

    def _take_one(self, peer: Peer, what: int, data: bytes, now_ns: int) -> None:
        if what < LINK_OPENED:
            if not peer.came(len(data) + _FRAME_COSTS, now_ns):
                self._too_much(peer)
                return
            self._act(peer, peer.session.receive(data, now_ns), now_ns)
        elif what == LINK_DRAINED:
            self._questions.drained(peer)
            self._blobs.drained(peer)
        elif what == LINK_CLOSED:
            self._forget(peer)
        elif what == LINK_REFUSED_LENGTH:
            self._act(peer, peer.session.refused_length(data, now_ns), now_ns)
        elif what == LINK_SPOOLED:
            self._take_spooled(peer, data, now_ns)
        elif what == LINK_UPGRADE and not peer.gone:
            self._upgrade(peer, data, now_ns)

    def _upgrade(self, peer: Peer, data: bytes, now_ns: int) -> None:
        told = self._admission.proxies.told(data[1:]) if peer.proxied else None
        if told is not None:
            self._admission.moved(peer, address_group(told))
            if self._admission.of_address(peer) or self._admission.room(peer):
                # No message can be said before the answer: the proxy sees a connection that ends.
                self._metrics.links_refused += 1
                peer.network.abort(peer.link)
                self._end(peer)
                return
        if not self._upgrades.answer(peer, data, now_ns):
            self._end(peer)

    def _too_much(self, peer: Peer) -> None:
        """More comes over a link than its pace allows."""
        peer.offend(Offence.TOO_FAST)
        self.close(peer, ResultCode.TOO_FAST)

    def _take_spooled(self, peer: Peer, prefix: bytes, now_ns: int) -> None:
        try:
            path, digest, length = peer.network.take_spooled(peer.link)
        except MosaicError:
            return
        event = peer.session.spooled(prefix, path, digest, length, now_ns)
        if path and not isinstance(event, BlobSubmitted):
            Path(path).unlink(missing_ok=True)
        self._act(peer, event, now_ns)

    # --- links

    def _open(self, network: Entrance, link: int, key: bytes, now_ns: int) -> None:
        try:
            address, around, proxied = self._admission.place(network, link)
        except Disconnected:
            return
        session = ServerSession(self._session_settings, key or None, now_ns)
        peer = Peer(
            network, link, key or None, address, session, (), around=around, offended=self._admission.offended
        )
        peer.proxied = proxied
        refused = _STOPPING if self._stopping else self._admission.of_address(peer)
        if refused is None:
            self._rights.give(peer)
            self._admission.judged(peer)
            refused = self._admission.of_key(peer) or self._admission.room(peer)
        if refused is not None:
            self._metrics.links_refused += 1
            peer.send(session.closing(refused.result))
            network.close(link)
            return
        self._peers[network, link] = peer
        self._greeting[peer] = None
        self._admission.opened(peer)
        self._metrics.links_opened += 1

    def _forget(self, peer: Peer) -> None:
        """A link has ended."""
        if self._peers.pop((peer.network, peer.link), None) is None:
            return
        self._admission.closed(peer)
        self._end(peer)

    def _end(self, peer: Peer) -> None:
        """Nothing more is to be answered on a link."""
        peer.gone = True
        self._greeting.pop(peer, None)
        self._questions.gone(peer)
        self._blobs.gone(peer)
        self._lookups.gone(peer)
        self._syncs.gone(peer)

    def close(self, peer: Peer, result: ResultCode) -> None:
        """Says CLOSING and closes a link."""
        if not peer.gone:
            peer.send(peer.session.closing(result))
            self._end(peer)
            peer.network.close(peer.link)

    def tick(self) -> None:
        """Ends links that have not said HELLO in time, and of those that are open looks at some again."""
        now_ns = self._now_ns()
        self._admission.tick()
        self._ticks += 1
        some = [peer for peer in self._peers.values() if peer.link % _LOOKED_AT == self._ticks % _LOOKED_AT]
        self._admission.recheck(some)
        for peer in list(self._greeting):
            if peer.session.is_open:
                del self._greeting[peer]
            else:
                self._act(peer, peer.session.tick(now_ns), now_ns)

    def bans_changed(self) -> None:
        """Other bans hold: who is banned by now goes."""
        self._admission.recheck(list(self._peers.values()))

    def lighten(self, networks: Sequence[Entrance], settings: ServerSettings) -> None:
        """Keeps what waits towards all peers, and all memory, within their bounds."""
        beyond = held_bytes() - settings.memory_bytes if settings.memory_bytes else 0
        self._admission.crowded = beyond > 0
        for network in networks:
            self._cut_heaviest(network, max(beyond, network.pending_total() - settings.outgoing_total_bytes))

    def _cut_heaviest(self, network: Entrance, bytes_over: int) -> None:
        """Cuts the links of strangers that leave most unread, until so many bytes less wait towards them."""
        for link, waiting in network.heaviest(_HEAVIEST) if bytes_over > 0 else ():
            if bytes_over <= 0:
                return
            peer = self._peers.get((network, link))
            if peer is not None and not peer.favoured:
                network.abort(link)
                bytes_over -= waiting

    def close_all(self, result: ResultCode) -> None:
        """Says CLOSING on all links and closes them."""
        for peer in list(self._peers.values()):
            self.close(peer, result)

    def refuse_new(self) -> None:
        """From now on links, submissions and questions are answered with SHUTTING_DOWN."""
        self._stopping = True
        self._questions.refuse_new()
        self._syncs.refuse_new()

    def rights_changed(self, author: bytes | None = None) -> None:
        """Judges rights anew: of connections that the author's (32 bytes) schedule concerns, or of all."""
        self._rights.changed(list(self._peers.values()), author)
        self._judge_again(anonymous=False)

    def look_at_strangers(self) -> None:
        """Judges the rights of connections anew that count as somebody who lives elsewhere."""
        self._rights.look_at_strangers(list(self._peers.values()))
        self._judge_again(anonymous=False)

    def limits_changed(self) -> None:
        """Gives all connections the limits of what they count as, as these are now."""
        self._judge_again(anonymous=True)

    def _judge_again(self, *, anonymous: bool) -> None:
        for peer in self._peers.values():
            if anonymous or peer.key is not None:
                self._admission.judged(peer)

    # --- what is asked

    def _act(self, peer: Peer, event: ServerEvent | None, now_ns: int) -> None:  # noqa: C901, PLR0912 - one case an event
        if peer.session.outgoing:
            peer.flush()
        match event:
            case None:
                pass
            case Submitted(record):
                self._submit(peer, [record])
            case QueryAsked() | SubscribeAsked():
                self._questions.ask(peer, event, now_ns)
            case GetAsked(query_id, references):
                self._questions.get(peer, query_id, references)
            case UnsubscribeAsked(query_id):
                self._questions.unsubscribe(peer, query_id)
            case BlobSubmitted():
                self._blobs.submitted(peer, event)
            case BlobAsked(blob_hash):
                self._blobs.asked(peer, blob_hash)
            case BlobOffered() | BlobPartCame() | BlobPartAsked():
                self._blobs.part(peer, event)
            case DhtAsked():
                self._lookups.asked(peer, event)
            case SyncOpened() | SyncMessage() | SyncEnded() | SyncGetAsked():
                self._syncs.take(peer, event)
            case ProofAsked(authentication):
                peer.send(peer.session.proof(authentication, self._upgrades.sign(authentication)))
            case KeyProven(key):
                self._key_proven(peer, key)
            case Finished(result, reason):
                self._metrics.protocol_errors += 1
                peer.offend(Offence.PROTOCOL_ERROR)
                _LOG.info("a link from %s ends with %s: %s", peer.address, result.name, reason)
                self._end(peer)
                peer.network.close(peer.link)
            case _:
                pass

    def _key_proven(self, peer: Peer, key: bytes) -> None:
        """From here on a link counts as if TLS had proven the key."""
        self._metrics.keys_proven += 1
        peer.key = key
        self._rights.give(peer)
        refused = self._admission.of_key(peer)
        if refused is not None:
            self.close(peer, refused.result)
        else:
            self._admission.judged(peer)

    def _submit(self, peer: Peer, records: list[bytes]) -> None:
        if self._stopping:
            self._admission.refuse(peer, records, ResultCode.SHUTTING_DOWN)
            return
        if not peer.favoured and self._intake.is_crowded:
            self._admission.refuse(peer, records, ResultCode.TOO_FAST)
            return
        records = self._admission.records(peer, records)
        if records:
            self._intake.offer(peer, records)
