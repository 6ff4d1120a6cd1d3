"""What a thief deletes with a stolen device comes back when that is revoked, at home."""

from __future__ import annotations

import pytest
from tests.node.conftest import OpenNode, one

from mosaic.core import deletion, nonce
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Entry, Marker
from mosaic.node import put_aside
from mosaic.node.node import Node
from mosaic.node.person import Person
from mosaic.social.signer import Signer
from mosaic.wire.result_code import ResultCode

STOLEN = SecretKey.from_seed(b"s" * 32)


def person(node: Node) -> Person:
    return node.people.find(None)


def posts(node: Node) -> list[Record]:
    return list(node.records.newest_first(Filter.of(authors=[person(node).key], kinds=[MICROBLOG])))


def rows(node: Node) -> int:
    (count,) = node.db.connection.execute("SELECT count(*) FROM put_aside").fetchone()
    return int(count)


async def say(node: Node, marker: Marker, since: int = 0) -> None:
    """What the key schedule says of the other device from now on."""
    key = person(node).key
    entry = Entry.signing(Signer(key, STOLEN).attestation(), marker, since)
    before = node.records.schedule(key)
    assert before is not None
    others = [each for each in before.entries if each.subkey != entry.subkey]
    with node.people.master(person(node)) as master:
        await node.mirror([master.schedule([*others, entry], node.clock.now()).data])


async def delete(node: Node, *records: Record) -> Record:
    """What whoever has the other device does."""
    now = node.clock.now()
    made = deletion.build(
        STOLEN,
        [Target(record.kind, record.id) for record in records],
        now,
        nonce=nonce.from_time(now),
        author=person(node).key,
    )
    assert await node.mirror([made.data]) == [ResultCode.ACCEPTED]
    return made


@pytest.mark.claim("C3", "C8")
@pytest.mark.parametrize("marker", [Marker.REVOKED_ALL, Marker.REVOKED_PAST])
async def test_what_a_thief_deletes_comes_back_when_his_device_is_revoked(
    open_node: OpenNode, marker: Marker
) -> None:
    async with open_node("anna") as node:
        await say(node, Marker.ACTIVE_SIGNING_KEY)
        for text in ("one", "two"):
            await one(node, "post", text=text, working=True)
        # The device had been used by its owner as well.
        mine = Signer(person(node).key, STOLEN).record(
            kind=MICROBLOG, nonce=nonce.from_time(1), timestamp=node.clock.now(), payload=b"three"
        )
        await node.mirror([mine.data])
        before, since = posts(node), node.clock.now()
        assert len(before) == 3
        await delete(node, *before)
        assert posts(node) == []
        assert await node.put_aside.bring_back() == 0
        await say(node, marker, since)
        stay = [record for record in before if marker is Marker.REVOKED_PAST or record != mine]
        assert await node.put_aside.bring_back() == len(stay)
        assert posts(node) == stay
        assert rows(node) == 0


async def test_ones_own_word_leaves_nothing_and_that_of_another_device_nothing_after_a_month(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("anna") as node:
        await say(node, Marker.ACTIVE_SIGNING_KEY)
        for text in ("one", "two", "three"):
            await one(node, "post", text=text, working=True)
        first, second, third = posts(node)
        await one(node, "delete", reference=first.id.text, working=True)
        assert rows(node) == 0
        await delete(node, second)
        assert rows(node) == 1
        monkeypatch.setattr(put_aside, "KEPT_NS", -1)
        node.put_aside._forget(node.clock.now_ns())
        assert rows(node) == 0
        monkeypatch.setattr(put_aside, "KEPT_NS", 1 << 62)
        monkeypatch.setattr(put_aside, "MOST_BYTES", 10)
        await delete(node, third)
        assert rows(node) == 0
