"""An operator's acts about whom the server serves: the list, and invitations to it.

Source: network.md (the people that a server serves); this project's own design, docs/architecture.md
"Operations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.served import ServedPerson
from mosaic.node.server_log import ServerLog
from mosaic.node.setting_values import duration_ns
from mosaic.node.shapes import time_fields

if TYPE_CHECKING:
    from mosaic.node.node import Node


class AdminPeople:
    """The operator's acts about the people served.

    Args:
        node: The open home.
        log: Where acts are written down.
    """

    def __init__(self, node: Node, log: ServerLog) -> None:
        self._node = node
        self._log = log

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "admin_serve": self.serve,
            "admin_unserve": self.unserve,
            "admin_served": self.served,
            "admin_kept": self.kept,
            "admin_invite": self.invite,
            "admin_invitations": self.invitations,
        }

    async def serve(self, given: JsonObject) -> Items:
        """Puts somebody on the list: `key`, `note`, `until`, `blob_bytes`.

        Raises:
            FormatError: the key is none.
            UsageError: an argument is none, or the end has passed.
        """
        arguments = Arguments(given)
        key = PublicKey.parse_user(arguments.text("key"))
        note, until_ns = arguments.optional_text("note") or "", until(arguments, self._node.clock.now())
        blob_bytes = arguments.number("blob_bytes", 0) or None
        await self._log.write(
            arguments,
            "serve",
            {"key": key.user_text, "note": note, "until": _text(until_ns), "blob_bytes": blob_bytes},
        )
        new = self._node.rules.served.serve(key, note=note, until_ns=until_ns, blob_bytes=blob_bytes)
        yield {"key": key.user_text, "new": new, "who": self._node.settings.serves.who}

    async def unserve(self, given: JsonObject) -> Items:
        """Takes somebody off the list: `key`. What was written stays.

        Raises:
            FormatError: the key is none.
            UsageError: nobody of that key is on the list.
        """
        arguments = Arguments(given)
        key = PublicKey.parse_user(arguments.text("key"))
        if key not in {person.key for person in self._node.rules.served.listed()}:
            raise UsageError(
                "this key is not on the list",
                hint="`mosaic admin served` shows who is; the home's people always are.",
            )
        await self._log.write(arguments, "unserve", {"key": key.user_text})
        self._node.rules.served.unserve(key)
        yield {"key": key.user_text}

    async def served(self, _given: JsonObject) -> Items:
        """Who is served: the home's own people, then the list."""
        for person in self._node.people:
            yield {"key": person.key.user_text, "note": person.name, "by": "home", "until": None}
        for listed in self._node.rules.served.listed():
            yield _object(listed)

    async def kept(self, _given: JsonObject) -> Items:
        """Whose bootstraps are kept alive in the DHT, and how each stands."""
        for kept in self._node.kept_items.states():
            yield {
                "key": kept.key.user_text,
                "state": kept.state.name.lower(),
                "detail": kept.detail,
                "seq": kept.seq,
                "published": _text(kept.published_ns or None),
                "next": _text(kept.next_ns or None),
            }

    async def invite(self, given: JsonObject) -> Items:
        """Makes a code by which people come on the list: `uses`, `until`, `note`.

        Raises:
            UsageError: nobody could use it, or the server does not take people by invitation.
        """
        arguments = Arguments(given)
        uses, until_ns = arguments.number("uses", 1), until(arguments, self._node.clock.now())
        note = arguments.optional_text("note") or ""
        if self._node.settings.serves.who != "invitations":
            raise UsageError(
                "this server takes nobody by invitation",
                hint='Set `who = "invitations"` in [serves] of mosaic.toml, or put people on the list: '
                "`mosaic admin serve KEY`.",
            )
        # The code itself stands in no log: whoever reads it could use it.
        await self._log.write(arguments, "invite", {"uses": uses, "until": _text(until_ns), "note": note})
        yield {
            "code": self._node.rules.served.invite(uses=uses, until_ns=until_ns, note=note),
            "uses": uses,
            "until": _text(until_ns),
        }

    async def invitations(self, _given: JsonObject) -> Items:
        """The invitations that are open. Their codes are not kept."""
        for note, uses, made_ns, until_ns in self._node.rules.served.invitations():
            yield {"note": note, "uses": uses, "until": _text(until_ns), **time_fields(Timestamp(made_ns))}


def until(arguments: Arguments, now: Timestamp) -> int | None:
    """The end that `until` names (a Mosaic timestamp in ns): a time, or how long from now; None = for ever.

    Args:
        arguments: Those of an act.
        now: The time.

    Raises:
        UsageError: it is no time, or has passed.
    """
    text = arguments.optional_text("until")
    if not text:
        return None
    try:
        return now + duration_ns(text)
    except ValueError:
        pass
    end = Timestamp.parse_iso(text)
    if end <= now:
        raise UsageError(f"{text} has passed", hint="Name a time to come, or how long: 30d.")
    return end


def _object(person: ServedPerson) -> JsonObject:
    return {
        "key": person.key.user_text,
        "note": person.note,
        "by": person.by,
        "until": _text(person.until_ns),
        "blob_bytes": person.blob_bytes,
        **time_fields(Timestamp(person.since_ns), "since"),
    }


def _text(ns: int | None) -> str | None:
    return None if ns is None else Timestamp(ns).iso()
