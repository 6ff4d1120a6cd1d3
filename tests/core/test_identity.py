"""Master and device keys together, over schedule, profile and bootstrap."""

from __future__ import annotations

import pytest

from mosaic.core import builder, key_schedule, nonce, profile
from mosaic.core.bootstrap import DhtItem, ServerUse, Usage, UserBootstrap
from mosaic.core.key_schedule import Entry, Marker, Standing, Verdict, attest
from mosaic.core.keys import SecretKey
from mosaic.core.kinds import MICROBLOG, PROFILE
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.errors import InvalidProfile

MASTER = SecretKey.generate(b"m" * 32)
PHONE = SecretKey.generate(b"p" * 32)
LAPTOP = SecretKey.generate(b"l" * 32)
SERVER = SecretKey.generate(b"s" * 32)
SECOND = 10**9
DAY_1 = 1_800_000_000 * SECOND
THEFT = DAY_1 + 1_000 * SECOND


def schedule(phone: Marker, timestamp: int, since: int = 0) -> key_schedule.KeySchedule:
    entries = (
        Entry.of(phone, attest(PHONE, MASTER.public), since),
        Entry.of(Marker.ACTIVE_SIGNING_KEY, attest(LAPTOP, MASTER.public)),
    )
    return key_schedule.parse(key_schedule.build(MASTER, entries, timestamp))


def post(signer: SecretKey, timestamp: int) -> Record:
    record = builder.build(
        signer,
        author=MASTER.public,
        kind=MICROBLOG,
        nonce=nonce.from_time(timestamp),
        timestamp=timestamp,
        payload=b"hello",
    )
    return Record.parse(record.data)


@pytest.mark.claim("C2")
def test_each_device_signs_for_the_person_with_a_key_of_its_own() -> None:
    first = schedule(Marker.ACTIVE_SIGNING_KEY, DAY_1)
    for device in (PHONE, LAPTOP):
        record = post(device, DAY_1)
        assert (record.author, record.signer) == (MASTER.public, device.public)
        assert first.judge(record, DAY_1) is Verdict.VALID
        assert first.standing(device.public) is Standing.ACTIVE


@pytest.mark.claim("C2")
def test_a_stolen_device_never_costs_the_person() -> None:
    after = schedule(Marker.REVOKED_PAST, THEFT + SECOND, THEFT)
    assert after.supersedes(schedule(Marker.ACTIVE_SIGNING_KEY, DAY_1))
    assert after.judge(post(PHONE, DAY_1), DAY_1) is Verdict.VALID
    assert after.judge(post(PHONE, THEFT + SECOND), THEFT + SECOND) is Verdict.REVOKED
    # The thief dates back; what counts is when it came.
    assert after.judge(post(PHONE, DAY_1), THEFT + SECOND) is Verdict.REVOKED
    assert after.judge(post(LAPTOP, THEFT + SECOND), THEFT + SECOND) is Verdict.VALID
    assert after.master == MASTER.public


@pytest.mark.claim("C2", "C3")
def test_a_device_can_change_neither_profile_nor_bootstrap() -> None:
    stolen = builder.build(
        PHONE,
        author=MASTER.public,
        kind=PROFILE,
        nonce=nonce.FIXED,
        timestamp=THEFT,
        payload=Profile("thief").payload(),
    )
    with pytest.raises(InvalidProfile):
        profile.parse(Record.parse(stolen.data))
    text = UserBootstrap((ServerUse(Usage(7), SERVER.public),)).publishable()
    ours, theirs = (DhtItem.sign(secret, UserBootstrap.salt, 1, text) for secret in (MASTER, PHONE))
    assert ours.verify()
    assert not DhtItem(MASTER.public, theirs.salt, theirs.seq, theirs.value, theirs.signature).verify()
    assert theirs.target != ours.target
