"""What an operator chooses about a node beside its parts' limits: where it listens, whom it serves, as what.

Source: network.md (the roles); this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from mosaic.errors import UsageError
from mosaic.node.host_port import NOWHERE, HostPort

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - others are to reach it


@dataclass(frozen=True, slots=True)
class BrowserName:
    """A host name by which browsers connect; one table [[listen.name]] each."""

    name: str = field(metadata={"help": "the host name"})
    certificate: str = field(metadata={"help": "the file of its certificates (PEM)"})
    key: str = field(metadata={"help": "the file of its secret key (PEM)"})


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where others connect. Raises UsageError for a part of WebSocket that has nowhere to be."""

    tcp: HostPort = field(
        default=HostPort(EVERYWHERE, 1320),
        metadata={"help": "TCP address for others: HOST:PORT, port 0 for any, or off", "reload": False},
    )
    quic: HostPort = field(
        default=HostPort(EVERYWHERE, 1320),
        metadata={"help": "UDP address for others (QUIC, which is tried first), or off", "reload": False},
    )
    ws: HostPort = field(
        default=HostPort(EVERYWHERE, 1321),
        metadata={"help": "WebSocket address for others, also for browsers, or off", "reload": False},
    )
    ws_plain: bool = field(
        default=False,
        metadata={"help": "take WebSockets without TLS as well: from your own proxy", "reload": False},
    )
    name: tuple[BrowserName, ...] = field(
        default=(),
        metadata={"help": "host names by which browsers connect, with their certificates", "reload": False},
    )

    def __post_init__(self) -> None:
        if not self.ws and (self.name or self.ws_plain):
            raise UsageError(
                "names for browsers and WebSockets without TLS need an address for WebSockets",
                hint="Name one: --ws HOST:PORT, or `ws` in [listen].",
            )


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What the server is to those it serves. Raises UsageError if it is nothing."""

    outbox: bool = field(
        default=True, metadata={"help": "takes what the people it serves write, and gives it to anyone"}
    )
    inbox: bool = field(
        default=True, metadata={"help": "takes from strangers what notifies somebody it serves"}
    )
    encryption: bool = field(
        default=True,
        metadata={
            "help": "takes from strangers what is for somebody it serves alone, and gives it to nobody else"
        },
    )
    chat: bool = field(
        default=False, metadata={"help": "takes chat messages of and for the people it serves, whoever wrote"}
    )
    inbox_readers: Literal["everybody", "recipient"] = field(
        default="everybody", metadata={"help": "who reads what strangers sent: everybody, or its recipient"}
    )
    withhold: bool = field(
        default=False,
        metadata={"help": "shows what unknown senders wrote to its recipient alone, until it is approved"},
    )

    def __post_init__(self) -> None:
        if not (self.outbox or self.inbox or self.encryption or self.chat):
            raise UsageError(
                "a server without any role takes nothing",
                hint="Set one of outbox, inbox, encryption and chat in [roles] to true.",
            )


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """Whom the server serves. Raises UsageError for a hook that is not named."""

    who: Literal["home", "everyone", "list", "invitations", "hook"] = field(
        default="home",
        metadata={
            "help": "home: who lives here; everyone; list: and whom `mosaic admin serve` names; "
            "invitations: and who comes with a code; hook: and whom `hook` says"
        },
    )
    hook: str = field(
        default="",
        metadata={
            "help": "a Python function (MODULE:NAME) that says of a key of 32 bytes whether it is served; "
            "or program: whomever the program of [policy] accepts"
        },
    )

    def __post_init__(self) -> None:
        if (self.who == "hook") != bool(self.hook):
            raise UsageError(
                '`who = "hook"` and `hook` in [serves] belong together: name a function MODULE:NAME'
            )


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """The operator's own rules, asked after those of the roles."""

    hooks: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Python functions (MODULE:NAME, or names of entry points) that accept or refuse records"
        },
    )
    program: tuple[str, ...] = field(
        default=(),
        metadata={"help": "a program and its arguments that judges records, spoken to in lines of JSON"},
    )
    program_wait_s: float = field(
        default=5.0, metadata={"help": "how long the program may take for a record", "least": 0.01}
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where numbers about the node are read by other programs."""

    address: HostPort = field(
        default=NOWHERE,
        metadata={
            "help": "HOST:PORT for /metrics (Prometheus) and /health, best a private one; or off",
            "reload": False,
        },
    )
    least_free_percent: float = field(
        default=1.0, metadata={"help": "free disk space below which /health says no (percent)", "most": 100}
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the node tells about its work. Secrets are never in it, addresses are shortened."""

    level: Literal["debug", "info", "warning", "error"] = field(
        default="warning", metadata={"help": "the least important lines that are written"}
    )
    format: Literal["text", "json"] = field(
        default="text", metadata={"help": "lines for people, or one JSON object a line for programs"}
    )
    file: str = field(default="", metadata={"help": "the file that lines are added to; empty: stderr"})


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Backups that the node makes by itself.

    Raises:
        UsageError: a folder without a password's file, and not said to be plain.
    """

    folder: str = field(default="", metadata={"help": "the folder for backups; empty: none are made"})
    every_s: float = field(default=86_400.0, metadata={"help": "how often", "least": 60})
    keep: int = field(default=14, metadata={"help": "how many of the newest stay in the folder", "least": 1})
    password_file: str = field(
        default="", metadata={"help": "the file whose first line is the password that encrypts them"}
    )
    plain: bool = field(
        default=False, metadata={"help": "make them without a password; they can't open the keys again"}
    )

    def __post_init__(self) -> None:
        if self.folder and not self.password_file and not self.plain:
            raise UsageError(
                "backups need a password",
                hint="Name the file that holds it in [backup]: password_file; or say plain = true.",
            )


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """What people are told about whoever runs the server: on its page at /service."""

    name: str = field(default="", metadata={"help": "what the server is called"})
    contact: str = field(
        default="", metadata={"help": "how the operator is reached: an address, a key, a phone"}
    )
    rules: tuple[str, ...] = field(
        default=(),
        metadata={"help": "the server's rules, one sentence each, in the order in which they are shown"},
    )
    terms: str = field(
        default="", metadata={"help": "the address of a page with the whole terms, if there is one"}
    )
    page: HostPort = field(
        default=NOWHERE,
        metadata={
            "help": "HOST:PORT where everybody may read the page of the service (HTTP), or off",
            "reload": False,
        },
    )
