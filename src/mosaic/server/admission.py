"""Who is let in, and how much of it he may do: by address before anything is read, then by key.

    address ──banned? too many?──> link ──key──banned? room?──> session ──what it sends──> pace, size, work
                                     ^                                        │
                                     └────────── bans ───────── offences <────┘

What somebody does that he should not is counted by his address, and brings a
ban of it. People served, their contacts, and whoever shares an address with
one of them, are never banned by themselves: only their link is ended. Where an
address says nothing about who somebody is, because the connection comes from
this machine or through a proxy that does not tell, it is neither counted nor
banned.

Source: messages.md (result codes 37 to 51), edition §1; docs/architecture.md "Abuse".
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.errors import Disconnected
from mosaic.policy.admission import AdmissionHook, Arrival, ConnectionLimits, address_group
from mosaic.policy.bans import Ban, BanList
from mosaic.policy.limits import Limits
from mosaic.policy.offences import SOURCE, Offence, Offences
from mosaic.policy.rate import Around, NetworkRate, RateLimit, Spending, around
from mosaic.policy.standing import Standing
from mosaic.policy.verdict import Refuse, decide
from mosaic.policy.work import WorkRule
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.proxies import Proxies
from mosaic.server.settings import ServerSettings
from mosaic.wire.header import MessageType
from mosaic.wire.limits import BLOB_HEAD
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.transport.network import Entrance, GateRow

_LOG: Final = logging.getLogger(__name__)
_DAY_NS: Final = 24 * 3_600 * 1_000_000_000
_BLOB: Final = int(MessageType.BLOB_SUBMISSION)
_REMEMBERED: Final = 65_536
_TOLD_OFTEN: Final = 16
"""After so many were told of a ban, its network gets no more answers."""
_MOST_BANS: Final = 65_536
"""Beyond so many bans the server's own give way to newer ones."""
_RESERVED: Final = 8
"""One in so many links is kept for people served and their contacts."""
_WIDER: Final = (1, 4, 16)
_SCANS_WIDER: Final = (1, 2, 4)
"""How much more networks around an address may do than it alone: connections, and work on queries."""
_SIZES: Final = ((32, 64), (24, 48), (16, 32))
_CONNECT_BURST: Final = 10
"""Seconds' worth of connections that may come at once."""
_SCAN_BURST: Final = 10
"""Seconds' worth of work on queries that may be asked for at once."""
_FULL: Final = Refuse(ResultCode.TEMPORARY_ERROR, "all connections for strangers are taken")


def gate_rows(settings: ServerSettings) -> list[GateRow]:
    """How fast and how many may connect: from an address, its /24 and its /16 (IPv6: /64, /48, /32)."""
    a_second, most = settings.connections_per_second, settings.connections_per_address
    total = settings.connections
    return [
        (v4, v6, a_second * wider, int(a_second * wider * _CONNECT_BURST), min(most * wider, total // share))
        for (v4, v6), wider, share in zip(_SIZES, _WIDER, (1, 4, 2), strict=True)
    ]


class Admission:
    """Bans, limits of connections, and the pace of what comes over them. Belongs to the event loop's thread.

    Args:
        settings: The server's.
        bans: Whom the server has nothing to do with.
        hooks: The operator's own rules about connections.
        metrics: Counted in.
        now_ns: The clock.
        known: Whether a key (32 bytes) is that of somebody served here or of a contact.
        everyone: Whether everybody is served: then nobody is favoured, and all have the limits of strangers.
        close: Ends a link with a result.
        changed: Told when other networks are to be kept out without an answer.
        made: Told each ban that the server makes itself.
    """

    def __init__(  # noqa: PLR0913 - what stands at the door
        self,
        settings: Live[ServerSettings],
        bans: BanList,
        hooks: Sequence[AdmissionHook],
        metrics: Metrics,
        *,
        now_ns: Callable[[], int],
        known: Callable[[bytes], bool],
        everyone: Callable[[], bool],
        close: Callable[[Peer, ResultCode], None],
        changed: Callable[[], None],
        made: Callable[[Ban], None],
    ) -> None:
        self._settings = settings
        self._bans = bans
        self._hooks = tuple(hooks)
        self._metrics = metrics
        self._now_ns = now_ns
        self._everyone = everyone
        self._close = close
        self._changed = changed
        self._made = made
        now = settings.current
        self._limits = ConnectionLimits(now.connections, now.connections_per_address)
        self._offences = Offences()
        self._told: dict[tuple[str, bytes, int], int] = {}
        self._there: dict[tuple[bytes, int], set[Peer]] = {}
        self._good: OrderedDict[tuple[bytes, int], int] = OrderedDict()
        self._rates = {standing: RateLimit(0, 0) for standing in Standing}
        self._network_rate = NetworkRate(0, 0)
        self._scans = Spending()
        self._work = WorkRule(known)
        self.proxies = Proxies(now.proxies)
        self.crowded = False
        """Whether memory is short: then there is no place for strangers."""
        settings.watch(self._configure)
        self._configure(now)

    def _configure(self, settings: ServerSettings) -> None:
        self._limits.configure(settings.connections, settings.connections_per_address)
        for standing, rate in self._rates.items():
            row = settings.limits.of(standing)
            rate.configure(row.records_per_second, row.burst)
        row = settings.limits.anonymous
        self._network_rate.configure(row.records_per_second, row.burst)
        self.proxies.replace(settings.proxies)

    # --- links

    def place(self, network: Entrance, link: int) -> tuple[str, Around, bool]:
        """Where a link comes from: its group of addresses, the networks around, whether by a proxy.

        Raises:
            Disconnected: the link has ended.
        """
        host = network.peer_address(link)[0]
        if self.proxies.brings(host):
            return "", (), True
        group = address_group(host)
        return group, () if self.proxies.is_own_machine(host) else around(group), False

    def limits_of(self, standing: Standing) -> Limits:
        """What somebody may do."""
        if standing >= Standing.CONTACT and self._everyone():
            standing = Standing.STRANGER
        return self._settings.current.limits.of(standing)

    def of_address(self, peer: Peer) -> Refuse | None:
        """Why nobody of a link's address is let in, before anything else is looked at."""
        now_ns = self._now_ns()
        ban = self._bans.ban_of_address(peer.address, now_ns) if peer.address else None
        if ban is None:
            return None
        self._told[ban.name] = told = self._told.get(ban.name, 0) + 1
        if told == _TOLD_OFTEN:
            self._changed()
        return ban.refusal

    def of_key(self, peer: Peer) -> Refuse | None:
        """Why whoever has proven the keys of a link is not let in, or not let stay."""
        now_ns = self._now_ns()
        for key in {peer.key, *peer.viewers} - {None}:
            refused = self._bans.of_key(key, now_ns) if key is not None else None
            if refused is not None:
                return refused
        verdict = decide(self._hooks, Arrival(peer.key, peer.address))
        return verdict if isinstance(verdict, Refuse) else None

    def room(self, peer: Peer) -> Refuse | None:
        """Why there is no place for one more link of its kind."""
        if not peer.favoured:
            total = self._settings.current.connections
            if self.crowded or self._limits.count >= total - total // _RESERVED:
                return _FULL
        verdict = self._limits.hook(Arrival(peer.key, peer.address))
        return verdict if isinstance(verdict, Refuse) else None

    def opened(self, peer: Peer) -> None:
        """A link is there."""
        self._limits.opened(peer.address)
        for name in peer.around:
            self._there.setdefault(name, set()).add(peer)

    def closed(self, peer: Peer) -> None:
        """It is gone."""
        self._limits.closed(peer.address)
        for name in peer.around:
            there = self._there.get(name)
            if there is not None:
                there.discard(peer)
                if not there:
                    del self._there[name]

    def moved(self, peer: Peer, address: str) -> None:
        """A link comes from another address than before."""
        self.closed(peer)
        peer.address = address
        peer.around = around(address)
        self.opened(peer)

    def judged(self, peer: Peer) -> None:
        """It is known how the server stands to a link, perhaps otherwise than before, or what that allows."""
        former = peer.limits.blob_bytes
        peer.limits = self.limits_of(peer.standing)
        most = self._settings.current.blob_limit
        if min(most, peer.limits.blob_bytes) != min(most, former):
            peer.network.limit_frames(peer.link, _BLOB, min(most, peer.limits.blob_bytes) + BLOB_HEAD)
        favoured = peer.standing >= Standing.CONTACT and not self._everyone()
        if favoured != peer.favoured:
            peer.favoured = favoured
            peer.network.prefer(peer.link, favoured)
        if favoured:
            now_ns = self._now_ns()
            for name in peer.around[:2]:
                self._good[name] = now_ns
                self._good.move_to_end(name)
            while len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)

    def recheck(self, peers: Iterable[Peer]) -> None:
        """Ends the links of those who are banned by now, and sees who has moved."""
        now_ns = self._now_ns()
        for peer in peers:
            if peer.gone:
                continue
            self._follow(peer)
            refused = self._bans.of_address(peer.address, now_ns) if peer.address else None
            refused = refused or self.of_key(peer)
            if refused is not None:
                self._close(peer, refused.result)

    def _follow(self, peer: Peer) -> None:
        if peer.proxied:
            return
        try:
            group = address_group(peer.network.peer_address(peer.link)[0])
        except Disconnected:
            return
        if group != peer.address:
            self.moved(peer, group)

    # --- bans

    def tick(self) -> None:
        """Forgets bans that have ended."""
        if self._bans.forget_ended(self._now_ns()):
            self._told = {name: count for name, count in self._told.items() if name in self._bans}
            self._changed()

    def blocked(self) -> list[tuple[bytes, int]]:
        """The networks whose connections get no answer any more: they were told."""
        now_ns = self._now_ns()
        return [
            (ban.value, ban.prefix)
            for ban in self._bans
            if ban.what == "ip" and ban.holds(now_ns) and self._told.get(ban.name, 0) >= _TOLD_OFTEN
        ]

    def offended(self, peer: Peer, what: Offence) -> None:
        """Counts an offence; ends the link, and bans where it comes from, if it was one too many."""
        if not peer.around or peer.favoured:
            return
        now_ns = self._now_ns()
        ban = self._offences.note(peer.address, what, now_ns)
        if ban is None:
            return
        if any(self._is_good(name, ban, now_ns) for name in peer.around):
            self._close(peer, ResultCode.TOO_FAST)
            return
        self._add(ban)
        _LOG.info("banned for %s: %s", ban.reason, peer.address)
        result = ban.refusal.result
        for other in list(self._there.get((ban.value, ban.prefix), ())):
            self._close(other, result)
        self._close(peer, result)
        self._changed()

    def _add(self, ban: Ban) -> None:
        """One more ban of the server's own; of too many the oldest ends early."""
        oldest = self._bans.oldest_of(SOURCE) if len(self._bans) >= _MOST_BANS else None
        if oldest is not None:
            self._bans.remove(oldest)
            self._told.pop(oldest.name, None)
        self._bans.add(ban)
        self._told[ban.name] = _TOLD_OFTEN
        self._made(ban)

    def _is_good(self, name: tuple[bytes, int], ban: Ban, now_ns: int) -> bool:
        """Whether somebody favoured came lately from a network that lies in what is to be banned."""
        seen_ns = self._good.get(name)
        return seen_ns is not None and name[1] >= ban.prefix and now_ns - seen_ns < _DAY_NS

    # --- what comes over a link

    def records(self, peer: Peer, records: list[bytes]) -> list[bytes]:
        """Those that may go on; the others are answered. Nothing of them was checked yet."""
        limits, now_ns = peer.limits, self._now_ns()
        longest = min(limits.record_bytes, self._settings.current.record_limit)
        if any(len(record) > longest for record in records):
            too_large = [record for record in records if len(record) > longest]
            self.refuse(peer, too_large, ResultCode.TOO_LARGE)
            records = [record for record in records if len(record) <= longest]
        bits = 0 if peer.favoured else limits.work_bits
        if bits:
            idle = [record for record in records if not self._work.done(record, bits, now_ns)]
            if idle:
                self.refuse(peer, idle, ResultCode.TOO_FAST)
                missing = set(map(id, idle))
                records = [record for record in records if id(record) not in missing]
        return self._paced(peer, records, now_ns)

    def refuse(self, peer: Peer, records: list[bytes], result: ResultCode) -> None:
        """Answers records that come no further than the door."""
        self._metrics.records_offered += len(records)
        self._metrics.results[result] += len(records)
        self._metrics.records_refused += len(records)
        peer.refuse(records, result)

    def _paced(self, peer: Peer, records: list[bytes], now_ns: int) -> list[bytes]:
        count = len(records)
        if not peer.favoured:
            count = self._network_rate.take(peer.around, count, now_ns)
        rate = self._rates[peer.standing if peer.favoured else min(peer.standing, Standing.STRANGER)]
        count = rate.take(peer.name, count, now_ns)
        if count < len(records):
            self.refuse(peer, records[count:], ResultCode.TOO_FAST)
            peer.offend(Offence.TOO_FAST)
            return records[:count]
        return records

    def may_ask(self, peer: Peer) -> bool:
        """Whether there is work on queries left for a peer now."""
        pace = peer.limits.scan_ms_per_second
        if not pace:
            return True
        now_ns = self._now_ns()
        return all(
            self._scans.left(name, pace * wider, pace * wider * _SCAN_BURST, now_ns) > 0
            for name, wider in _sizes(peer)
        )

    def asked(self, peer: Peer, spent_ns: int) -> bool:
        """Work on a peer's queries has taken so long; whether there may be more."""
        pace = peer.limits.scan_ms_per_second
        if not pace:
            return True
        now_ns = self._now_ns()
        for name, wider in _sizes(peer):
            self._scans.charge(name, spent_ns / 1e6, pace * wider, pace * wider * _SCAN_BURST, now_ns)
        return self.may_ask(peer)


def _sizes(peer: Peer) -> Iterable[tuple[object, int]]:
    """By what the work for a peer is counted, and how much more each may cost than one address."""
    if peer.around:
        return zip(peer.around, _SCANS_WIDER, strict=False)
    return ((peer.name, 1),)
