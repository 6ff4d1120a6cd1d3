"""An operator's acts about bans.

Source: messages.md (result codes 48 to 51); this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mosaic.core.timestamp import Timestamp
from mosaic.errors import UsageError
from mosaic.node import bans
from mosaic.node.admin_people import until
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.server_log import ServerLog
from mosaic.node.shapes import time_fields
from mosaic.policy.bans import Ban

if TYPE_CHECKING:
    from typing import Literal

    from mosaic.node.node import Node


class BanActs:
    """The operator's acts about bans.

    Args:
        node: The open home.
        log: Where acts are written down.
    """

    def __init__(self, node: Node, log: ServerLog) -> None:
        self._node = node
        self._log = log

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"admin_ban": self.ban, "admin_unban": self.unban, "admin_bans": self.bans}

    async def ban(self, given: JsonObject) -> Items:
        """Bans an address, a network or a key: `what`, `reason`, `until`. Who is connected is sent away.

        Raises:
            UsageError: it is none of them, is somebody of this home, or the end has passed.
        """
        node, arguments = self._node, Arguments(given)
        what, value, prefix = bans.parse(arguments.text("what"))
        if what == "key" and any(person.key.bytes == value for person in node.people):
            raise UsageError(
                "this is somebody who lives in this home", hint="Whoever lives here can't be banned."
            )
        until_ns, reason = until(arguments, node.clock.now()), arguments.optional_text("reason") or ""
        by = arguments.optional_text("as") or "operator"
        kind = cast("Literal['ip', 'key']", what)
        ban = Ban(kind, value, prefix, reason, node.clock.now_ns(), until_ns, by)
        end = None if until_ns is None else Timestamp(until_ns).iso()
        await self._log.write(arguments, "ban", {"what": bans.text(ban), "until": end})
        number = node.bans.add(ban)
        yield _object(bans.NumberedBan(number, ban))

    async def unban(self, given: JsonObject) -> Items:
        """Lifts a ban: `what` is its number, or what is banned.

        Raises:
            UsageError: there is no such ban.
        """
        arguments = Arguments(given)
        ban = self._node.bans.find(arguments.text("what"))
        await self._log.write(arguments, "unban", {"what": bans.text(ban)})
        self._node.bans.lift(ban)
        yield {"what": bans.text(ban)}

    async def bans(self, _given: JsonObject) -> Items:
        """The bans that hold: the operator's, then those that the server has made by itself."""
        for each in self._node.bans.all():
            yield _object(each)


def _object(numbered: bans.NumberedBan) -> JsonObject:
    ban = numbered.ban
    return {
        "number": numbered.number,
        "what": bans.text(ban),
        "reason": ban.reason,
        "until": None if ban.until_ns is None else Timestamp(ban.until_ns).iso(),
        "by": ban.source,
        **time_fields(Timestamp(ban.made_ns), "since"),
    }
