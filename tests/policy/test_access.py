from __future__ import annotations

import itertools

import pytest

from mosaic.core import core_tags
from mosaic.core.kind import Readers
from mosaic.core.tag import Tag
from mosaic.policy.access import is_open, may_read
from mosaic.policy.label import Label
from mosaic.policy.submission import notified
from mosaic.testing import FakeClock, Person
from mosaic.testing.people import kind_of

ANNA, BEN, CLARA, EVE = (Person(name) for name in ("anna", "ben", "clara", "eve"))
NOW = FakeClock().now_ns()


@pytest.mark.claim("C27")
@pytest.mark.parametrize("readers", list(Readers))
def test_who_may_read_a_record(readers: Readers) -> None:
    record = ANNA.record(NOW, kind=kind_of(readers=readers), notify=[BEN.key, CLARA.key]).data
    everybody, tagged = readers is Readers.EVERYBODY, readers is not Readers.AUTHOR
    assert is_open(record) == everybody
    assert may_read(record, ()) == everybody
    assert may_read(record, (EVE.key_bytes,)) == everybody
    for person in (BEN, CLARA):
        assert may_read(record, (EVE.key_bytes, person.key_bytes)) == tagged
    assert may_read(record, (EVE.key_bytes, ANNA.key_bytes))


@pytest.mark.claim("C27")
def test_only_notify_tags_count_as_tagged() -> None:
    mentions = [core_tags.subkey(BEN.key), core_tags.user_mention(BEN.key, 0), Tag(1, BEN.key_bytes[:20])]
    record = ANNA.record(NOW, kind=kind_of(readers=Readers.AUTHOR_AND_TAGGED), tags=mentions).data
    assert not may_read(record, (BEN.key_bytes,))


def test_notified_keys_are_found_between_other_tags() -> None:
    others = [Tag(0x4D00, bytes(size)) for size in (0, 1, 7, 300)]
    for order in itertools.permutations(range(4)):
        tags = [others[at] for at in order]
        tags[2:2] = [core_tags.notify(BEN.key), core_tags.notify(CLARA.key)]
        record = ANNA.record(NOW, tags=tags).data
        assert list(notified(record)) == [BEN.key_bytes, CLARA.key_bytes]
    assert list(notified(ANNA.record(NOW).data)) == []


@pytest.mark.claim("C27")
@pytest.mark.parametrize("label", [Label.ONLY_TAGGED, Label.WITHHELD, Label.ONLY_TAGGED | Label.WITHHELD])
@pytest.mark.parametrize("readers", list(Readers))
def test_with_a_label_only_the_tagged_read_and_never_the_author(readers: Readers, label: int) -> None:
    record = ANNA.record(NOW, kind=kind_of(readers=readers), notify=[BEN.key]).data
    assert not is_open(record, label)
    assert not may_read(record, (), label)
    assert not may_read(record, (ANNA.key_bytes, EVE.key_bytes), label)
    assert may_read(record, (EVE.key_bytes, BEN.key_bytes), label) == (readers is not Readers.AUTHOR)


def test_what_is_hidden_only_the_owner_of_the_store_reads() -> None:
    record = ANNA.record(NOW, kind=kind_of(readers=Readers.EVERYBODY), notify=[BEN.key]).data
    assert not is_open(record, Label.HIDDEN)
    assert not may_read(record, (ANNA.key_bytes, BEN.key_bytes), Label.HIDDEN)
    assert may_read(record, None, Label.HIDDEN)
