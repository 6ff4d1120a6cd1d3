from __future__ import annotations

import pytest

from mosaic.core import vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.errors import InvalidContent
from mosaic.testing import FakeClock, Person

ANNA = Person("anna")
NOW = FakeClock().now_ns()


def test_a_vouch_names_records_each_once() -> None:
    records = [ANNA.record(NOW + n) for n in range(3)]
    word = vouch.build(ANNA.master, [record.id for record in [*records, records[0]]], NOW, nonce=FIXED)
    assert vouch.parse(Record(word.data)) == {record.id.bytes for record in records}
    assert len(word.payload) == 3 * 48


def test_what_is_no_vouch_is_refused() -> None:
    record = ANNA.record(NOW)
    for false in (
        record,
        ANNA.record(NOW, kind=VOUCH, signer=ANNA.device(), payload=record.id.bytes),
        ANNA.record(NOW, kind=VOUCH, payload=record.id.bytes[:47]),
    ):
        with pytest.raises(InvalidContent):
            vouch.parse(false)
