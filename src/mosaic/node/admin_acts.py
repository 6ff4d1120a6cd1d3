"""What an operator does to the running node and looks at: settings, going, the log of acts, reports.

Source: edition §4 (Report, Server Act); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from mosaic.core.community_kinds import REPORT
from mosaic.core.filter import Filter
from mosaic.core.server_act import Value
from mosaic.errors import UsageError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, Json, JsonObject
from mosaic.node.operating import Operating
from mosaic.node.server_log import LoggedAct, ServerLog
from mosaic.node.shapes import record_object, time_fields

if TYPE_CHECKING:
    from mosaic.node.node import Node

_AT_ONCE: Final = 64


class AdminActs:
    """The operator's acts that are about the node itself.

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
            "admin_reload": self.reload,
            "admin_drain": self.drain,
            "admin_log": self.log,
            "admin_reports": self.reports,
            "page": self.page,
        }

    def _operating(self) -> Operating:
        if self._node.operating is None:
            raise UsageError("no node runs on this home", hint="`mosaic serve` starts it.")
        return self._node.operating

    async def page(self, given: JsonObject) -> Items:
        """The whole address of the page; with `once` one that opens it in one browser.

        Raises:
            UsageError: no node runs, or it shows no page.
        """
        page = self._operating().page
        if page is None or not page.address:
            raise UsageError("this node shows no page", hint="Leave --web out, or give it an address.")
        yield {"address": page.once() if Arguments(given).flag("once") else page.address}

    async def reload(self, _given: JsonObject) -> Items:
        """Reads the settings again: what holds now, and what a restart will change.

        Raises:
            SettingsInvalid: something in them is wrong; all stays as it was.
            UsageError: no node runs.
        """
        found = await self._operating().reload.once()
        yield {"taken": list[Json](found.taken), "restart": list[Json](found.restart)}

    async def drain(self, given: JsonObject) -> Items:
        """Lets the node go in order; `seconds` is how long peers may read their last answers.

        Raises:
            UsageError: no node runs, or `seconds` is no number.
        """
        arguments, operating = Arguments(given), self._operating()
        wait = arguments.number("seconds", -1)
        await self._log.write(arguments, "drain", {} if wait < 0 else {"seconds": wait})
        links = self._node.server.links
        operating.drain(None if wait < 0 else float(wait))
        yield {"draining": True, "links": links}

    async def log(self, given: JsonObject) -> Items:
        """What moderators did, newest first: `limit`; with `verify` also all that is wrong or missing."""
        arguments = Arguments(given)
        acts = self._log.acts(arguments.number("limit", 0), verify=arguments.flag("verify"))
        for count, logged in enumerate(acts, 1):
            yield {
                "act": None if logged.act is None else logged.act.act,
                "arguments": None if logged.act is None else _json(dict(logged.act.arguments)),
                "reason": None if logged.act is None else logged.act.reason,
                "by": logged.by,
                "signer": None if logged.record is None else logged.record.signer.user_text,
                "fault": logged.fault,
                "note": logged.note,
                "id": logged.id.text,
                "before": _before(logged),
                **time_fields(logged.id.timestamp),
            }
            if not count % _AT_ONCE:
                await asyncio.sleep(0)

    async def reports(self, given: JsonObject) -> Items:
        """What people reported to this server's moderators, newest first: `limit`."""
        limit = Arguments(given).number("limit", 100)
        for record in self._node.everything.newest_first(Filter.of(kinds=[REPORT]), limit):
            yield record_object(record)


def _before(logged: LoggedAct) -> str | None:
    """The act before one, as it says itself."""
    link = None if logged.act is None else logged.act.link
    return None if link is None or link.before is None else link.before.text


def _json(value: Value) -> Json:
    """An argument of an act as JSON."""
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    return [_json(each) for each in value] if isinstance(value, list) else value
