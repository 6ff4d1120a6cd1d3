"""What one check works with: links as whomever it likes, fresh keys, records, the time.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mosaic.core import builder, core_tags
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.core.web_authority import authority_of
from mosaic.protocol.client_upgrade import ENTROPY_LENGTH, ClientUpgrade, UpgradeRefused
from mosaic.testing.exam.check import Deviation, Unsettled
from mosaic.testing.exam.switchboard import Switchboard
from mosaic.testing.exam.wire import PAUSES_S, Wire
from mosaic.transport.events import DIAL_FAILED, DIAL_REFUSED_FORM, DIAL_WRONG_KEY
from mosaic.transport.transport import Target, Transport
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing

__all__ = ["Examinee", "Stage", "Traces"]

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
_DIALS: Final = 5
"""How often a server that does not answer is dialled again: one that paces its door answers by then."""
_COME_BACK: Final = frozenset(
    {
        ResultCode.TOO_FAST,
        ResultCode.TEMPORARY_ERROR,
        ResultCode.IP_TEMP_BANNED,
        ResultCode.PUBKEY_TEMP_BANNED,
    }
)


@dataclass(frozen=True, slots=True)
class Examinee:
    """The server that is examined.

    Args:
        key: The key that it has to prove.
        addresses: Host and port of each transport that is tried.
        now_ns: The clock (Mosaic time, ns); it must agree with the server's within a minute.
        patience_s: How long any answer may take, in seconds.
    """

    key: PublicKey
    addresses: Mapping[Transport, tuple[str, int]]
    now_ns: Callable[[], int]
    patience_s: float = 20.0


@dataclass(slots=True)
class Traces:
    """What checks have left on the server: records, and the keys of their authors."""

    stored: dict[bytes, list[bytes]] = field(default_factory=dict)
    secrets: dict[bytes, SecretKey] = field(default_factory=dict)
    in_turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, record: bytes) -> None:
        """A record was kept by the server."""
        self.stored.setdefault(record[64:96], []).append(record)


class Stage:
    """One check's own place.

    Args:
        examinee: The server.
        transport: Over what.
        board: The network.
        member: A person whom the server serves, if one is known.
        traces: Where it is noted what is left on the server.
    """

    def __init__(
        self,
        examinee: Examinee,
        transport: Transport,
        board: Switchboard,
        member: SecretKey | None,
        traces: Traces,
    ) -> None:
        self.examinee = examinee
        self.transport = transport
        self.board = board
        self._member = member
        self._traces = traces
        self._wires: list[Wire] = []
        self._last_ns = 0

    # --- who

    @property
    def member(self) -> SecretKey:
        """The person whom the server serves. Raises Unsettled where none is known."""
        if self._member is None:
            raise Unsettled("the key of a person whom the server serves was not given")
        return self._member

    @property
    def has_member(self) -> bool:
        """Whether such a person is known."""
        return self._member is not None

    def fresh_key(self) -> SecretKey:
        """The key of somebody whom nobody knows."""
        secret = SecretKey.generate(os.urandom(32))
        self._traces.secrets[secret.public.bytes] = secret
        return secret

    def secret_of(self, key: PublicKey) -> SecretKey:
        """The secret of a key that was made by `fresh_key`. Raises KeyError for any other."""
        return self._traces.secrets[key.bytes]

    @property
    def in_turn(self) -> asyncio.Lock:
        """Held by checks that are made one after another, see `scenes.in_turn`."""
        return self._traces.in_turn

    # --- links

    async def connect(
        self,
        key: SecretKey | None = None,
        *,
        greet: bool = True,
        transport: Transport | None = None,
        raw_key: bool | None = None,
    ) -> Wire:
        """A link that has proven a key (or none) and, if so wished, said HELLO.

        Args:
            key: Whose key is proven.
            greet: Whether HELLO is said.
            transport: Over what; else the one that is examined.
            raw_key: Whether keys are shown raw; None tries certificates first.

        Raises:
            Deviation: the server could not be reached, or did not answer HELLO.
        """
        last: Deviation | None = None
        silent = 0
        for pause in (0.0, *PAUSES_S):
            await asyncio.sleep(pause)
            wire = await self._dial(key, transport or self.transport, raw_key=raw_key)
            if isinstance(wire, Deviation):
                last, silent = wire, silent + 1
                if silent > _DIALS:
                    break
                continue
            if not greet:
                return wire
            try:
                await wire.hello()
            except Deviation as error:
                closings = [came.message for came in wire.inbox if isinstance(came.message, Closing)]
                if not closings or closings[0].result not in _COME_BACK:
                    raise
                last = error
                wire.hang_up()
                continue
            return wire
        raise last or Deviation("expected a connection; none came about")

    async def anonymous(self) -> Wire:
        """A link that proves no key, greeted."""
        return await self.connect()

    async def stranger(self, key: SecretKey | None = None) -> Wire:
        """A link of somebody whom the server does not know, greeted."""
        return await self.connect(key or self.fresh_key())

    async def as_member(self) -> Wire:
        """A link of the person whom the server serves, greeted. Raises Unsettled without one."""
        return await self.connect(self.member)

    async def offender(self) -> Wire:
        """A link that is about to break rules: the member's, where one is known, to spare others a ban."""
        return await self.connect(self._member)

    async def stream(self, wire: Wire) -> Wire:
        """One more stream of a QUIC connection, not greeted. Raises Deviation if it can't be had."""
        made = Wire(self.board, self.examinee.patience_s, self._traces.note)
        made.link = self.board.open_stream(wire.link, made.heard)
        self._wires.append(made)
        await made.until(lambda: made.is_open or made.ended, "one more stream")
        if made.failure is not None:
            raise Deviation("expected one more stream of the connection; the server lets us have none")
        return made

    async def _dial(
        self, key: SecretKey | None, transport: Transport, *, raw_key: bool | None
    ) -> Wire | Deviation:
        host, port = self.address(transport)
        target = Target(
            transport,
            host,
            port,
            server_key=self.examinee.key.bytes,
            seed=None if key is None else key.reveal(),
            timeout_ms=int(self.examinee.patience_s * 1_000),
            raw_key=bool(raw_key),
        )
        upgrade = None
        if transport is Transport.WS:
            upgrade = ClientUpgrade(authority_of(host, port), os.urandom(ENTROPY_LENGTH))
            target = replace(target, request=upgrade.request)
        wire = Wire(self.board, self.examinee.patience_s, self._traces.note)
        wire.link = self.board.dial(target, wire.heard)
        self._wires.append(wire)
        await wire.until(lambda: wire.is_open or wire.ended, "an open link")
        if wire.failure is not None:
            what, data = wire.failure
            if what == DIAL_REFUSED_FORM and raw_key is None:
                return await self._dial(key, transport, raw_key=True)
            return _undialled(what, data)
        if upgrade is not None:
            await wire.until(lambda: wire.upgrade is not None or wire.ended, "an answer to the upgrade")
            answer = upgrade.receive((wire.upgrade or b"\0")[1:])
            if isinstance(answer, UpgradeRefused):
                return Deviation(f"expected a WebSocket; {answer.reason}")
            self.board.network.answer_upgrade(wire.link, b"", accepted=True)
        return wire

    def address(self, transport: Transport | None = None) -> tuple[str, int]:
        """Host and port of a transport. Raises Unsettled where none was given."""
        found = self.examinee.addresses.get(transport or self.transport)
        if found is None:
            raise Unsettled(f"no address for {(transport or self.transport).value} was given")
        return found

    def close(self) -> None:
        """Cuts every link of the check."""
        for wire in self._wires:
            wire.hang_up()
        self._wires.clear()

    # --- records

    @property
    def now_ns(self) -> int:
        """The time now, ns; later each time it is asked for."""
        self._last_ns = max(self.examinee.now_ns(), self._last_ns + 1)
        return self._last_ns

    @staticmethod
    def kind(
        duplicates: Duplicates = Duplicates.UNIQUE,
        readers: Readers = Readers.EVERYBODY,
        *,
        printable: bool = False,
    ) -> Kind:
        """A kind that nobody else uses, of an application chosen at random."""
        application = int.from_bytes(os.urandom(4), "big") | 1 << 31
        number = int.from_bytes(os.urandom(2), "big")
        return Kind.from_parts(
            application, number, duplicates=duplicates, readers=readers, printable=printable
        )

    @staticmethod
    def nonce() -> bytes:
        """An address's nonce that nobody else uses."""
        data = os.urandom(8)
        return bytes((data[0] | 0x80,)) + data[1:]

    def record(  # noqa: PLR0913 - these are what a record is made of
        self,
        signer: SecretKey,
        kind: Kind,
        *,
        author: PublicKey | None = None,
        timestamp: int | None = None,
        nonce: bytes | None = None,
        notify: Iterable[PublicKey] = (),
        tags: Iterable[Tag] = (),
        payload: bytes = b"",
        from_author: bool = False,
    ) -> Record:
        """A record, by default of now and at an address of its own.

        Args:
            signer: Whose key signs it.
            kind: What it is.
            author: The author's master key, if not the signer's.
            timestamp: When it is made, ns.
            nonce: The address's.
            notify: Whom it notifies.
            tags: More tags.
            payload: The content.
            from_author: Whether it may come on the author's own connection only.
        """
        return builder.build(
            signer,
            author=author,
            kind=kind,
            nonce=nonce or self.nonce(),
            timestamp=self.now_ns if timestamp is None else timestamp,
            tags=[*(core_tags.notify(key) for key in notify), *tags],
            payload=payload,
            from_author=from_author,
        )

    @staticmethod
    def of(kind: Kind, *authors: PublicKey) -> Filter:
        """A filter of one kind, and of authors where some are named."""
        return Filter.of(kinds=[kind], authors=authors or None)

    # --- judging

    @staticmethod
    def expect(condition: bool, wanted: str, got: object = "something else") -> None:  # noqa: FBT001
        """Raises Deviation unless the condition holds, with what was expected and what came."""
        if not condition:
            raise Deviation(f"expected {wanted}; got {_shown(got)}")

    def same(self, got: object, wanted: object, what: str) -> None:
        """Raises Deviation unless both are equal."""
        self.expect(got == wanted, f"{what}: {_shown(wanted)}", got)

    def records_are(self, got: Iterable[bytes], wanted: Iterable[Record | bytes], what: str) -> None:
        """Raises Deviation unless these are the records, each once, in any order."""
        data = [each if isinstance(each, bytes) else each.data for each in wanted]
        self.same(sorted(got), sorted(data), what)

    def in_order(self, got: Iterable[bytes], wanted: Iterable[Record | bytes], what: str) -> None:
        """Raises Deviation unless these are the records, each once, in this order."""
        data = [each if isinstance(each, bytes) else each.data for each in wanted]
        self.same(list(got), data, what)


def _undialled(what: int, data: bytes) -> Deviation:
    if what == DIAL_WRONG_KEY:
        return Deviation(
            f"expected the server's own key; another one answered: {PublicKey(data).server_text}"
        )
    words = data.decode("utf-8", "replace")
    return Deviation(
        f"expected an open link; {'nobody answered' if what == DIAL_FAILED else 'no key was proven'}: {words}"
    )


def _shown(value: object) -> str:
    match value:
        case ResultCode():
            return value.name
        case bytes() if len(value) > 48:
            return f"{len(value)} bytes ({value[:12].hex()}…)"
        case bytes():
            return value.hex() or "no bytes"
        case list() if value and all(isinstance(each, bytes) for each in value):
            shown = ", ".join(f"{each[:12].hex()}…" for each in value[:6])
            return f"{len(value)} records [{shown}{', …' if len(value) > 6 else ''}]"
        case list() if not value:
            return "nothing"
        case list() | tuple():
            return "[" + ", ".join(_shown(each) for each in value[:12]) + "]"
        case _:
            return str(value)
