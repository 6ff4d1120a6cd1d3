"""Hostile bytes from a seed: frames that are random, mutated, cut, swollen or merely unwelcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from fuzz.impostors import Impostors
from fuzz.reconciliations import reconciliation
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.timestamp import Timestamp
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    HelloAuth,
    HelloChallenge,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import Message
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.limits import frame_limits
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    DhtResponse,
    QueryClosed,
    SubmissionResult,
)
from mosaic.wire.sync_messages import SyncClose, SyncData, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unrecognized

LIMITS = frame_limits()
UNDEFINED = tuple(sorted(set(range(0x80)) - set(MessageType)))
"""Types that a client might send and that mean nothing."""
MUTATED_IDS = 0xE000
"""Query ids from here on are opened by mutated frames alone: what those open stays open, and none that is
open may be used again."""
NEVER_OPEN = 0xFF00
"""Query ids from here on are never opened: to unsubscribe them is answered NOT_FOUND."""


class Case(NamedTuple):
    """One case.

    Attributes:
        name: What kind of case, for the report.
        data: The bytes.
        closes: Whether a server may close the link for it.
        whole: Whether a reader of frames is at the start of a frame afterwards: more can follow.
        answer: The message that must come for it, if the link stays open.
    """

    name: str
    data: bytes
    closes: bool = False
    whole: bool = True
    answer: type[Message] | None = None


class Cases:
    """An endless supply of cases.

    Args:
        random: The source; the same seed gives the same cases.
        records: Valid records, some of which the server would refuse.
        key: Somebody's key, for filters that match something.
        impostors: Make odd records.
    """

    def __init__(
        self, random: Random, records: Sequence[bytes], key: PublicKey, impostors: Impostors
    ) -> None:
        self._impostors = impostors
        self._random = random
        self._records = records
        some = Filter.of(authors=[key], kinds=[MICROBLOG])
        many = Filter.of(kinds=[MICROBLOG], exclude=[records[0][:32]])
        self._filters = [some.encode(), many.encode(), Filter.of(authors=[key], since=Timestamp(1)).encode()]
        self._next_id = 0
        kinds: list[tuple[int, Callable[[], Case]]] = [
            # Refused without the link being closed: most, so that most of the time goes into cases.
            (300, self._mutated_record),
            (150, self._spliced_record),
            (60, self._unwelcome_record),
            (20, self._odd_record),
            (80, self._unknown_type),
            (60, self._mutated_filter),
            (40, self._random_filter),
            (30, self._query),
            (20, self._subscription),
            (30, self._references),
            (20, self._unsubscribe),
            (25, self._blob),
            (15, self._blob_get),
            (20, self._blob_part),
            (15, self._look_up),
            (30, self._sync),
            (10, self._sync_get),
            (20, self._greeting),
            # Closed for.
            (6, self._random_frame),
            (6, self._mutated_frame),
            (4, self._cut_record),
            (2, self._server_message),
            (2, self._reused_id),
            (1, self._proof),
            # Nothing can follow.
            (3, self._too_long),
            (2, self._lying_length),
            (2, self._noise),
        ]
        self._makers = [maker for _, maker in kinds]
        self._weights = [weight for weight, _ in kinds]

    def take(self, count: int) -> list[Case]:
        """The next `count` cases."""
        return [maker() for maker in self._random.choices(self._makers, self._weights, k=count)]

    # --- pieces

    def _id(self) -> int:
        self._next_id = (self._next_id + 1) % MUTATED_IDS
        return self._next_id

    def _mutate(self, data: bytes, start: int = 0) -> bytes:
        """Data with a few bits, bytes or small numbers from `start` on changed."""
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 8))):
            at = self._random.randrange(start, len(changed))
            change = self._random.randrange(3)
            if change == 0:
                changed[at] ^= 1 << self._random.randrange(8)
            elif change == 1:
                changed[at] = self._random.choice((0, 1, 3, 4, 0x7F, 0x80, 0xFF, self._random.randrange(256)))
            else:
                piece = self._random.randrange(1 << 16).to_bytes(2, self._random.choice(("little", "big")))
                changed[at : at + 2] = piece[: len(changed) - at]
        return bytes(changed)

    def _submission(self, name: str, record: bytes) -> Case:
        return Case(name, encode_header(0x05, 8 + len(record)) + record, answer=SubmissionResult)

    # --- cases after which the link is still there

    def _mutated_record(self) -> Case:
        record = self._mutate(self._random.choice(self._records), 1)
        return self._submission("mutated record", record)

    def _spliced_record(self) -> Case:
        one, other = self._random.choice(self._records), self._random.choice(self._records)
        at = self._random.randrange(1, len(one) + 1)
        cut = self._random.randrange(len(other) + 1)
        record = (one[:at] + other[cut:])[:100_000]
        return self._submission("spliced record", record.ljust(216, b"\0"))

    def _unwelcome_record(self) -> Case:
        return self._submission("valid record of a stranger", self._random.choice(self._records))

    def _odd_record(self) -> Case:
        return self._submission("signed record that means something odd", self._impostors.record())

    def _unknown_type(self) -> Case:
        kind = self._random.choice(UNDEFINED)
        body = self._random.randbytes(self._random.choice((0, 1, 40, 300)))
        frame = encode_header(kind, 8 + len(body), self._random.randrange(256)) + body
        return Case("unknown type", frame, answer=Unrecognized)

    def _filter_message(self, name: str, filter_data: bytes, kind: int = 0x02) -> Case:
        head = encode_header(kind, 16 + len(filter_data), 0, self._id())
        data = head + self._random.randbytes(2) + bytes(6) + filter_data
        return Case(name, data, answer=QueryClosed)

    def _mutated_filter(self) -> Case:
        return self._filter_message("mutated filter", self._mutate(self._random.choice(self._filters)))

    def _random_filter(self) -> Case:
        data = bytearray(self._random.randbytes(8 * self._random.choice((1, 2, 5, 20, 400))))
        data[:2] = len(data).to_bytes(2, "little")
        if self._random.random() < 0.7:
            data[2:8] = bytes(6)
        if len(data) > 8:
            data[8] = self._random.choice((1, 2, 3, 4, 5, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x44))
            data[9] = self._random.choice((0, 1, 2, 5, 255))
        return self._filter_message("random filter", bytes(data))

    def _query(self) -> Case:
        data = self._random.choice(self._filters)
        limit = self._random.choice((0, 1, 1, 1, 1, 20, 20, 500, 65535))
        return Case("query", Query(self._id(), limit, data).encode(), answer=QueryClosed)

    def _subscription(self) -> Case:
        return Case("subscription", Subscribe(self._id(), 1, self._filters[0]).encode())

    def _references(self) -> Case:
        count = self._random.choice((0, 1, 3, 50, 1365))
        if self._random.random() < 0.5:
            references = tuple(self._random.choice(self._records)[:48] for _ in range(count))
        else:
            references = tuple(self._random.randbytes(48) for _ in range(min(count, 50)))
        return Case("references", Get(self._id(), references).encode(), answer=QueryClosed)

    def _unsubscribe(self) -> Case:
        if self._random.random() < 0.5:
            query_id = self._random.randrange(NEVER_OPEN, 0xFFFF)
            return Case("unsubscribe of nothing", Unsubscribe(query_id).encode(), answer=QueryClosed)
        query_id = self._id()
        frames = Subscribe(query_id, 1, self._filters[0]).encode() + Unsubscribe(query_id).encode()
        return Case("subscription and its end", frames, answer=QueryClosed)

    def _sync(self) -> Case:
        """A comparison that begins with nonsense, or with what its sender could have meant."""
        query_id, data = self._id(), self._random.choice(self._filters)
        first = reconciliation(self._random)
        if self._random.random() < 0.5:
            first = self._mutate(first)
        frames = SyncOpen(query_id, data, first).encode() + SyncData(query_id, first).encode()
        return Case("sync", frames + SyncClose(query_id).encode())

    def _sync_get(self) -> Case:
        count = self._random.choice((0, 1, 20, 2_047))
        prefixes = tuple(self._random.choice(self._records)[:32] for _ in range(count))
        return Case("records by their prefixes", SyncGet(self._id(), prefixes).encode(), answer=QueryClosed)

    def _blob(self) -> Case:
        # A few are long enough to go to a file.
        length = self._random.choices((0, 1, 500, 70_000, 200_000), (20, 20, 20, 1, 1))[0]
        frame = BlobSubmission(self._random.randbytes(32), self._random.randbytes(length)).encode()
        return Case("blob", frame, answer=BlobSubmissionResult)

    def _blob_get(self) -> Case:
        return Case("blob get", BlobGet(self._random.randbytes(32)).encode(), answer=BlobResult)

    def _blob_part(self) -> Case:
        """Offers, parts of what was never offered, and questions for parts anywhere."""
        name, number = (
            self._random.randbytes(32),
            self._random.choice((0, 1, 1 << 20, 1 << 40, (1 << 64) - 1)),
        )
        which = self._random.randrange(3)
        if which == 0:
            return Case("blob offer", BlobOffer(name, number).encode(), answer=BlobOfferResult)
        if which == 1:
            data = self._random.randbytes(self._random.choice((1, 100, 5_000)))
            return Case("blob part", BlobPart(name, number, data).encode(), answer=BlobOfferResult)
        most = self._random.choice((1, 1 << 20, (1 << 32) - 1))
        return Case("blob part get", BlobPartGet(name, number, most).encode(), answer=BlobPartResult)

    def _look_up(self) -> Case:
        server = self._random.random() < 0.5
        frame = DhtLookup(self._id(), server, self._random.randbytes(32)).encode()
        return Case("look-up", frame, answer=DhtResponse)

    def _greeting(self) -> Case:
        random = self._random
        frame = random.choice(
            (
                Hello(random.randrange(256), tuple(random.randrange(1 << 32) for _ in range(9))).encode(),
                Unrecognized().encode(),
            )
        )
        return Case("greeting out of place", frame)

    # --- cases for which a server closes

    def _random_frame(self) -> Case:
        body = self._random.randbytes(self._random.randrange(400))
        head = self._random.randbytes(4) + (8 + len(body)).to_bytes(4, "little")
        return Case("random frame", closes=True, data=head + body)

    def _mutated_frame(self) -> Case:
        whole = self._random.choice(
            (self._query, self._references, self._blob_get, self._look_up, self._greeting)
        )
        data = self._mutate(whole().data)
        query_id = int.from_bytes(data[2:4], "little")
        if query_id < NEVER_OPEN:
            query_id = MUTATED_IDS + query_id % (NEVER_OPEN - MUTATED_IDS)
        head = data[:2] + query_id.to_bytes(2, "little") + len(data).to_bytes(4, "little")
        return Case("mutated frame", head + data[8:], closes=True)

    def _cut_record(self) -> Case:
        record = self._random.choice(self._records)
        if self._random.random() < 0.5:
            case = self._submission("cut record", record[: self._random.randrange(216)])
        else:
            case = self._submission("record that begins with a 1 bit", b"\x80" + record[1:])
        return case._replace(closes=True)

    def _proof(self) -> Case:
        random = self._random
        key, rest = random.randbytes(32), random.randbytes(64)
        frame = random.choice((HelloAuth(key, rest), HelloChallenge(rest[:32], key, b"[::1]:443"))).encode()
        return Case("proof of a key where TLS proves keys", frame, closes=True)

    def _server_message(self) -> Case:
        kind = self._random.randrange(0x80, 0x100)
        return Case(
            "server's message", closes=True, data=encode_header(kind, 16, 1) + self._random.randbytes(8)
        )

    def _reused_id(self) -> Case:
        frame = Subscribe(self._id(), 0, self._filters[0]).encode()
        return Case("query id that is open", closes=True, data=frame + frame)

    # --- cases after which nothing can follow

    def _too_long(self) -> Case:
        kind = self._random.randrange(0x80)
        length = self._random.choice((LIMITS[kind] + 1, 0xFFFF_FFFF, self._random.randrange(8)))
        head = encode_header(kind, 8)[:4] + length.to_bytes(4, "little")
        return Case("refused length", head, closes=True, whole=False)

    def _lying_length(self) -> Case:
        frame = Submission(self._random.choice(self._records)).encode()
        return Case(
            "frame that never ends", frame[: self._random.randrange(1, len(frame))], closes=True, whole=False
        )

    def _noise(self) -> Case:
        return Case(
            "noise", self._random.randbytes(self._random.randrange(1, 2000)), closes=True, whole=False
        )
