"""The reading half of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store import samples

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.record_source import RecordSource, StoredRecord

ALICE, BOB = samples.key(1), samples.key(2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.mark.claim("C7", "C44")
def test_a_query_gives_records_newest_first_with_position_and_received_time(store: EmbeddedStore) -> None:
    records = [samples.record(author=ALICE, timestamp=t) for t in range(300)]
    _, positions = store.append(records, range(1000, 1300), bytes(300))
    expected = [
        StoredRecord(position, 1000 + n, Record(data))
        for n, (position, data) in enumerate(zip(positions, records, strict=True))
    ]
    source = RecordSource(store)
    assert list(source.query(Filter(), None, 0)) == expected[::-1]
    assert list(source.query(Filter(), None, 7)) == expected[:-8:-1]
    assert list(source.follow(Filter(), positions[290])) == expected[290:]
    assert list(source.follow(Filter(), source.end)) == []


@pytest.mark.claim("C30")
def test_references_are_read_as_who_asks_may(store: EmbeddedStore) -> None:
    secret = samples.record(author=ALICE, timestamp=1, kind=samples.AUTHOR_ONLY)
    samples.put(store, secret)
    source = RecordSource(store)
    for reference in (Id(secret[:48]), Address(secret[48:96])):
        assert [one.record.data for one in source.get(reference)] == [secret]
        assert [one.record.data for one in source.get(reference, [ALICE])] == [secret]
        assert source.get(reference, [BOB]) == []


def test_it_cannot_write(store: EmbeddedStore) -> None:
    source = RecordSource(store)
    assert not {"append", "remove", "compact", "close"} & set(dir(source))
