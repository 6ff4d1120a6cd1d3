"""One link of a peer."""

from __future__ import annotations

import asyncio
from collections import Counter

from fuzz.pipe import PATIENCE_S, LinkEnded, Pipe
from mosaic.wire.client_messages import Hello, Unsubscribe
from mosaic.wire.codec import Message, decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck, QueryClosed

BARRIER_ID = 0xFFFF
"""A query id that no case opens: UNSUBSCRIBE of it is answered NOT_FOUND at once."""
OLD_CLOSING = bytes.fromhex("fe24000000000000")


class NoAnswer(Exception):
    """The server neither answered nor closed."""


class Link:
    """Whole messages in, any bytes out.

    Args:
        pipe: What carries it.
    """

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.greeted = False
        self.awaited: Counter[type[Message]] = Counter()
        """How many answers of each type the server still owes, as far as `expect` was told."""

    async def hello(self) -> None:
        """Says HELLO and waits for HELLO ACK.

        Raises:
            LinkEnded: the server closed, or answered with something else.
            NoAnswer: nothing came.
        """
        await self.send(Hello(0, (0, 1)).encode())
        answer = await self.receive()
        if not isinstance(answer, HelloAck):
            raise LinkEnded(f"HELLO was answered by {answer}")

    async def send(self, data: bytes) -> None:
        """Sends bytes, waiting while the server does not take them."""
        await asyncio.wait_for(self.pipe.send(data), PATIENCE_S)

    async def receive(self) -> Message:
        """The next message.

        Raises:
            LinkEnded: the server closed, after CLOSING or without.
            NoAnswer: nothing came.
            InvalidMessage: the server sent what is no message.
        """
        try:
            head = await asyncio.wait_for(self.pipe.read(8), PATIENCE_S)
            if head == OLD_CLOSING:
                raise LinkEnded("CLOSING in the old framing")
            length = int.from_bytes(head[4:8], "little")
            body = await asyncio.wait_for(self.pipe.read(max(0, length - 8)), PATIENCE_S)
        except TimeoutError:
            raise NoAnswer(f"nothing within {PATIENCE_S} s") from None
        message = decode(head + body)
        if isinstance(message, Closing):
            raise LinkEnded(f"CLOSING {message.result.name}")
        self.awaited[type(message)] -= 1
        return message

    async def exchange(self, data: bytes) -> list[Message]:
        """Sends bytes while reading, until the server has read all of them; what it said meanwhile.

        Raises:
            LinkEnded, NoAnswer, InvalidMessage: as `receive`.
        """
        self.awaited[QueryClosed] += 1
        sending = asyncio.create_task(self.send(data + Unsubscribe(BARRIER_ID).encode()))
        answers: list[Message] = []
        try:
            while (answer := await self.receive()) != QueryClosed(BARRIER_ID, ResultCode.NOT_FOUND):
                answers.append(answer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return answers

    async def settle(self) -> list[Message]:
        """Reads until nothing is owed any more; raises NoAnswer if something does not come."""
        answers: list[Message] = []
        while any(owed > 0 for owed in self.awaited.values()):
            answers.append(await self.receive())
        return answers

    async def read_to_the_end(self) -> None:
        """Reads and forgets; raises LinkEnded at the end, or NoAnswer."""
        while True:
            await self.receive()

    def drop(self) -> None:
        """Ends the connection without a word."""
        self.pipe.drop()
