"""What can be set about links.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Limits of a network.

    Args:
        frame_limits: The greatest total length of a frame, in bytes, for each of the 256 types.
        spool_prefix: For types whose long bodies go to a file: the bytes kept in memory; else 0.
        spool_folder: The folder of those files. It must exist.
        spool_over: Frames of such a type go to a file when they are longer than this, in bytes.
        inbox_bytes: What may wait to be handled in all.
        link_inbox_bytes: What may wait to be handled of one link.
        link_outbox_bytes: What should wait towards one peer at most.
        handshake_ms: How long a peer may take to say who it is.
        workers: Threads that move bytes.
        quic_keep_alive_ms: After how long a silence a QUIC connection asks whether the peer is there.
        quic_idle_ms: And how long it waits for anything from the peer then: both together pass at most until
            a peer that vanished is noticed.
    """

    frame_limits: tuple[int, ...] = field(
        metadata={"help": "the greatest length of each type (bytes)", "computed": True}
    )
    spool_prefix: tuple[int, ...] = field(
        default=(0,) * 256,
        metadata={"help": "what stays in memory of types that go to a file (bytes)", "computed": True},
    )
    spool_folder: str = field(
        default=".", metadata={"help": "where long blobs wait while they arrive", "computed": True}
    )
    spool_over: int = field(default=65_536, metadata={"help": "longer blobs go to a file at once (bytes)"})
    inbox_bytes: int = field(default=16_777_216, metadata={"help": "what may wait to be handled (bytes)"})
    link_inbox_bytes: int = field(default=1_048_576, metadata={"help": "the same for one link (bytes)"})
    link_outbox_bytes: int = field(default=131_072, metadata={"help": "what may wait for one peer (bytes)"})
    handshake_ms: int = field(default=10_000, metadata={"help": "time for a handshake (ms)"})
    workers: int = field(default=1, metadata={"help": "threads that move bytes"})
    # One packet each way in ten seconds, whoever of both sides asks first, and only while there is a
    # connection. Routers forget UDP after 30 s and more (RFC 4787 asks for 2 minutes), so that 25 s would be
    # enough for them; but whoever reads somebody live wants to know in seconds that nothing comes any more.
    # Where a battery counts more, both can be raised: the shorter idle time of both sides holds.
    quic_keep_alive_ms: int = field(
        default=10_000, metadata={"help": "silence after which a QUIC peer is asked whether it is there (ms)"}
    )
    quic_idle_ms: int = field(
        default=15_000, metadata={"help": "silence after that with which a QUIC connection is over (ms)"}
    )
