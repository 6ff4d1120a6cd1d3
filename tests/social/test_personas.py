from __future__ import annotations

from collections.abc import Iterator

import pytest

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.social.personas import OnlyPersonas
from mosaic.testing.people import Person

ANNA, BEN = Person("anna"), Person("ben")
PEN, BOOK = ANNA.device("pen"), ANNA.device("book")


class Shelf:
    def __init__(self, *records: Record) -> None:
        self._records = records

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        assert limit == 0
        return iter(sorted(self._records, reverse=True))

    def at(self, reference: Reference) -> list[Record]:
        return list(self.newest_first(Filter.of(authors=[ANNA.key])))


@pytest.mark.claim("C8")
def test_of_a_person_only_the_followed_personas_are_read() -> None:
    by_pen, by_book, by_master, by_ben = (
        ANNA.record(1, signer=PEN),
        ANNA.record(2, signer=BOOK),
        ANNA.record(3),
        BEN.record(4),
    )
    shelf = Shelf(by_pen, by_book, by_master, by_ben)
    wanted = Filter.of(authors=[ANNA.key, BEN.key])
    only = OnlyPersonas(shelf, {ANNA.key.bytes: {PEN.public.bytes}})
    assert list(only.newest_first(wanted)) == [by_ben, by_master, by_pen]
    assert list(only.newest_first(wanted, 1)) == [by_ben]
    assert only.at(by_pen.id) == [by_ben, by_master, by_pen]
    assert list(OnlyPersonas(shelf, {}).newest_first(wanted)) == [by_ben, by_master, by_book, by_pen]
