from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.client import sealing
from mosaic.client.sealing import Recipient, recipients, seal
from mosaic.core import builder, encryption, key_schedule
from mosaic.core.community_kinds import CLIENT_STATE
from mosaic.core.key_schedule import Entry, KeySchedule, Marker
from mosaic.core.keys import SecretKey
from mosaic.core.nonce import FIXED
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidContent, NoEncryptionKey, ScheduleStale, Undecryptable, UsageError

NOW = 1_790_000_000_000_000_000
HOUR = 3_600_000_000_000
MASTER = SecretKey.from_seed(bytes([1]) * 32)
DEVICE = SecretKey.from_seed(bytes([2]) * 32)
SECRETS = [X25519Secret(bytes([3, number]) + bytes(30)) for number in range(20)]
HEAD = encryption.record_head(
    nonce=FIXED, kind=CLIENT_STATE, author=MASTER.public, signer=DEVICE.public, timestamp=NOW
)


def to(*numbers: int) -> list[Recipient]:
    return [Recipient(MASTER.public, SECRETS[number].public) for number in numbers]


def schedule(*entries: Entry) -> KeySchedule:
    return key_schedule.parse(key_schedule.build(MASTER, entries, NOW))


@pytest.mark.claim("C66")
@given(st.binary(max_size=2_000), st.lists(st.integers(0, 15), min_size=1, max_size=5, unique=True))
@example(b"", [0])
@example(bytes(524_288), list(range(16)))
def test_every_recipient_opens_it_and_its_length_tells_the_padded_one_alone(
    content: bytes, numbers: list[int]
) -> None:
    payload = seal(content, to(*numbers), HEAD)
    assert len(payload) == encryption.sealed_length(len(numbers), len(content))
    for number in numbers:
        plaintext = encryption.opened(payload, HEAD, MASTER.public, [SECRETS[number]])
        assert encryption.unpadded(plaintext, len(content)) == content
    with pytest.raises(Undecryptable):
        encryption.opened(payload, HEAD, MASTER.public, [SECRETS[19]])


@pytest.mark.claim("C66")
@given(st.data())
def test_a_changed_payload_does_not_open(data: st.DataObject) -> None:
    payload = bytearray(seal(b"content", to(0, 1), HEAD))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Undecryptable, InvalidContent)):
        encryption.opened(bytes(payload), HEAD, MASTER.public, SECRETS[:2])


def test_nothing_is_used_twice() -> None:
    one, other = (encryption.EncryptedPayload.parse(seal(b"same", to(0), HEAD)) for _ in range(2))
    assert one.stanzas[0].sealed[:32] != other.stanzas[0].sealed[:32]
    assert one.body != other.body


@pytest.mark.claim("C66")
def test_it_opens_in_the_record_it_was_made_for() -> None:
    record = builder.build(
        DEVICE,
        kind=CLIENT_STATE,
        nonce=FIXED,
        timestamp=NOW,
        author=MASTER.public,
        payload=seal(b"state", to(4), HEAD),
    )
    assert record.data[encryption.RECORD_HEAD] == HEAD
    plaintext = encryption.opened_record(record, MASTER.public, SECRETS)
    assert encryption.unpadded(plaintext, 5) == b"state"


@pytest.mark.parametrize("numbers", [[], list(range(17))])
def test_it_goes_to_1_to_16_keys(numbers: list[int]) -> None:
    with pytest.raises(UsageError):
        seal(b"x", to(*numbers), HEAD)


def test_it_is_bound_to_the_head_of_a_record() -> None:
    with pytest.raises(UsageError):
        seal(b"x", to(0), HEAD[:-1])


def test_a_key_of_small_order_is_refused_and_in_a_schedule_passed_over() -> None:
    with pytest.raises(NoEncryptionKey):
        seal(b"x", [Recipient(MASTER.public, bytes(32))], HEAD)
    mixed = schedule(Entry.encryption(bytes(32)), Entry.encryption(SECRETS[0].public))
    assert recipients(mixed, NOW, NOW) == tuple(to(0))
    with pytest.raises(NoEncryptionKey):
        recipients(schedule(Entry.encryption(bytes(32))), NOW, NOW)


def test_it_goes_to_the_16_newest_active_keys() -> None:
    entries = [Entry.encryption(secret.public) for secret in SECRETS]
    assert recipients(schedule(*entries), NOW, NOW) == tuple(to(*range(4, 20)))
    ended = entries[19].marked(Marker.OUT_OF_USE, NOW)
    assert recipients(schedule(*entries[:19], ended), NOW, NOW) == tuple(to(*range(3, 19)))


def test_a_schedule_counts_for_an_hour_after_it_was_checked() -> None:
    known = schedule(Entry.encryption(SECRETS[0].public))
    assert sealing.FRESH_NS == HOUR
    assert recipients(known, NOW - HOUR, NOW)
    with pytest.raises(ScheduleStale):
        recipients(known, NOW - HOUR - 1, NOW)
