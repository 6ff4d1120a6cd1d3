"""Whether a node does well, for programs that watch it; and where they and Prometheus ask.

`/health` answers 200 while the node takes and keeps what comes, else 503, with
the reasons as JSON. `/metrics` gives all numbers.

Source: this project's own design, docs/architecture.md "Operations"; RFC 9110.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mosaic.node.host_port import NOWHERE, HostPort
from mosaic.node.http import Listening
from mosaic.node.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from mosaic.node.node import Node

_MINUTE_NS: Final = 60_000_000_000
HEALTH: Final = "/health"
"""Where it is told whether the node does well."""
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Health:
    """Looks at a node.

    Args:
        node: The node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        # (when, ns; how many writes had failed by then), a look each, of the last minute
        self._failures: deque[tuple[int, int]] = deque([(node.clock.now_ns(), 0)])

    def problems(self) -> list[str]:
        """What keeps the node from its work, a sentence each; none if it does well."""
        found = []
        operating = self._node.operating
        if operating is not None and operating.draining:
            found.append("The node is stopping.")
        usage = shutil.disk_usage(self._node.home.folder)
        free = 100 * usage.free / usage.total
        if free < self._node.settings.metrics.least_free_percent:
            found.append(f"Only {free:.1f} percent of the disk is free.")
        if self._failed_lately():
            found.append("Records could not be written within the last minute.")
        return found

    def warnings(self) -> list[str]:
        """What should be looked after, while the node does its work."""
        operating = self._node.operating
        clock = self._node.clock.warning()
        return [*([clock] if clock else []), *([] if operating is None else operating.cares())]

    def _failed_lately(self) -> bool:
        now_ns, failures = self._node.clock.now_ns(), self._node.server.metrics.write_failures
        self._failures.append((now_ns, failures))
        while len(self._failures) > 1 and self._failures[1][0] <= now_ns - _MINUTE_NS:
            self._failures.popleft()
        return failures > self._failures[0][1]


def create_app(node: Node) -> Starlette:
    """The application: /metrics and /health.

    Args:
        node: Whose.
    """
    metrics, health = Metrics(node), Health(node)

    async def numbers(_request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE, headers=_HEADERS)

    async def well(_request: Request) -> Response:
        problems = health.problems()
        told = {"ok": not problems, "problems": problems, "warnings": health.warnings()}
        return JSONResponse(told, 503 if problems else 200, headers=_HEADERS)

    return Starlette(routes=[Route("/metrics", numbers), Route(HEALTH, well)])


@contextlib.asynccontextmanager
async def watched(node: Node) -> AsyncIterator[HostPort]:
    """Answers at the address of the settings until the end of the block.

    Args:
        node: Whose numbers.

    Returns:
        The address with its port; NOWHERE where the settings name none.

    Raises:
        ListenFailed: the address can't be had.
    """
    where = node.settings.metrics.address
    if not where:
        yield NOWHERE
        return
    listening = Listening(where, "the metrics", "`address` in [metrics]")
    async with listening.serve(create_app(node), brief=True):
        yield listening.at
