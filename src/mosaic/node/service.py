"""What people are told about a server before they use it: roles, rules, limits, contact, in plain words.

Source: network.md (Server Roles); edition §1 (Service-URL); this project's own design, docs/architecture.md
"Operations".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic import __version__
from mosaic.node.operating_settings import RoleSettings, ServingSettings
from mosaic.node.setting_values import duration_text, size_text
from mosaic.server.settings import ServerSettings

if TYPE_CHECKING:
    from mosaic.node.node import Node

_WHO: Final = {
    "home": "The people who run it, and those whom they put on their list.",
    "list": "Those whom the operator puts on a list. Ask the operator.",
    "invitations": "Those who have an invitation. Ask somebody who is here, or the operator.",
    "everyone": "Everybody. There is nothing to sign up for.",
    "hook": "Those whom the operator's own rules name. Ask the operator.",
}
_LEAVING: Final = (
    "You may leave at any time: name another server in your own program, and your followers find you there. "
    "Nobody here can keep you from it, or change what you wrote: all of it is signed by your key."
)
_DELETING: Final = (
    "You may delete what you wrote: then this server gives it to nobody, and takes it from nobody again."
)
_REFUSING: Final = (
    "The operator may refuse or remove what does not belong here, and may ban addresses and keys from this "
    "server, but from no other one."
)
_PRIVATE: Final = (
    "Takes private messages for the people served here and gives them to nobody else. What is sealed, the "
    "operator can't read either."
)


@dataclass(frozen=True, slots=True)
class Service:
    """The page's content, ready to be shown.

    Args:
        name: What the server is called.
        key: mosrv0 of it.
        urls: Where it is reached.
        who: Whom it serves, a sentence.
        roles: Each role's name and what it means for people.
        rules: The operator's, a sentence each.
        always: What holds on every such server.
        limits: What there is a limit of, and the limit.
        contact: How the operator is reached; empty if nothing was said.
        terms: The address of the whole terms, or empty.
        account: The address of a page where people manage what they have here, or empty.
        version: Which version of the software runs.
    """

    name: str
    key: str
    urls: Sequence[str]
    who: str
    roles: Sequence[tuple[str, str]]
    rules: Sequence[str]
    always: Sequence[str]
    limits: Sequence[tuple[str, str]]
    contact: str
    terms: str
    account: str
    version: str


def describe(node: Node) -> Service:
    """What holds on a node's server now."""
    settings, operator = node.settings, node.settings.operator
    public = [str(url) for url in settings.public]
    return Service(
        name=operator.name or "A Mosaic server",
        key=node.server_secret.public.server_text,
        urls=public or [str(url) for url in node.urls],
        who=who_is_served(settings.serves),
        roles=roles(settings.roles),
        rules=operator.rules,
        always=(_LEAVING, _DELETING, _REFUSING),
        limits=limits(settings.server, everyone=settings.serves.who == "everyone"),
        contact=operator.contact,
        terms=operator.terms,
        account=settings.server.service_url,
        version=__version__,
    )


def who_is_served(settings: ServingSettings) -> str:
    """Whom a server serves, as a sentence."""
    return _WHO[settings.who]


def roles(settings: RoleSettings) -> list[tuple[str, str]]:
    """What a server does for those it serves: the role and a sentence, for each that it has."""
    inbox = "Anybody may write to the people served here: replies, mentions, letters."
    if settings.withhold:
        inbox += (
            " What unknown senders write is seen by its recipient alone until a moderator has approved it."
        )
    elif settings.inbox_readers == "recipient":
        inbox += " Only the recipient reads it."
    found = [
        (
            settings.outbox,
            "Outbox",
            "Keeps what the people served here publish, and gives it to whoever asks.",
        ),
        (settings.inbox, "Inbox", inbox),
        (
            settings.encryption,
            "Private messages",
            _PRIVATE,
        ),
        (settings.chat, "Chat", "Passes on what people served here say in chats, and what is said to them."),
    ]
    return [(name, told) for there, name, told in found if there]


def limits(settings: ServerSettings, *, everyone: bool = False) -> list[tuple[str, str]]:
    """What people should know before they run into it.

    Args:
        settings: The server's.
        everyone: Whether everybody is served: then all have the limits of strangers.
    """
    row = settings.limits.stranger
    pace = settings.limits.anonymous.records_per_second

    def told(most: int, strangers: int, text: Callable[[int], str]) -> str:
        if strangers >= most:
            return text(most)
        return text(strangers) if everyone else f"{text(most)}; for strangers {text(strangers)}"

    bits = max(settings.limits.anonymous.work_bits, row.work_bits)
    work = [("Proof of work from strangers", f"{bits} zero bits in a record's id, claimed by its Work tag")]
    return [
        *(work if bits else ()),
        ("Longest record", told(settings.record_limit, row.record_bytes, size_text)),
        ("Largest picture or file", told(settings.blob_limit, row.blob_bytes, size_text)),
        ("Records from strangers", f"{pace:g} a second" if pace else "as many as come"),
        ("Connections from one address", f"{settings.connections_per_address:,}"),
        (
            "Subscriptions of one connection",
            told(settings.subscriptions_per_link, row.subscriptions, "{:,}".format),
        ),
        (
            "Questions about everybody",
            f"{settings.open_query_limit:,} records, or the last {_words(settings.open_query_window_ns)}",
        ),
        ("Clock", f"records dated more than {_words(settings.future_ns)} ahead are refused"),
    ]


_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _words(ns: int) -> str:
    """A duration (ns) for people: `2 hours`."""
    text = duration_text(ns)
    number, unit = text[:-1], _UNITS.get(text[-1], text[-1])
    if not number.isdigit():
        return text
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"
