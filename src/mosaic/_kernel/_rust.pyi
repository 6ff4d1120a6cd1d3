"""The kernel's face: bytes in, bytes out, no policy.

Six doors (crypto, match, store, net, dht, sync) in one flat module. Times are Mosaic
timestamps in nanoseconds unless said otherwise, lengths are bytes. Slow calls
free the GIL. Errors are those of `mosaic.errors`, raised from Rust.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, final

from mosaic.errors import MosaicError

KERNEL_VERSION: Final[str]

# --- crypto ------------------------------------------------------------------------------------

# One verdict for each record; the number of the first rule that it breaks, in this order.
RECORD_OK: Final = 0
RECORD_TOO_SHORT: Final = 1  # under 216 bytes
RECORD_TOO_LONG: Final = 2  # over 1,048,576 bytes
RECORD_SIGNATURE_LENGTH: Final = 3  # LenS is not 64
RECORD_LENGTH_MISMATCH: Final = 4  # not 152 + LenTPad + LenPPad + 64
RECORD_SIGNATURE_SCHEME: Final = 5  # flag bits 0xC0 of byte 0
RECORD_RESERVED_FLAGS: Final = 6  # other bits than 0x01 and 0x04 in byte 0, any in bytes 1 and 2
RECORD_TIMESTAMP_RANGE: Final = 7  # top bit of [128:136]
RECORD_ID_TIMESTAMP: Final = 8  # [0:8] != [128:136]
RECORD_NONCE: Final = 9  # top bit of [48] not set
RECORD_KIND: Final = 10  # bits 15-5 set, or read access 10
RECORD_TAGS: Final = 11  # tag length 0 to 3, a tag that runs over the end, 1 to 3 bytes left over
RECORD_SIGNING_KEY: Final = 12  # not canonical, not on the curve, small order
RECORD_AUTHOR_KEY: Final = 13
RECORD_HASH: Final = 14  # [8:48] is not the BLAKE3 of the signed data
RECORD_SIGNATURE: Final = 15  # S >= L, R not canonical or not on the curve, equation false

def blake3(data: bytes, length: int = 32) -> bytes:
    """The unkeyed BLAKE3 hash of `data`, extended to `length` bytes."""

def search_work(data: bytes, at: int, bits: int, start: int, tries: int) -> bytes | None:
    """The 8 bytes that, standing at `at` of `data`, give its hash `bits` zero bits at the beginning, or None.

    Tries `tries` numbers (big-endian) from `start` on, without the GIL.

    Raises:
        UsageError: the 8 bytes do not lie within `data`, or `bits` is over 64.
    """

@final
class Blake3:
    """Incremental BLAKE3, for what should not be whole in memory."""

    def __new__(cls) -> Blake3: ...
    def update(self, data: bytes) -> None: ...
    def digest(self, length: int = 32) -> bytes: ...

def public_key(seed: bytes) -> bytes:
    """The Ed25519 public key (32 bytes) of a 32-byte seed. Raises InvalidSecretKey on another length."""

def key_is_acceptable(key: bytes) -> bool:
    """Whether 32 bytes are a canonical point on the curve that is not of small order."""

def seal_record(seed: bytes, signed_data: bytes) -> bytes:
    """The whole record around its signed data `[48:]` (without the signature).

    `signed_data` begins at the nonce and ends with the padded payload; its
    signing key must be that of `seed`. Sets id and signature; deterministic.

    Raises:
        InvalidRecord: a subclass for the rule that the result would break.
        InvalidSecretKey: the seed is not that of the signing key.
    """

def sign_attestation(seed: bytes, head: bytes) -> bytes:
    """The signature (64 bytes) over an attestation's first 72 bytes (magic, algorithm, subkey, master).

    Raises:
        InvalidKeySchedule: `head` is not such a head, or names another subkey than that of `seed`.
    """

def sign_authentication(
    seed: bytes,
    role: Literal["server", "client"],
    server_key: bytes,
    client_key: bytes,
    client_nonce: bytes,
    server_nonce: bytes,
    authority: str,
) -> bytes:
    """The signature (64 bytes) by which one side of a connection proves its key to the other.

    Over the role, both keys (the client's may be 32 zero bytes towards the server's signature), both nonces of
    32 bytes and the authority, with a context of its own. No other bytes can be signed so.

    Raises:
        InvalidSecretKey: the seed is not that of the side that signs.
        InvalidKey: a key is not acceptable.
        UsageError: another role or length, no authority, or a client without a nonce of the server's.
    """

def verify(key: bytes, digest: bytes, signature: bytes, context: bytes) -> bool:
    """One Ed25519ph signature over a 64-byte BLAKE3 digest, by the cofactored equation.

    A key, digest or signature of another length never verifies.

    Raises:
        UsageError: the context is longer than 255 bytes.
    """

def check(records: Sequence[bytes], *, batch: int = 256, threads: int = 1) -> bytes:
    """One verdict (RECORD_*) for each record, all rules, signatures in batches of `batch`.

    The verdicts are those of single checks whatever the batch. A batch whose
    sum fails is split twice at most, then checked singly. `threads` > 1
    spreads several batches over that many threads; fewer than 256 records
    stay in one, since halves under 128 gain nothing.

    Raises:
        UsageError: `batch` or `threads` is 0.
    """

# --- match ---------------------------------------------------------------------------------------

@final
class Filter:
    """A filter compiled once.

    Raises:
        InvalidFilter: on any rule of the filter page, with the rule in words.
    """

    def __new__(cls, data: bytes) -> Filter: ...
    @property
    def narrow(self) -> bool:
        """Whether an element with a type under 0x80 is there."""
    @property
    def since(self) -> int | None:
        """The smallest timestamp that matches (ns), if the filter names one."""
    @property
    def received_since(self) -> int | None:
        """The smallest received time that matches (ns), if the filter names one."""
    def matches(self, record: bytes, received_ns: int | None = None) -> bool:
        """Whether a (valid) record matches. Without a received time, received elements match."""

@final
class Subscriptions:
    """Open filters, indexed by author, kind and tag: a record costs what it hits."""

    def __new__(cls) -> Subscriptions: ...
    def add(self, number: int, filter: Filter) -> None:
        """Opens `filter` under a number of the caller's (u64). Raises UsageError if that is in use."""
    def remove(self, number: int) -> bool: ...
    def match(self, records: Sequence[bytes], received_ns: Sequence[int]) -> list[list[int]]:
        """For each record, the numbers whose filter it matches, ascending.

        Raises UsageError if there is not one received time for each record.
        """
    def __len__(self) -> int: ...
    def memory(self) -> int:
        """The bytes that all open filters and their index take up."""

# --- store -----------------------------------------------------------------------------------------

# How a record stands to others at its address (append's `modes`, one byte each).
KEEP_ALL: Final = 0  # unique and versioned kinds
REPLACE_SIGNER: Final = 1  # the greatest (timestamp, id) of each signer at this address is served
REPLACE_ADDRESS: Final = 2  # the greatest (timestamp, id) of this address is served
DELETES: Final = 4  # a bit beside these: this Deletion counts, so what it names goes and stays away

# What became of it (append's answer, one byte each).
STORED: Final = 0
DUPLICATE: Final = 1  # the same id is there
SUPERSEDED: Final = 2  # a greater (timestamp, id) is there; nothing was written
REFUSED: Final = 3  # its id was refused for good
DELETED: Final = 4  # a Deletion that is held and counts covers it; nothing was written

@final
class Store:
    """The embedded store: an append-only log is the truth, LMDB holds indexes that can be rebuilt.

    One Store for a folder in the machine (a lock file guards it). Any thread
    may read while one writes. A position is a log number that is never reused.
    """

    def __new__(
        cls,
        folder: str,
        *,
        boot_id: bytes,
        segment_bytes: int = ...,
        progress: Callable[[int, int], None] | None = None,
    ) -> Store:
        """Opens or makes the store in `folder` (`log/` and `index/` below it).

        Same `boot_id` as when last open → replays the tail of the log into the
        index. Another one without the clean mark → rebuilds the index, calling
        `progress(done_bytes, total_bytes)`.

        Raises:
            StoreDamaged: the log is damaged before its end.
            StoreError: another process has it open, or the format is newer.
        """
    def append(
        self,
        records: Sequence[bytes],
        received_ns: Sequence[int],
        modes: bytes,
        *,
        labels: bytes | None = None,
    ) -> tuple[bytes, list[int]]:
        """Writes records that were checked: one write and one sync for the batch.

        Returns outcomes (STORED …), one byte each, and positions (of the
        stored ones; of a DUPLICATE the first one's). When it returns, what is
        STORED is on disk. Duplicates inside one batch count as such.
        `labels`: one byte each (`mosaic.policy.label.Label`), kept with the record and
        obeyed wherever viewers read; none if left out.

        Raises:
            StoreFull: no room; nothing of the batch is there afterwards.
            UsageError: DELETES for a record that is no Deletion, or a label over 127.
        """
    def readmit(self, positions: Sequence[int], label: int, *, deletes: bool = False) -> list[int]:
        """Puts served records at new positions under another label, in one batch, received times as they were.

        The new positions, 0 for what is not served (any more). With `deletes`
        Deletions among them count from now on. Who could read a record before
        is not given it again by `follow` from a position behind its first one
        (unless that part of the log was compacted); the owner is, since its
        position changed.

        Raises:
            StoreFull: no room; everything is as it was.
        """
    def labels(self, positions: Sequence[int]) -> bytes:
        """The label of the record at each position; 255 where none is served."""
    def labelled(self, label: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions of served records with this bit of a label (WITHHELD or HIDDEN), ascending, behind `after`."""
    def deletions(self, record: bytes) -> list[int]:
        """Positions of the Deletions that count and cover a record, held or not."""
    def remove(self, positions: Sequence[int], *, refuse: bool = False) -> int:
        """Stops serving records, durably; `refuse` also refuses their ids for good. Returns how many were there."""
    def contains(self, ids: Sequence[bytes]) -> list[int | None]:
        """The position for each id (48 bytes, or its first 32), or None."""
    def read(self, positions: Sequence[int]) -> list[bytes | None]:
        """The record at each position, or None where it is no longer served."""
    def scan(
        self,
        filter: Filter,
        *,
        limit: int = 0,
        viewers: Sequence[bytes] | None = None,
        before: int | None = None,
        after: int | None = None,
    ) -> Scan:
        """What the filter matches, newest first by (timestamp, id), both descending.

        `limit` counts records after access (0 = none). `viewers`: the keys a
        reader has proven; None = the owner, who may read all. `before`: only
        positions under it; `after`: only positions from it on.
        """
    def lookup(self, references: Sequence[bytes], *, viewers: Sequence[bytes] | None = None) -> Scan:
        """What references name: ids exactly (48 bytes, or the first 32 of one); addresses: the newest if
        replaceable (of each signer where they do not replace each other), else all, newest first."""
    def follow(
        self,
        filter: Filter,
        position: int,
        *,
        viewers: Sequence[bytes] | None = None,
        before: int | None = None,
    ) -> Scan:
        """What matches from `position` on, in the order of the log, up to the end at the time of the call, or up to
        `before` if that is less."""
    def signers(self, address: bytes) -> list[bytes]:
        """The distinct signing keys of what is held at a 48-byte address."""
    @property
    def end(self) -> int:
        """The position that the next record gets, or a smaller one not yet given away."""
    @property
    def last_received_ns(self) -> int:
        """The greatest received time ever appended (0 in a new store)."""
    def stats(self) -> dict[str, int]:
        """records, removed, log_bytes, index_bytes, live_bytes, segments, end, tombstones (what Deletions that
        count name), labelled (withheld or hidden records), format (of the log)."""
    def compact(self, *, min_dead_ratio: float = 0.5, roll: bool = False) -> int:
        """Rewrites the closed segments with the most dead bytes; positions stay. Returns bytes freed.

        `roll`: closes the segment at the end first, so that with a ratio of 0 all that is dead goes. Waits
        until snapshots are released.
        """
    def tally(self, filter: Filter) -> list[tuple[bytes, bytes, int, int]]:
        """(author, kind, records, bytes of the log) of what is served and matches, by author and kind."""
    def snapshot(self) -> Snapshot:
        """The files of the log as they are now; none is rewritten or removed until it is released."""
    def verify(self) -> list[str]:
        """Compares index and log; a sentence for each difference, none when they agree."""
    def close(self) -> None:
        """Syncs the index, sets the clean mark and lets go of the folder."""

@final
class Snapshot:
    """Files of the log at one moment. What is appended later stands behind the bytes that count."""

    @property
    def files(self) -> list[tuple[str, int]]:
        """(name in `log/`, bytes that count), oldest first."""
    @property
    def end(self) -> int:
        """The position behind the last record in them."""
    @property
    def last_received_ns(self) -> int:
        """The greatest received time up to then."""
    def release(self) -> None:
        """Lets compaction go on. A second call does nothing."""

@final
class Scan:
    """A query under way; continues where it stopped. Opaque to all but its Store."""

    def frames(self, head: bytes, max_bytes: int, max_ns: int) -> tuple[bytes, int, bool]:
        """The next RECORD frames (`head` 4 bytes ‖ u32 total length ‖ record), joined.

        Stops at about `max_bytes` of frames or `max_ns` of work (one record at
        least is looked at). Returns (frames, number of records, finished).
        """
    def records(self, max_records: int, max_ns: int) -> tuple[list[tuple[int, int, bytes]], bool]:
        """The next (position, received_ns, record) triples, and whether it is finished."""

def run_scans(
    scans: Sequence[tuple[Scan, bytes]],
    max_bytes: int,
    max_ns: int,
    *,
    groups: Sequence[int] | None = None,
    group_bytes: int = ...,
) -> list[tuple[bytes, int, bool] | MosaicError]:
    """`Scan.frames(head, …)` for several scans in one call without the GIL. A scan that fails gives its error.

    `groups`: a number for each scan. Once the scans of a group have given `group_bytes` the others of it are
    left as they are, and give (b"", 0, False).
    """

# --- net ---------------------------------------------------------------------------------------------

# What `Net.poll` reports beside frames (whose number is their type byte, 0 to 255).
LINK_OPENED: Final = 256  # data: peer key (32 bytes) or empty if anonymous
LINK_CLOSED: Final = 257  # data: reason in words; nothing follows
LINK_REFUSED_LENGTH: Final = 258  # data: the 8 header bytes; reading has stopped, sending goes on
LINK_DRAINED: Final = 259  # data: empty; the out queue sank under half its limit after having passed it
LINK_SPOOLED: Final = 260  # data: the frame's prefix; its body is a file, see take_spooled
DIAL_FAILED: Final = 261  # link: the dial's number; data: reason in words
DIAL_WRONG_KEY: Final = 262  # link: the dial's number; data: the key (32 bytes) that answered
LINK_UPGRADE: Final = (
    263  # data: mode (u8: 0 native, 1 browser, 2 plain) ‖ HTTP head; waits for answer_upgrade
)
DIAL_REFUSED_FORM: Final = 264  # link: the dial's number; data: words. The server broke off the handshake
DIAL_FOREIGN_CERTIFICATE: Final = 265  # link: the dial's number; data: words. No Ed25519 certificate

@final
class Net:
    """Sockets, TLS and framing. Frames come in batches behind one eventfd; all queues are bounded in bytes."""

    def __new__(
        cls,
        *,
        frame_limits: Sequence[int],
        spool_prefix: Sequence[int],
        spool_folder: str,
        spool_over: int = 65_536,
        inbox_bytes: int = 16_777_216,
        link_inbox_bytes: int = 1_048_576,
        link_outbox_bytes: int = 131_072,
        handshake_ms: int = 10_000,
        workers: int = 1,
        streams: int = 16,
        quic_idle_ms: int = 15_000,
        quic_keep_alive_ms: int = 10_000,
        retry_over: int = 64,
        most_half_open: int = 512,
        gate: Sequence[tuple[int, int, float, int, int]] = (),
    ) -> Net:
        """`frame_limits`: the greatest total length for each of the 256 types. `spool_prefix`: for types whose
        body goes to a file when the frame is longer than `spool_over`, the bytes kept in memory (0 = never).
        `streams`: bidirectional streams that a peer may have open in one QUIC connection. `retry_over`: QUIC
        handshakes under way above which new ones must first prove their address (0 = always).
        `most_half_open`: handshakes under way (for a moment four times as many); beyond, the network with most
        loses its oldest. `gate`: rows as in `set_gate`."""
    def fileno(self) -> int:
        """Readable while events wait. (An eventfd on Linux, a pipe elsewhere.)"""
    def poll(self, max_events: int = 4096) -> list[tuple[int, int, bytes]]:
        """(link, what, data): `what` under 256 is a frame's type and `data` the whole frame."""
    def listen_tcp(self, host: str, port: int, seed: bytes) -> int:
        """Listens with TLS 1.3 and 1.2, X.509 and raw keys on one port; returns the port. Raises ListenFailed."""
    def listen_quic(self, host: str, port: int, seed: bytes) -> int:
        """Listens with QUIC, X.509 and raw keys on one UDP port; returns the port. Each bidirectional stream of a
        peer is a link of its own, which opens with its first bytes. Raises ListenFailed."""
    def listen_ws(
        self,
        host: str,
        port: int,
        seed: bytes,
        *,
        names: Sequence[tuple[str, bytes, bytes]] = (),
        plain: bool = False,
    ) -> int:
        """Listens for WebSockets; returns the port. SNI `mosaic` or none: as `listen_tcp`. SNI of one of `names`
        (host name, PEM chain, PEM key): that certificate, everybody anonymous. Without TLS only if `plain`.
        Links report LINK_OPENED, then LINK_UPGRADE. Raises ListenFailed."""
    def listen_address(self, port: int, transport: str = "tcp") -> str:
        """HOST:PORT of the listener on that port; `transport` is "tcp", "quic" or "ws". Raises UsageError."""
    def stop_listening(self) -> None: ...
    def dial_tcp(
        self,
        host: str,
        port: int,
        *,
        server_key: bytes | None,
        seed: bytes | None,
        timeout_ms: int = 10_000,
        raw_key: bool = False,
        own_raw_key: bool | None = None,
        proxy: tuple[str, int] | tuple[str, int, str, str] | None = None,
    ) -> int:
        """Begins to connect; the link's number. Ends in LINK_OPENED (data: the server's key) or one of the
        DIAL_ events. The server's key is compared before `seed`'s certificate goes out.
        `own_raw_key`: the form of our own key where it is another than the server's.
        `proxy`: a SOCKS5 proxy (host, port[, user, password]), which resolves `host`."""
    def dial_ws(
        self,
        host: str,
        port: int,
        *,
        server_key: bytes | None,
        seed: bytes | None,
        request: bytes,
        timeout_ms: int = 10_000,
        raw_key: bool = False,
        own_raw_key: bool | None = None,
        authorities: bytes | None = None,
        name: str | None = None,
        proxy: tuple[str, int] | tuple[str, int, str, str] | None = None,
    ) -> int:
        """The same for a WebSocket: `request` is the whole HTTP request; LINK_UPGRADE follows LINK_OPENED.
        With `authorities` (PEM) the host's name is checked instead of a key, and LINK_OPENED carries none;
        `name` is that name where `host` is an address."""
    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:
        """Answers LINK_UPGRADE. Server: writes `head`; if accepted, frames begin, else the link closes behind
        it. Client: `head` is b"". Raises UsageError if the link waits for none, Disconnected."""
    def dial_quic(
        self,
        host: str,
        port: int,
        *,
        server_key: bytes | None,
        seed: bytes | None,
        timeout_ms: int = 10_000,
        raw_key: bool = False,
        own_raw_key: bool | None = None,
    ) -> int:
        """As `dial_tcp`, with QUIC: a new connection with one stream. It ends with its last stream."""
    def open_stream(self, link: int, timeout_ms: int = 10_000) -> int:
        """Begins to open a further stream of the QUIC connection that `link` has dialled, a link of its own: its
        number. Ends in LINK_OPENED or DIAL_FAILED. Raises UsageError for other links."""
    def peer_address(self, link: int) -> tuple[str, int]:
        """The peer's IP address and port; over QUIC those from where it came last."""
    def send(self, link: int, data: bytes) -> int:
        """Queues whole frames; the bytes now waiting, or -1 if the link is gone. Never blocks, never refuses:
        the caller stops at the limit and waits for LINK_DRAINED. Over four times the limit the link is cut,
        unless a single frame is to blame."""
    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        """Queues a RECORD frame for each (link, query id u16), the record's bytes shared. Returns the indexes of
        targets whose queue was full or gone: nothing was queued for those."""
    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        """Queues `head` and then `length` bytes of a file, read as the peer takes them."""
    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        """(path, BLAKE3-256 of the body, its length) of the oldest LINK_SPOOLED event not yet taken; the path is
        empty if the disk was full and nothing of the body was kept."""
    def pending(self, link: int) -> int:
        """Bytes queued towards a link, -1 if it is gone."""
    def set_blocked(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """(address of 4 or 16 bytes, prefix): connections from there are dropped when accepted, datagrams of new
        QUIC peers ignored. Replaces. Raises UsageError."""
    def set_trusted(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """Not counted by the gate: the operator's proxies. Replaces. Raises UsageError."""
    def set_gate(self, rows: Sequence[tuple[int, int, float, int, int]]) -> None:
        """(IPv4 prefix, IPv6 prefix, connections a second, burst, most open at once) for each size of network; 0 a
        second or at once is no bound. A QUIC connection counts once. Replaces. Raises UsageError."""
    def prefer(self, link: int, preferred: bool) -> None:
        """Whether `poll` hands up this link's events before those of others, which then come a few at a time."""
    def limit_frames(self, link: int, kind: int, most: int) -> None:
        """The greatest length of one type on one link for frames that begin from now on; never more than
        `frame_limits`."""
    def pending_total(self) -> int:
        """Bytes queued towards all peers."""
    def heaviest(self, most: int) -> list[tuple[int, int]]:
        """(link, bytes queued towards it) of up to so many, most first."""
    def counts(self) -> dict[str, int]:
        """accepted, blocked, paced, handshakes_failed, bytes_in, bytes_out, evicted (handshakes that gave way) since
        it began; half_open: handshakes under way now."""
    def close(self, link: int) -> None:
        """Sends what is queued, then closes. Later frames from it are dropped."""
    def abort(self, link: int) -> None:
        """Drops the link at once."""
    def shutdown(self, timeout_ms: int = 2_000) -> None:
        """Stops listening, lets queues drain for at most that long, ends all threads."""

@final
class FrameCutter:
    """The cutter of one stream, as every link has one; for bytes that come another way."""

    def __new__(
        cls,
        *,
        frame_limits: Sequence[int],
        spool_prefix: Sequence[int],
        spool_over: int = 65_536,
    ) -> FrameCutter: ...
    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """(what, data) for each frame that ends in `chunk`, as `Net.poll` has them; nothing follows a
        LINK_REFUSED_LENGTH. A long body becomes LINK_SPOOLED with the prefix ‖ its BLAKE3-256."""
    @property
    def inside(self) -> bool:
        """Whether the stream stands inside of a frame."""

# --- dht ---------------------------------------------------------------------------------------

# The second number that `Dht.poll` gives.
DHT_ITEM: Final = 1  # data: sequence number i64 LE, signature (64 bytes), value; in no order, each once
DHT_DONE: Final = 2  # of get: u32 LE nodes that answered, u32 LE nodes asked; of put: u8 of the five below,
# then words; empty where the job was given up
DHT_NODES: Final = (
    3  # job 0. data: u32 LE nodes known; when there are some for the first time, or none any more
)

DHT_STORED: Final = 0  # the words are the number of nodes that keep it
DHT_CAS_FAILED: Final = 1  # another item stands there than the one named by `cas`
DHT_NOT_MOST_RECENT: Final = 2  # an item with a greater sequence number stands there
DHT_UNREACHABLE: Final = 3  # nobody answered
DHT_REFUSED: Final = 4  # those who answered refused

@final
class Dht:
    """A node of the Mainline DHT (BEP 5, BEP 44; IPv4 only). What it hears comes in batches behind one descriptor.

    Of the answers to a look-up at most 16 wait to be taken, those with the greatest numbers. All calls return at once;
    1,024 jobs may be open at a time, each until its DHT_DONE was taken by `poll`.
    """

    def __new__(
        cls,
        *,
        bootstrap: Sequence[str],
        host: str = "",
        port: int = 0,
        request_timeout_ms: int = 2000,
        serving: bool = False,
    ) -> Dht:
        """Begins to enter the DHT by nodes at `bootstrap` (HOST:PORT; none = the public DHT's own). `host`: the IPv4
        address to bind, all if empty. `serving`: answer others from the beginning. Raises UsageError, ListenFailed."""
    def fileno(self) -> int:
        """Readable while events wait."""
    def poll(self) -> list[tuple[int, int, bytes]]:
        """(job, what, data): DHT_ITEM, DHT_DONE or DHT_NODES."""
    def get(self, key: bytes, salt: bytes) -> int:
        """Looks up an item; the job's number, or 0 if too many are open."""
    def put(self, key: bytes, salt: bytes, seq: int, signature: bytes, value: bytes, cas: int | None) -> int:
        """Writes a signed item (not checked here), if `cas` still stands there; the job's number, or 0."""
    def nodes(self) -> int:
        """How many nodes are known."""
    def passed(self) -> tuple[int, int, int, int] | None:
        """(bytes came, packets came, bytes went, packets went), without heads; None where nothing is counted."""
    def close(self) -> None:
        """Leaves the DHT; jobs that are open end without a word."""

@final
class DhtTestnet:
    """A DHT of so many nodes on 127.0.0.1, which know each other. Raises ListenFailed."""

    def __new__(cls, nodes: int) -> DhtTestnet: ...
    @property
    def bootstrap(self) -> list[str]:
        """HOST:PORT of each node."""
    def stop_one(self, place: int) -> None:
        """Ends the node with that place in `bootstrap`."""
    def close(self) -> None:
        """Ends all nodes."""

# --- sync --------------------------------------------------------------------------------------

@final
class SyncSet:
    """What is compared with another side: the first 32 bytes of the ids of records, in order, each once.

    Takes 32 bytes a record. Any thread may use it; sets that are sealed are shared by reconciliations.
    """

    def __new__(cls, *, most: int) -> SyncSet: ...
    def add(self, scan: Scan, max_ns: int) -> bool:
        """Takes in what a scan gives, for about `max_ns` of work; whether the scan is finished.

        What takes no part in sync is left out, whoever asks: records that only their author may hand in,
        and those that are held back or hidden.

        Raises:
            StoreCrowded: more than `most` records.
            UsageError: the set is sealed.
        """
    def seal(self) -> None:
        """Ends adding; sorts. Does nothing the second time."""
    def __len__(self) -> int: ...

@final
class Reconciliation:
    """One side of a comparison by Negentropy, version 1.

    Raises StoreCrowded when the other side turns out to have more than `most_needed` records that are not
    in `items`, and UsageError for a set that is not sealed, or `frame_bytes` under 4,096.
    """

    def __new__(
        cls, items: SyncSet, *, initiator: bool, frame_bytes: int = 32_768, most_needed: int = ...
    ) -> Reconciliation: ...
    def begin(self) -> bytes:
        """The initiator's first message. Raises UsageError at the responder, and the second time."""
    def take(self, message: bytes) -> tuple[bytes | None, bytes, bytes]:
        """Takes a message of the other side.

        Returns (answer; None = all is known, ids that only this side has, ids that only the other has): 32
        bytes for each id, joined, each told once; both empty at the responder, which always answers.

        Raises:
            InvalidMessage: the message is none, or comes to no end. The reconciliation is over.
            UsageError: it is over.
        """
