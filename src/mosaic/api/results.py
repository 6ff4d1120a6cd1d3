"""What a client gives back: plain frozen values with keys and references as text.

Keys are `mopub0…` and `mosrv0…`, references `moref0…`, times aware datetimes
in UTC. Whoever needs the exact bytes asks for records (`Client.query`).

Source: human_encodings.md; this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, cast

from mosaic.core.timestamp import Timestamp
from mosaic.node.control import Json, JsonObject

State: TypeAlias = Literal["queued", "delivered", "refused"]


@dataclass(frozen=True, slots=True)
class Server:
    """A server: its key, and where it listens.

    Args:
        key: `mosrv0…`; the server has to prove it.
        urls: Where it listens, the best first; without any it is looked up by its key.
    """

    key: str
    urls: tuple[str, ...] = ()

    @classmethod
    def at(cls, url: str, key: str) -> Server:
        """The server of a key (`mosrv0…`) at one URL."""
        return cls(key, (url,))


@dataclass(frozen=True, slots=True)
class Post:
    """A post or reply as a reader sees it: its newest version.

    Attributes:
        reference: Where it stands (`moref0…`); stays the same when the post is edited.
        id: This exact version (`moref0…`).
        author: Who wrote it (`mopub0…`).
        author_name: The name in the author's profile; empty while none is known.
        text: What it says, with mentions shown by name.
        kind: What it is, such as `Microblog Root`.
        time: When its first version was made.
        edited: When this version was made, None if it is the first.
        reply_to: What it answers, None if nothing.
        root: What its thread hangs on, None if it is no reply.
    """

    reference: str
    id: str
    author: str
    author_name: str
    text: str
    kind: str
    time: datetime
    edited: datetime | None = None
    reply_to: str | None = None
    root: str | None = None

    @classmethod
    def read(cls, given: JsonObject) -> Post:
        """The post that `mosaic.node.shapes.post_object` wrote."""
        return cls(
            reference=_text(given, "address"),
            id=_text(given, "id"),
            author=_text(given, "author"),
            author_name=_text(given, "author_name"),
            text=_text(given, "text"),
            kind=_text(given, "kind_name"),
            time=_time(given, "time"),
            edited=_time(given, "edited_time") if given.get("edited") else None,
            reply_to=_optional(given, "reply"),
            root=_optional(given, "root"),
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a record stands towards one server.

    Attributes:
        server: Which.
        state: `queued`, `delivered` or `refused`.
        note: What went wrong last, in words; empty if nothing did.
        result: The name of the server's result code, None while it has not answered.
        attempts: How often it was tried.
    """

    server: Server
    state: State
    note: str = ""
    result: str | None = None
    attempts: int = 0

    @classmethod
    def read(cls, given: JsonObject) -> Delivery:
        """The delivery that `mosaic.node.shapes.delivery_object` wrote."""
        return cls(
            server=Server(_text(given, "server"), _texts(given, "urls")),
            state=cast("State", _text(given, "state")),
            note=_text(given, "note"),
            result=_optional(given, "result"),
            attempts=_number(given, "attempts"),
        )


@dataclass(frozen=True, slots=True)
class Published:
    """A record that was published, and how it stands towards the servers that it goes to.

    Attributes:
        reference: Where it stands (`moref0…`): what replies and edits name.
        id: The exact record (`moref0…`).
        deliveries: One for each server.
        unreached: People (`mopub0…`) whom it concerns and of whom no server is known yet.
    """

    reference: str
    id: str
    deliveries: tuple[Delivery, ...] = ()
    unreached: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: JsonObject) -> Published:
        """What an act that publishes gave."""
        return cls(
            reference=_text(given, "address"),
            id=_text(given, "id"),
            deliveries=deliveries(given),
            unreached=_texts(given, "unreached"),
        )

    @property
    def delivered(self) -> int:
        """How many servers have it."""
        return self._count("delivered")

    @property
    def queued(self) -> int:
        """How many servers are still to get it, which is tried again."""
        return self._count("queued")

    @property
    def refused(self) -> int:
        """How many servers do not take it."""
        return self._count("refused")

    @property
    def state(self) -> str:
        """In words: `queued`, `2 of 3`, `delivered`, `refused` by all, or `kept` in the home alone."""
        count = len(self.deliveries)
        if not count:
            return "queued" if self.unreached else "kept"
        if self.delivered == count:
            return "delivered"
        if self.delivered:
            return f"{self.delivered} of {count}"
        return "queued" if self.queued else "refused"

    def _count(self, state: State) -> int:
        return sum(delivery.state == state for delivery in self.deliveries)


@dataclass(frozen=True, slots=True)
class Profile:
    """What somebody says about himself.

    Attributes:
        key: Whose (`mopub0…`).
        name: For `@name`; empty while no profile is known.
        display_name: Any text, shown beside the name.
        about: Prose.
        website: A URL.
        lud16: A Lightning payment address.
        org: Whether this is an organisation.
        bot: Whether this is a bot.
    """

    key: str
    name: str = ""
    display_name: str | None = None
    about: str | None = None
    website: str | None = None
    lud16: str | None = None
    org: bool = False
    bot: bool = False

    @classmethod
    def read(cls, given: JsonObject) -> Profile:
        """What the act `profile` gave."""
        return cls(
            key=_text(given, "key"),
            name=_text(given, "name"),
            display_name=_optional(given, "display_name"),
            about=_optional(given, "about"),
            website=_optional(given, "website"),
            lud16=_optional(given, "lud16"),
            org=bool(given.get("org")),
            bot=bool(given.get("bot")),
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """Somebody who is followed.

    Attributes:
        key: Who (`mopub0…`).
        name: The name in the profile; empty while none is known.
        state: How the connection to his servers does, in words.
    """

    key: str
    name: str
    state: str

    @classmethod
    def read(cls, given: JsonObject) -> Followed:
        """What the acts `follow` and `following` gave."""
        return cls(_text(given, "key"), _text(given, "name"), _text(given, "state"))


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a key: which servers the person uses, where the server listens. One key may be both.

    Attributes:
        key: The key in z-base-32 with its prefix, as it was asked for.
        outboxes: Where the person publishes, the preferred first.
        inboxes: Where the person receives.
        encryption: Where the person receives encrypted messages.
        urls: Where the server listens; empty if it is none.
    """

    key: str
    outboxes: tuple[Server, ...] = ()
    inboxes: tuple[Server, ...] = ()
    encryption: tuple[Server, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: JsonObject) -> Found:
        """What the act `resolve` gave."""
        return cls(
            key=_text(given, "key"),
            outboxes=_servers(given, "outboxes"),
            inboxes=_servers(given, "inboxes"),
            encryption=_servers(given, "encryption"),
            urls=_texts(given, "urls"),
        )


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a server answered for a record.

    Attributes:
        id: Which record (`moref0…`).
        result: The name of the result code.
        accepted: Whether it is there now.
    """

    id: str
    result: str
    accepted: bool

    @classmethod
    def read(cls, given: JsonObject) -> Submitted:
        """What the act `submit` gave."""
        return cls(_text(given, "id"), _text(given, "result"), bool(given.get("accepted")))


def deliveries(given: Mapping[str, Json]) -> tuple[Delivery, ...]:
    """Those in an object's `deliveries`."""
    return tuple(Delivery.read(each) for each in _objects(given, "deliveries"))


def timestamp(time: datetime) -> Timestamp:
    """An aware time as the protocol counts it.

    Raises:
        ValueError: it does not say in which zone it is.
    """
    if time.tzinfo is None:
        raise ValueError("the time has no zone: write datetime.now(UTC), or .astimezone()")
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = since // timedelta(microseconds=1)
    return Timestamp.from_unix(microseconds // 1_000_000, microseconds % 1_000_000 * 1_000)


def moment(time: Timestamp) -> datetime:
    """A time of the protocol as an aware time in UTC."""
    seconds, nanoseconds = time.to_unix()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanoseconds // 1_000)


def _time(given: Mapping[str, Json], name: str) -> datetime:
    return moment(Timestamp(int(_text(given, name))))


def _text(given: Mapping[str, Json], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _optional(given: Mapping[str, Json], name: str) -> str | None:
    value = given.get(name)
    return value if isinstance(value, str) else None


def _number(given: Mapping[str, Json], name: str) -> int:
    value = given.get(name)
    return value if isinstance(value, int) else 0


def _texts(given: Mapping[str, Json], name: str) -> tuple[str, ...]:
    values = given.get(name)
    return tuple(str(value) for value in values) if isinstance(values, list) else ()


def _objects(given: Mapping[str, Json], name: str) -> Sequence[JsonObject]:
    values = given.get(name)
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _servers(given: Mapping[str, Json], name: str) -> tuple[Server, ...]:
    return tuple(Server(_text(each, "key"), _texts(each, "urls")) for each in _objects(given, name))
