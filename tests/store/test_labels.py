"""Who reads a record under each label: the store and what is handed on live agree about every combination."""

from __future__ import annotations

from itertools import chain, combinations, product
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Readers
from mosaic.policy.access import may_read
from mosaic.policy.label import Label
from mosaic.store.embedded import open_store
from mosaic.store.store import Mode
from mosaic.testing import FakeClock, Person
from mosaic.testing.people import kind_of

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
NOW = FakeClock().now_ns()
PEOPLE = (ANNA, BEN, EVE)


@pytest.mark.claim("C27", "C56")
def test_the_store_and_what_is_handed_on_agree_about_every_label(tmp_path: Path) -> None:
    """Every kind of readers, every label, every set of viewers, tagged or not: by scan, look-up and log."""
    cases = list(product(Readers, range(8), ((), (BEN,), (BEN, EVE))))
    records, labels = [], bytearray()
    for readers, label, notified in cases:
        kind = kind_of(readers=readers, duplicates=Duplicates.UNIQUE)
        records.append(ANNA.record(NOW, kind=kind, notify=[one.key for one in notified]).data)
        labels.append(label)
    store = open_store(tmp_path / "store")
    try:
        modes = bytes([Mode.KEEP_ALL]) * len(records)
        _, positions = store.append(records, list(range(1, len(records) + 1)), modes, labels=bytes(labels))
        assert store.labels(positions) == bytes(labels)
        everything = Filter.of(authors=[ANNA.key]).compiled
        subsets = chain.from_iterable(combinations(PEOPLE, count) for count in range(4))
        for viewers in (None, *(tuple(one.key_bytes for one in some) for some in subsets)):
            wanted = {
                record
                for record, label in zip(records, labels, strict=True)
                if may_read(record, viewers, label)
            }
            for scan in (
                store.scan(everything, viewers=viewers),
                store.follow(everything, 0, viewers=viewers),
                store.lookup([record[:48] for record in records], viewers=viewers),
                store.lookup([record[48:96] for record in records], viewers=viewers),
            ):
                found, finished = scan.records(10_000, 10_000_000_000)
                assert finished
                assert {data for _, _, data in found} == wanted
    finally:
        store.close()


@pytest.mark.claim("C56")
def test_a_label_only_ever_narrows() -> None:
    for readers, notified in product(Readers, ((), (BEN,))):
        record = ANNA.record(NOW, kind=kind_of(readers=readers), notify=[one.key for one in notified]).data
        for label, viewer in product(range(1, 8), PEOPLE):
            if may_read(record, (viewer.key_bytes,), label):
                assert may_read(record, (viewer.key_bytes,))
                assert not label & Label.HIDDEN
                assert viewer in notified
