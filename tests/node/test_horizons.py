"""How far retention by size went: known again after a restart, before anything is served."""

from __future__ import annotations

from tests.node.conftest import OpenNode

from mosaic.core.kinds import MICROBLOG
from mosaic.policy.retention import RetentionRule
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode

EVE = Person("eve")
RULE = RetentionRule(MICROBLOG, keep_bytes=1_000)


async def test_what_had_no_room_is_refused_after_a_restart(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        node.rules.retention.follow([RULE])
        now_ns = node.clock.now_ns()
        node.rules.retention.was_full(RULE, now_ns)
    async with open_node("ana") as node:
        node.rules.retention.follow([RULE])
        old, new = (
            EVE.record(at, kind=MICROBLOG, notify=[node.people.find(None).key]) for at in (now_ns, now_ns + 1)
        )
        assert await node.server.submit([old.data, new.data], Way.LINK) == [
            ResultCode.UNAUTHORIZED,
            ResultCode.ACCEPTED,
        ]
        node.rules.retention.has_room(RULE, 0)
    async with open_node("ana") as node:
        assert dict(node.rules.retention.full_until) == {}
