"""A server that lies: its network leaves out, changes and invents records on their way to readers.

All else about it is the honest server. What it invents carries the author's
key and a signature that is not his.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core import builder, nonce
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.testing.simulation.town import Lie
from mosaic.transport.network import GateRow, ListeningNetwork, Sink
from mosaic.transport.transport import HostCertificate, Transport

_RECORD: Final = 0x80
_HEADER: Final = 8
_LIAR: Final = SecretKey.from_seed(bytes(31) + b"\x0f")
INVENTED_BY: Final = _LIAR.public
"""Signs what is invented: nobody has ever made it a key of his."""


@dataclass(slots=True)
class Lies:
    """What a server lies about.

    Args:
        lie: What it does.
        about: The master keys (32 bytes) of whose records.
    """

    lie: Lie = Lie.NOTHING
    about: frozenset[bytes] = frozenset()
    told: int = 0
    """How many records were left out, changed or made up."""

    def given(self, record: bytes) -> list[bytes]:
        """What a reader gets in the place of a record."""
        if self.lie is Lie.NOTHING or record[64:96] not in self.about:
            return [record]
        self.told += 1
        if self.lie is Lie.WITHHOLD:
            return []
        changed = bytearray(record)
        changed[-1] ^= 1
        return [bytes(changed), self._invented(Record(record))]

    def _invented(self, like: Record) -> bytes:
        """A post that its author never wrote, made anew for each of his records."""
        return builder.build(
            _LIAR,
            author=like.author,
            kind=MICROBLOG,
            nonce=nonce.from_string(like.id.bytes),
            timestamp=like.timestamp + 1,
            payload=b"I never said this",
        ).data


class LyingNetwork:
    """The network of a server that lies; a `ListeningNetwork`.

    Args:
        network: Carries what is left.
        lies: What it lies about, now and whenever that changes.
    """

    def __init__(self, network: ListeningNetwork, lies: Lies) -> None:
        self._network = network
        self._lies = lies

    def send(self, link: int, data: bytes) -> int:
        """See `Network.send`: RECORD frames are looked at."""
        if self._lies.lie is not Lie.NOTHING:
            data = b"".join(self._frames(data))
        return self._network.send(link, data)

    def _frames(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            whole = data[at : at + length]
            at += length
            if whole[0] != _RECORD:
                yield whole
                continue
            for record in self._lies.given(whole[_HEADER:]):
                yield whole[:4] + (len(record) + _HEADER).to_bytes(4, "little") + record

    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        """See `Network.deliver`."""
        refused: list[int] = []
        for one in self._lies.given(record):
            refused = self._network.deliver(one, targets)
        return refused

    # --- all else is as it is ------------------------------------------------------------------------

    def listen(
        self,
        transport: Transport,
        host: str,
        port: int,
        seed: bytes,
        *,
        names: Sequence[HostCertificate] = (),
        plain: bool = False,
    ) -> int:
        """See `ListeningNetwork.listen`. Raises ListenFailed."""
        return self._network.listen(transport, host, port, seed, names=names, plain=plain)

    def start(self, sink: Sink) -> None:
        """See `Network.start`."""
        self._network.start(sink)

    def pause(self) -> None:
        """See `Network.pause`."""
        self._network.pause()

    def resume(self) -> None:
        """See `Network.resume`."""
        self._network.resume()

    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        """See `Network.send_file`. Raises OSError."""
        return self._network.send_file(link, head, path, offset, length)

    def pending(self, link: int) -> int:
        """See `Network.pending`."""
        return self._network.pending(link)

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:  # noqa: FBT001
        """See `Network.answer_upgrade`."""
        self._network.answer_upgrade(link, head, accepted)

    def close(self, link: int) -> None:
        """See `Network.close`."""
        self._network.close(link)

    def abort(self, link: int) -> None:
        """See `Network.abort`."""
        self._network.abort(link)

    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        """See `Network.take_spooled`."""
        return self._network.take_spooled(link)

    def peer_address(self, link: int) -> tuple[str, int]:
        """See `Network.peer_address`."""
        return self._network.peer_address(link)

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        await self._network.stop(grace_s)

    def set_gate(self, rows: Sequence[GateRow]) -> None:
        """See `Entrance.set_gate`."""
        self._network.set_gate(rows)

    def set_trusted(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """See `Entrance.set_trusted`."""
        self._network.set_trusted(networks)

    def set_blocked(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """See `Entrance.set_blocked`."""
        self._network.set_blocked(networks)

    def prefer(self, link: int, preferred: bool) -> None:  # noqa: FBT001
        """See `Entrance.prefer`."""
        self._network.prefer(link, preferred)

    def limit_frames(self, link: int, kind: int, most: int) -> None:
        """See `Entrance.limit_frames`."""
        self._network.limit_frames(link, kind, most)

    def pending_total(self) -> int:
        """See `Entrance.pending_total`."""
        return self._network.pending_total()

    def heaviest(self, most: int) -> list[tuple[int, int]]:
        """See `Entrance.heaviest`."""
        return self._network.heaviest(most)

    def counts(self) -> Mapping[str, int]:
        """See `Entrance.counts`."""
        return self._network.counts()


def keys(about: Sequence[PublicKey]) -> frozenset[bytes]:
    """Authors as `Lies.about` has them."""
    return frozenset(key.bytes for key in about)
