"""A DHT node that answers what a test tells it to: a UDP socket that speaks KRPC (BEP 5, BEP 44)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from mosaic.core.dht_item import DhtItem

Bencodable: TypeAlias = "int | bytes | list[Bencodable] | dict[bytes, Bencodable]"
Answer: TypeAlias = Callable[["Question"], Sequence[bytes]]
"""The datagrams with which a look-up is answered."""


def bencode(value: Bencodable) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, list):
        return b"l%be" % b"".join(map(bencode, value))
    return b"d%be" % b"".join(bencode(key) + bencode(value[key]) for key in sorted(value))


def bdecode(data: bytes, at: int = 0) -> tuple[Bencodable, int]:
    """The value that begins at `at`, and where it ends. For what our own node sends."""
    first = data[at : at + 1]
    if first == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if first in (b"l", b"d"):
        values, at = [], at + 1
        while data[at : at + 1] != b"e":
            value, at = bdecode(data, at)
            values.append(value)
        if first == b"l":
            return values, at + 1
        return dict(zip(values[::2], values[1::2], strict=True)), at + 1  # type: ignore[arg-type]
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class Question:
    """A look-up that arrived.

    Args:
        node: Who was asked.
        transaction: The number under which the answer is awaited.
        target: What is looked up (20 bytes).
    """

    def __init__(self, node: Liar, transaction: bytes, target: bytes) -> None:
        self.node = node
        self.transaction = transaction
        self.target = target

    def answer(self, **fields: Bencodable) -> bytes:
        """A datagram with these fields beside those that each answer has."""
        told: dict[bytes, Bencodable] = {b"id": self.node.id, b"token": b"token", b"nodes": b""}
        told |= {name.encode(): value for name, value in fields.items()}
        return bencode({b"t": self.transaction, b"y": b"r", b"r": told})

    def item(self, item: DhtItem, **other: Bencodable) -> bytes:
        """A datagram with an item, some of its fields replaced."""
        fields: dict[str, Bencodable] = {
            "k": item.key.bytes,
            "seq": item.seq,
            "sig": item.signature,
            "v": item.value,
        }
        return self.answer(**(fields | other))


class Liar(asyncio.DatagramProtocol):
    """Answers look-ups with `answer`, everything else as an honest node would."""

    def __init__(self, answer: Answer) -> None:
        self.id = hashlib.sha1(b"liar", usedforsecurity=False).digest()
        self.answer = answer
        self.look_ups = 0
        self.puts = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> str:
        """HOST:PORT at which it can be asked."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return f"127.0.0.1:{self._transport.get_extra_info('sockname')[1]}"

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        message, _ = bdecode(data)
        assert isinstance(message, dict)
        transaction, arguments = message[b"t"], message.get(b"a")
        if message[b"y"] != b"q":
            return
        assert isinstance(transaction, bytes)
        assert isinstance(arguments, dict)
        assert self._transport is not None
        question = Question(self, transaction, b"")
        if message[b"q"] == b"get":
            self.look_ups += 1
            target = arguments[b"target"]
            assert isinstance(target, bytes)
            told = self.answer(Question(self, transaction, target))
        elif message[b"q"] == b"put":
            self.puts += 1
            told = [bencode({b"t": transaction, b"y": b"r", b"r": {b"id": self.id}})]
        else:
            told = [question.answer()]
        for datagram in told:
            self._transport.sendto(datagram, addr)
