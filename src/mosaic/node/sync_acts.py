"""The act `sync`: this home and another server exchange what each lacks.

Source: edition §4 (sync).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from mosaic.client.syncing import Direction, SyncProgress
from mosaic.errors import UsageError
from mosaic.node.arguments import Arguments, parse_filter
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.mirrors import Mirror, synced
from mosaic.node.synced import SyncPlan

if TYPE_CHECKING:
    from mosaic.node.node import Node


class SyncActs:
    """Syncs with other servers.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"sync": self.sync}

    async def sync(self, given: JsonObject) -> Items:
        """Syncs with `server` and `key`: `dir` (up, down or both), a filter, `as`, `follow` to go on.

        Raises:
            UsageError: no server is named.
        """
        arguments = Arguments(given)
        server, name = arguments.server(), arguments.optional_text("as")
        if server is None:
            raise UsageError("no server is named", hint="Name its URL, and its key with --key mosrv0…")
        plan = SyncPlan(
            server,
            None if name is None else self._node.people.find(name),
            parse_filter(arguments, self._node.clock.now()),
            Direction(arguments.optional_text("dir") or "both"),
        )
        follows = arguments.flag("follow")
        steps = self._followed(plan) if follows else self._once(plan)
        last: JsonObject = _object(SyncProgress(), done=False)
        async with contextlib.aclosing(steps):
            async for progress in steps:
                last = _object(progress, done=False)
                yield last
        yield {**last, "done": True}

    async def _once(self, plan: SyncPlan) -> AsyncGenerator[SyncProgress, None]:
        async with (
            self._node.pool.connect(plan.server, plan.secret, own_stream=True) as connection,
            contextlib.aclosing(synced(self._node, plan, connection)) as steps,
        ):
            async for progress in steps:
                yield progress

    def _followed(self, plan: SyncPlan) -> AsyncGenerator[SyncProgress, None]:
        return Mirror(self._node, plan, self._node.settings.mirror_again_s).run()


def _object(progress: SyncProgress, *, done: bool) -> JsonObject:
    return {
        "received": progress.received,
        "sent": progress.sent,
        "known": progress.known,
        "refused": progress.refused,
        "left": progress.left,
        "compared": progress.compared,
        "messages_bytes": progress.messages,
        "by_query": progress.by_query,
        "done": done,
    }
