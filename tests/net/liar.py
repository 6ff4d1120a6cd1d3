"""A node of the Mainline DHT that lies about what it keeps: BEP 5 and BEP 44, as far as liars need them."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import TypeAlias, cast

from mosaic.testing.simulation.dht import Manner

_FREE_S = 20.0
Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"
_Item: TypeAlias = dict[bytes, Value]
_Address: TypeAlias = tuple[str, int]


class Liar(asyncio.DatagramProtocol):
    """The node. Made by `begin`.

    Args:
        own: Its address.
        others: HOST:PORT of all nodes of the DHT.
        manner: What it does.
    """

    def __init__(self, own: str, others: list[str], manner: Manner) -> None:
        self.lies = 0
        self._manner = manner
        self._id = hashlib.sha1(own.encode(), usedforsecurity=False).digest()
        self._others = [_address(one) for one in others if one != own]
        self._known: dict[bytes, _Address] = {}
        self._first: dict[bytes, _Item] = {}
        self._newest: dict[bytes, _Item] = {}
        self._calling: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def begin(cls, own: str, others: list[str], manner: Manner) -> Liar:
        """Takes the place of a node, and tells the others that it is there."""
        loop = asyncio.get_running_loop()
        liar = cls(own, others, manner)
        give_up = loop.time() + _FREE_S
        while liar._transport is None:
            try:
                await loop.create_datagram_endpoint(lambda: liar, local_addr=_address(own))
            except OSError:
                # Whose place it takes lets go of it a moment later.
                if loop.time() > give_up:
                    raise
                await asyncio.sleep(0.1)
        liar._calling = asyncio.create_task(liar._call())
        return liar

    def close(self) -> None:
        """Goes away."""
        if self._calling is not None:
            self._calling.cancel()
        if self._transport is not None:
            self._transport.close()

    async def _call(self) -> None:
        """Asks all others now and then, so that they go on knowing it."""
        while True:
            for other in self._others:
                self._send({b"t": b"li", b"y": b"q", b"q": b"find_node", b"a": self._about(self._id)}, other)
            await asyncio.sleep(5)

    def _about(self, target: bytes) -> Value:
        return {b"id": self._id, b"target": target}

    # --- messages ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def _send(self, message: Value, to: _Address) -> None:
        if self._transport is not None:
            self._transport.sendto(encode(message), to)

    def datagram_received(self, data: bytes, peer: _Address) -> None:
        try:
            message, _ = decode(data, 0)
        except (ValueError, IndexError, KeyError):
            return
        if not isinstance(message, dict):
            return
        body = message.get(b"a") if message.get(b"y") == b"q" else message.get(b"r")
        if not isinstance(body, dict):
            return
        name = body.get(b"id")
        if isinstance(name, bytes) and len(name) == 20:
            self._known[name] = peer
        if message.get(b"y") == b"q" and self._manner is not Manner.SILENT:
            answer = {b"id": self._id, **self._answer(message.get(b"q"), body)}
            self._send({b"t": message.get(b"t", b""), b"y": b"r", b"r": answer, b"ip": _compact(peer)}, peer)

    def _answer(self, question: Value | None, asked: _Item) -> _Item:
        target = asked.get(b"target")
        nodes: _Item = {b"nodes": self._nodes(target if isinstance(target, bytes) else self._id)}
        if question == b"get" and isinstance(target, bytes):
            return {**nodes, b"token": b"anyone", **self._given(target)}
        if question == b"put":
            self._keep(asked)
        return nodes if question in {b"find_node", b"get_peers"} else {}

    def _nodes(self, target: bytes) -> bytes:
        wanted = int.from_bytes(target, "big")
        near = sorted(self._known, key=lambda name: int.from_bytes(name, "big") ^ wanted)[:20]
        return b"".join(name + _compact(self._known[name]) for name in near)

    def _keep(self, asked: _Item) -> None:
        key, salt = asked.get(b"k"), asked.get(b"salt", b"")
        if isinstance(key, bytes) and isinstance(salt, bytes):
            place = hashlib.sha1(key + salt, usedforsecurity=False).digest()
            item: _Item = {name: asked[name] for name in (b"k", b"seq", b"sig", b"v") if name in asked}
            self._first.setdefault(place, item)
            self._newest[place] = item

    def _given(self, target: bytes) -> _Item:
        item = self._newest.get(target)
        if item is None:
            return {}
        self.lies += 1
        match self._manner:
            case Manner.BACKWARD:
                return self._first[target]
            case Manner.FORGER:
                seq, value = item[b"seq"], item[b"v"]
                assert isinstance(seq, int)
                assert isinstance(value, bytes)
                return {**item, b"seq": seq + 1, b"v": value[:-2] + b"\r\n"}
            case _:
                return {}


def _address(text: str) -> _Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _compact(address: _Address) -> bytes:
    return socket.inet_aton(address[0]) + address[1].to_bytes(2, "big")


# --- bencoding -----------------------------------------------------------------------------------------


def encode(value: Value) -> bytes:
    """A value in bencoding."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%b" % (len(value), value)
        case list():
            return b"l%be" % b"".join(map(encode, value))
        case dict():
            return b"d%be" % b"".join(encode(name) + encode(value[name]) for name in sorted(value))


def decode(data: bytes, at: int) -> tuple[Value, int]:
    """The value that begins at a place, and where it ends. Raises ValueError or IndexError."""
    match data[at : at + 1]:
        case b"i":
            end = data.index(b"e", at)
            return int(data[at + 1 : end]), end + 1
        case b"l":
            items: list[Value] = []
            at += 1
            while data[at] != ord("e"):
                item, at = decode(data, at)
                items.append(item)
            return items, at + 1
        case b"d":
            fields: dict[bytes, Value] = {}
            at += 1
            while data[at] != ord("e"):
                name, at = decode(data, at)
                if not isinstance(name, bytes):
                    raise ValueError(name)  # noqa: TRY004 - hostile bytes, no mistake of a caller
                fields[name], at = decode(data, at)
            return fields, at + 1
        case _:
            colon = data.index(b":", at)
            end = colon + 1 + int(data[at:colon])
            return data[colon + 1 : end], end
