"""What an operator or a person may set about a server.

Source: edition §1 and §3 (15 minutes, 5 minutes), §6; the other limits: this project's own design,
docs/architecture.md "A record arrives".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mosaic.policy.limits import LimitTable
from mosaic.wire.limits import BLOB_LIMIT, RECORD_LIMIT

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Limits of a server; `help` in each field's metadata says what it does. Times are ns, lengths bytes."""

    connections: int = field(default=10_000, metadata={"help": "links that may be open at once"})
    connections_per_address: int = field(
        default=2_000, metadata={"help": "links that may be open at once from one address"}
    )
    connections_per_second: float = field(
        default=10.0,
        metadata={"help": "links that one address may open a second; ten times that at once (0: no limit)"},
    )
    proxies: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "addresses or networks of your own proxies: who comes through them is taken from "
            "X-Forwarded-For, and unknown without it"
        },
    )
    limits: LimitTable = field(
        default_factory=LimitTable,
        metadata={"at": "limits", "help": "what each may do, by how the server stands to him"},
    )
    subscriptions_per_link: int = field(
        default=1_000, metadata={"help": "subscriptions that one link may have open, whoever it is"}
    )
    queries_per_link: int = field(
        default=64, metadata={"help": "queries that one link may have under way at once, whoever it is"}
    )
    record_limit: int = field(
        default=RECORD_LIMIT, metadata={"reload": False, "help": "longest record taken, in bytes"}
    )
    blob_limit: int = field(
        default=BLOB_LIMIT, metadata={"reload": False, "help": "longest blob taken, in bytes"}
    )
    blob_quota: int = field(
        default=0, metadata={"help": "bytes of blobs that one person may have here (0: no limit)"}
    )
    blobs_waiting_per_link: int = field(
        default=64, metadata={"help": "blobs that one link may wait for at once"}
    )
    open_query_limit: int = field(
        default=500,
        metadata={"help": "a query without a narrow element is taken with a limit up to this (0: never)"},
    )
    open_query_window_ns: int = field(
        default=2 * HOUR,
        metadata={"help": "or if it asks for no more than so much of the past, in nanoseconds (0: never)"},
    )
    future_ns: int = field(
        default=15 * MINUTE, metadata={"help": "records further ahead than this are refused, in nanoseconds"}
    )
    ephemeral_window_ns: int = field(
        default=5 * MINUTE,
        metadata={"help": "ephemeral records further off than this are refused, in nanoseconds"},
    )
    ephemeral_memory: int = field(
        default=200_000, metadata={"help": "ephemeral records that are remembered to refuse their repetition"}
    )
    schedule_checked_ns: int = field(
        default=HOUR,
        metadata={
            "reload": False,
            "help": "how long a stranger's key schedule counts for his rights, in nanoseconds",
        },
    )
    unverified_signers: int = field(
        default=4,
        metadata={"help": "signers of one address that are kept before the author's schedule is asked for"},
    )
    batch_records: int = field(default=2_048, metadata={"help": "records that are written at once"})
    backlog_bytes: int = field(
        default=16_777_216, metadata={"help": "bytes of records that may wait before links are not read"}
    )
    check_threads: int = field(
        default=0, metadata={"reload": False, "help": "threads that check signatures (0: one for each core)"}
    )
    slice_bytes: int = field(
        default=65_536, metadata={"help": "bytes that one query sends before others have their turn"}
    )
    slice_ns: int = field(
        default=2_000_000, metadata={"help": "time that one query works before others have their turn (ns)"}
    )
    queue_bytes: int = field(
        default=131_072,
        metadata={"help": "what may wait towards one peer, in bytes; as the network's limit"},
    )
    held_bytes: int = field(
        default=32_768,
        metadata={"help": "live records kept for one peer while older ones are on their way, in bytes"},
    )
    memory_bytes: int = field(
        default=805_306_368,
        metadata={
            "help": "memory of the process beside mapped files (bytes) above which strangers find no place, "
            "and those who leave most unread are cut (0: no bound)"
        },
    )
    outgoing_total_bytes: int = field(
        default=268_435_456,
        metadata={"help": "what may wait towards all peers (bytes); beyond, those with most are cut"},
    )
    slow_reader_ns: int = field(
        default=30 * SECOND,
        metadata={"help": "how long a peer with a full queue may read nothing, in nanoseconds"},
    )
    slow_reader_records: int = field(
        default=4_096, metadata={"help": "records that a subscriber with a full queue may fall behind"}
    )
    authorities: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "names (HOST or HOST:PORT) by which browsers reach this server, beside its listeners'"
        },
    )
    service_url: str = field(
        default="",
        metadata={
            "reload": False,
            "help": "page where people manage what they have with this server, if any",
        },
    )
    lookups: int = field(default=256, metadata={"help": "look-ups in the DHT for clients under way at once"})
    lookups_per_link: int = field(
        default=16, metadata={"help": "look-ups in the DHT that one link may have under way at once"}
    )
    lookup_s: float = field(
        default=30.0, metadata={"help": "seconds that a look-up in the DHT for a client may take"}
    )
    stranger_lookups_per_minute: float = field(
        default=30.0,
        metadata={"help": "look-ups a minute for one address that does not live here (0: no limit)"},
    )
    stranger_lookup_burst: int = field(
        default=20, metadata={"help": "look-ups that such an address may ask for at once after a pause"}
    )
    syncs: int = field(default=64, metadata={"help": "comparisons by sync that may be open at once"})
    syncs_per_link: int = field(
        default=2, metadata={"help": "comparisons by sync that one link may have open"}
    )
    sync_sets: int = field(
        default=4, metadata={"help": "sets to compare that are kept, each 32 bytes for a record"}
    )
    sync_items: int = field(default=2_000_000, metadata={"help": "records that one sync may compare"})
    sync_shared_ns: int = field(
        default=30 * SECOND,
        metadata={
            "help": "how long peers with equal rights share a set while nothing changes, in nanoseconds"
        },
    )
    sync_idle_ns: int = field(
        default=2 * MINUTE,
        metadata={"help": "how long a peer may let a comparison lie, in nanoseconds"},
    )
    stranger_sync_ms_per_second: float = field(
        default=20.0,
        metadata={
            "help": "work on sync for one address that does not live here, in ms a second (0: no limit)"
        },
    )
    stranger_sync_burst_ms: int = field(
        default=30_000, metadata={"help": "work on sync for such an address at once after a pause, in ms"}
    )
    drain_s: float = field(
        default=5.0, metadata={"help": "seconds that peers have to read their last answers when stopping"}
    )
