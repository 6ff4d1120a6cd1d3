"""The simulated DHT: it keeps the rules of BEP 44, and what liars say does not hold."""

from __future__ import annotations

from mosaic.core.dht_item import USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.dht.network import WriteOutcome
from mosaic.testing.simulation.dht import Manner, SimulatedDht, SimulatedDhtNode
from mosaic.testing.simulation.trace import Trace
from mosaic.testing.simulation.virtual_time import run

ANNA = SecretKey.from_seed(bytes(31) + b"\x01")
HOUR_NS = 3_600 * 10**9


def item(seq: int) -> DhtItem:
    return DhtItem.sign(ANNA, USER_SALT, seq, b"mub25\r\n7 mosrv0%d\r\n" % seq)


class Asked:
    def __init__(self) -> None:
        self.now_ns = 0
        self.dht = SimulatedDht(20, Trace(), lambda: self.now_ns)
        self.node = SimulatedDhtNode(self.dht, lambda: True, "here", lambda: None)

    async def heard(self) -> list[int]:
        found: list[DhtItem] = []
        await self.node.look_up(ANNA.public, USER_SALT, found.append)
        assert all(one.verify() for one in found)
        return sorted(one.seq for one in found)


def test_numbers_rise_and_what_is_expected_must_stand_there() -> None:
    async def story() -> None:
        asked = Asked()
        assert (await asked.node.write(item(2), None)).outcome is WriteOutcome.STORED
        assert await asked.heard() == [2] * 8
        assert (await asked.node.write(item(1), None)).outcome is WriteOutcome.NOT_MOST_RECENT
        assert (await asked.node.write(item(3), 1)).outcome is WriteOutcome.CAS_FAILED
        assert (await asked.node.write(item(3), 2)).outcome is WriteOutcome.STORED
        assert await asked.heard() == [3] * 8
        asked.now_ns += 2 * HOUR_NS
        assert await asked.heard() == []

    run(story)


def test_liars_are_heard_only_with_what_was_signed() -> None:
    async def story() -> None:
        asked = Asked()
        for seq in (1, 2):
            await asked.node.write(item(seq), None)
        places = [asked.dht.machines.index(one) for one in asked.dht.closest(item(1).target)]
        asked.dht.behave(Manner.FORGER, places[:2])
        asked.dht.behave(Manner.BACKWARD, places[2:4])
        asked.dht.behave(Manner.FORGETFUL, places[4:5])
        asked.dht.behave(Manner.SILENT, places[5:6])
        assert await asked.heard() == [1, 1, 2, 2]
        assert asked.dht.refused == 2

    run(story)
