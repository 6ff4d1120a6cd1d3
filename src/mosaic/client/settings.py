"""What can be chosen about the client.

Source: this project's own design, docs/architecture.md "A person acts"; `ahead_s` is of edition §3.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the client deals with servers. Times are seconds, sizes bytes."""

    connect_s: float = field(default=10.0, metadata={"help": "how long a connection may take to be there"})
    reach_s: float = field(
        default=30.0, metadata={"help": "how long it may take to reach a server by any of its addresses"}
    )
    next_url_s: float = field(
        default=0.25, metadata={"help": "how long an address may take before the next one is tried beside it"}
    )
    next_server_s: float = field(
        default=0.6,
        metadata={
            "help": "how long a server may take before another one of the same person is asked beside it"
        },
    )
    silence_s: float = field(
        default=10.0,
        metadata={
            "help": "how long a quiet server may take to say that it is there before it counts as gone"
        },
    )
    compare_s: float = field(
        default=7_200.0,
        metadata={"help": "how often it is compared what the other servers of people have who are followed"},
    )
    withheld_s: float = field(
        default=600.0,
        metadata={
            "help": "how long a server may be behind the other servers of a person before it counts as"
            " keeping something back"
        },
    )
    avoid_s: float = field(
        default=600.0, metadata={"help": "how long an address that failed is tried after all others"}
    )
    private_addresses: bool = field(
        default=False,
        metadata={"help": "connect to private, loopback and link-local addresses that others publish"},
    )
    proxy: str = field(
        default="",
        repr=False,
        metadata={
            "secret": True,
            "help": "a SOCKS5 proxy for all connections (socks5://HOST:PORT), or for hosts with some ending "
            "(.onion=socks5://HOST:PORT); several with commas between",
        },
    )
    authorities_file: str = field(
        default="",
        metadata={"help": "certificates (PEM) that vouch for web hosts, instead of the system's"},
    )
    answer_s: float = field(default=30.0, metadata={"help": "how long a server may take for an answer"})
    sync_answer_s: float = field(
        default=300.0, metadata={"help": "how long a server may take to gather what is compared by sync"}
    )
    idle_s: float = field(default=60.0, metadata={"help": "when a connection that nobody uses is closed"})
    keep_alive_s: float = field(
        default=240.0, metadata={"help": "how often a quiet connection is asked whether it is still there"}
    )
    retry_first_s: float = field(default=0.5, metadata={"help": "the first wait after a failed connection"})
    retry_most_s: float = field(default=300.0, metadata={"help": "the longest wait after failed connections"})
    unread_bytes: int = field(
        default=33_554_432,
        metadata={"help": "how much of one query may wait to be read before it is given up"},
    )
    submissions_in_flight: int = field(
        default=256, metadata={"help": "how many records may wait for their answer at once"}
    )
    work_bits: int = field(
        default=24,
        metadata={
            "help": "bits of proof of work that are done at most where a server asks strangers for it; each "
            "bit more takes twice as long (0: none is done)",
            "most": 64,
        },
    )
    ahead_s: int = field(
        default=900, metadata={"help": "how far in the future a record may lie before it is held back"}
    )
    overlap_s: int = field(
        default=3_600,
        metadata={"help": "how far back a subscription begins again, against clocks that disagree"},
    )
