"""A server for the client's tests: honest unless told otherwise, without a store or a policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.core.makers import NOW

from mosaic.client.connection import Connection
from mosaic.client.settings import ClientSettings
from mosaic.client.switch import Switch
from mosaic.core.authentication import Authentication, Role
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.protocol import events
from mosaic.protocol.authentication import ServerAuthentication, ServerIdentity
from mosaic.protocol.blob_events import BlobOffered, BlobPartAsked
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.upgrade import Mode, Refusal, judge
from mosaic.transport.events import LINK_CLOSED, LINK_OPENED, LINK_SPOOLED, LINK_UPGRADE
from mosaic.transport.memory import memory_pair
from mosaic.transport.network import Network
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import Target
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, DhtItem
from mosaic.wire.server_messages import Record as RecordMessage
from mosaic.wire.unrecognized import Unrecognized

SERVER_KEY = bytes([9]) * 32


def settings(folder: str = ".") -> TransportSettings:
    return TransportSettings(tuple(frame_limits()), tuple(SPOOL_PREFIX), folder)


@dataclass
class Subscribed:
    link: int
    query_id: int
    wanted: Filter


@dataclass
class ScriptedServer:
    """Serves the records in `held`, newest first; every habit can be replaced by a test."""

    network: Network
    held: list[Record] = field(default_factory=list)
    answer: Callable[[bytes], ResultCode | None] = lambda _: ResultCode.ACCEPTED
    submitted: list[bytes] = field(default_factory=list)
    asked: list[Filter] = field(default_factory=list)
    slow: bool = False
    unanswered: list[int] = field(default_factory=list)
    sessions: dict[int, ServerSession] = field(default_factory=dict)
    subscribed: list[Subscribed] = field(default_factory=list)
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    part: Callable[[BlobPartAsked], bytes | None] | None = None
    extra: Sequence[bytes] = ()
    query_result: ResultCode = ResultCode.SUCCESS
    greets: ResultCode | None = None
    dht: dict[tuple[bool, bytes], DhtItem] = field(default_factory=dict)
    dht_result: ResultCode = ResultCode.NOT_FOUND
    looks_up: bool = True
    # Over WebSocket: who it is, under which names, and what it proves.
    secret: SecretKey | None = None
    authorities: set[str] = field(default_factory=set)
    proves: Callable[[Authentication], Authentication | None] = lambda asked: asked
    upgrades: list[tuple[int, bytes]] = field(default_factory=list)
    answer_upgrade: Callable[[int, bytes, bool], None] | None = None
    looked_up: list[tuple[bool, bytes]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        self.network.start(self.take)

    def take(self, batch: Sequence[tuple[int, int, bytes]]) -> None:
        for link, what, data in batch:
            if what == LINK_OPENED:
                self.sessions[link] = ServerSession(ServerSessionSettings(), data or None, NOW)
            elif what == LINK_CLOSED:
                self.sessions.pop(link, None)
                self.ended.set()
                self.subscribed = [one for one in self.subscribed if one.link != link]
            elif what == LINK_SPOOLED:
                path, digest, length = self.network.take_spooled(link)
                self.act(link, self.sessions[link].spooled(data, path, digest, length, NOW))
            elif what == LINK_UPGRADE:
                self.upgrade(link, data)
            elif what < 256:
                self.act(link, self.sessions[link].receive(data, NOW))

    def upgrade(self, link: int, data: bytes) -> None:
        self.upgrades.append((data[0], data[1:]))
        identity = None if self.secret is None else ServerIdentity(self.secret.public.bytes, self.authorities)
        upgrade = judge(data[1:], Mode(data[0]), ServerSessionSettings(), identity, bytes(32))
        answer = self.answer_upgrade or self.network.answer_upgrade
        if isinstance(upgrade, Refusal):
            answer(link, upgrade.answer, False)
            return
        answer(link, upgrade.response(ServerSessionSettings()), True)
        in_tls = data[0] == Mode.NATIVE
        proof = None if in_tls or identity is None else ServerAuthentication(identity, bytes(32))
        self.sessions[link].upgraded(upgrade, proof, NOW)

    def act(self, link: int, event: object) -> None:
        session = self.sessions[link]
        if self.greets is not None:
            self.network.send(link, Closing(self.greets).encode())
            self.network.close(link)
            return
        for frame in session.take_outgoing():
            self.network.send(link, frame)
        match event:
            case events.Submitted(record):
                self.submitted.append(record)
                result = self.answer(record)
                if result is not None:
                    self.network.send(link, session.submission_result(record[:32], result))
            case events.GetAsked(query_id, references):
                found = [
                    one for one in self.held if one.data[:48] in references or one.data[48:96] in references
                ]
                self.serve(link, query_id, found)
            case events.QueryAsked(query_id, limit, data):
                wanted = Filter.parse(data)
                self.asked.append(wanted)
                found = [one for one in sorted(self.held, reverse=True) if wanted.matches(one)]
                self.serve(link, query_id, found[: limit or None])
            case events.SubscribeAsked(query_id, limit, data):
                wanted = Filter.parse(data)
                self.asked.append(wanted)
                for one in sorted(self.held, reverse=True)[: limit or None]:
                    if wanted.matches(one):
                        self.send(link, query_id, one.data)
                self.network.send(link, session.locally_complete(query_id))
                self.subscribed.append(Subscribed(link, query_id, wanted))
            case events.UnsubscribeAsked(query_id):
                self.subscribed = [one for one in self.subscribed if one.query_id != query_id]
                self.network.send(link, session.query_closed(query_id, ResultCode.SUCCESS))
            case events.ProofAsked(authentication):
                asked = self.proves(authentication)
                if asked is not None and self.secret is not None:
                    self.network.send(link, session.proof(asked, asked.sign(Role.SERVER, self.secret)))
            case events.DhtAsked(query_id, is_server, key):
                self.looked_up.append((is_server, key))
                if not self.looks_up:
                    self.network.send(link, Unrecognized().encode())
                    return
                item = self.dht.get((is_server, key))
                result = self.dht_result if item is None else ResultCode.SUCCESS
                self.network.send(link, session.dht_response(query_id, result, item))
            case BlobPartAsked() if self.part is not None:
                answer = self.part(event)
                if answer is not None:
                    self.network.send(link, answer)
            case BlobOffered() | BlobPartAsked():
                # A server that knows what the text has, and no more: blobs go whole.
                self.network.send(link, Unrecognized().encode())
            case events.BlobSubmitted():
                body = event.body
                if body is None:
                    body = Path(event.path or "").read_bytes()
                self.blobs[event.hash] = body
                self.network.send(link, session.blob_submission_result(event.hash, ResultCode.SUCCESS))
            case events.BlobAsked(name):
                blob = self.blobs.get(name)
                if blob is None:
                    self.network.send(link, session.blob_result(name, ResultCode.NOT_FOUND))
                else:
                    self.network.send(link, session.blob_result_head(name, len(blob)) + blob)

    def serve(self, link: int, query_id: int, found: Sequence[Record]) -> None:
        if self.slow:
            self.unanswered.append(query_id)
            return
        for data in [one.data for one in found] + list(self.extra):
            self.send(link, query_id, data)
        self.network.send(link, self.sessions[link].query_closed(query_id, self.query_result))

    def send(self, link: int, query_id: int, data: bytes) -> None:
        self.network.send(link, RecordMessage(query_id, data).encode())

    def receive(self, record: Record) -> None:
        """A record that comes in from somebody else."""
        self.held.append(record)
        for one in self.subscribed:
            if one.wanted.matches(record):
                self.send(one.link, one.query_id, record.data)

    async def left_alone(self) -> None:
        """Waits until nobody is connected."""
        while self.sessions:
            self.ended.clear()
            await self.ended.wait()

    def cut(self) -> None:
        """All connections break."""
        for link in list(self.sessions):
            self.network.abort(link)


class Wire:
    """A scripted server and a client beside it."""

    def __init__(self, client: ClientSettings | None = None, folder: str = ".") -> None:
        near, self.far = memory_pair(settings(folder), server_key=SERVER_KEY)
        self.server = ScriptedServer(near)
        self.server.start()
        self.now = NOW
        self.switch = Switch(self.far, client or ClientSettings(), lambda: self.now)

    async def connect(self) -> Connection:
        connection = self.switch.connection(self.far.dial(Target.in_memory(SERVER_KEY)))
        await connection.opened()
        return connection
