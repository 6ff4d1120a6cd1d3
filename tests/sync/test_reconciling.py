"""Two stores find out what each of them lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import InvalidMessage, StoreCrowded, UsageError
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.sync.reconciling import ITEM_BYTES, Initiator, Responder, SyncSet, split_ids
from tests.store import samples
from tests.store.samples import key, put, record

ALICE, BOB = key(1), key(2)
SECOND = 1_000_000_000
FROM_AUTHOR = 4


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[EmbeddedStore, EmbeddedStore]]:
    opened = tuple(open_store(tmp_path / name, boot_id=samples.BOOT) for name in ("ours", "theirs"))
    yield opened[0], opened[1]
    for store in opened:
        store.close()


def gathered(store: EmbeddedStore, viewers: tuple[bytes, ...] | None = (), most: int = 10_000) -> SyncSet:
    items = SyncSet(most)
    scan = store.scan(samples.everything(), viewers=viewers)
    while not items.add(scan, 100_000):
        pass
    items.seal()
    return items


def compared(ours: SyncSet, theirs: SyncSet) -> tuple[set[bytes], set[bytes]]:
    initiator, responder = Initiator(ours, 10_000), Responder(theirs)
    have: list[bytes] = []
    need: list[bytes] = []
    message: bytes | None = initiator.begin()
    while message is not None:
        learned = initiator.take(responder.answer(message))
        have += split_ids(learned.ours)
        need += split_ids(learned.theirs)
        message = learned.answer
    assert len(set(have)) == len(have)
    assert len(set(need)) == len(need)
    return set(have), set(need)


@pytest.mark.claim("C63")
def test_each_lack_is_found(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    records = [record(author=ALICE, timestamp=1_000 + n // 2, payload=b"%d" % n) for n in range(900)]
    put(stores[0], *(one for n, one in enumerate(records) if n % 97 != 3))
    put(stores[1], *(one for n, one in enumerate(records) if n % 101 != 7))
    have, need = compared(gathered(stores[0]), gathered(stores[1]))
    assert have == {one[:ITEM_BYTES] for one in records[7::101] if records.index(one) % 97 != 3}
    assert need == {one[:ITEM_BYTES] for one in records[3::97] if records.index(one) % 101 != 7}


@pytest.mark.claim("C63")
def test_a_set_holds_what_a_peer_may_get(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    store = stores[0]
    open_one = record(author=ALICE, timestamp=1)
    private = record(author=ALICE, timestamp=2, kind=samples.AUTHOR_ONLY)
    put(store, open_one, private)
    assert len(gathered(store, ())) == 1
    assert len(gathered(store, (BOB,))) == 1
    assert len(gathered(store, (ALICE,))) == 2
    assert len(gathered(store, None)) == 2


def test_what_only_its_author_hands_in_is_in_no_set(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    marked = bytearray(record(author=ALICE, timestamp=1))
    marked[136] |= FROM_AUTHOR
    put(stores[0], bytes(marked), record(author=ALICE, timestamp=2))
    for viewers in ((), (ALICE,), None):
        assert len(gathered(stores[0], viewers)) == 1


def test_a_set_is_bounded(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    put(stores[0], *(record(author=ALICE, timestamp=n) for n in range(20)))
    assert len(gathered(stores[0], most=20)) == 20
    with pytest.raises(StoreCrowded):
        gathered(stores[0], most=19)


def test_what_is_needed_is_bounded(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    put(stores[1], *(record(author=ALICE, timestamp=n) for n in range(20)))
    initiator, responder = Initiator(gathered(stores[0]), 19), Responder(gathered(stores[1]))
    with pytest.raises(StoreCrowded):
        initiator.take(responder.answer(initiator.begin()))


def test_sets_are_filled_then_sealed_then_compared(stores: tuple[EmbeddedStore, EmbeddedStore]) -> None:
    items = SyncSet(10)
    with pytest.raises(UsageError, match="seal"):
        Responder(items)
    items.seal()
    items.seal()
    with pytest.raises(UsageError, match="sealed"):
        items.add(stores[0].scan(samples.everything()), SECOND)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(message: bytes) -> None:
    items = SyncSet(1)
    items.seal()
    initiator = Initiator(items, 10)
    initiator.begin()
    for step in (Responder(items).answer, initiator.take):
        try:
            step(message)
        except (InvalidMessage, StoreCrowded):
            with pytest.raises(UsageError, match="over"):
                step(message)


def test_a_count_without_its_ids_reserves_nothing() -> None:
    items = SyncSet(1)
    items.seal()
    with pytest.raises(InvalidMessage):
        Responder(items).answer(bytes.fromhex("61 0000 02 90808080808080 00"))
