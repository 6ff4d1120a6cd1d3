from __future__ import annotations

from dataclasses import replace

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, STRANGER, SUBKEY, post

from mosaic._kernel import _rust
from mosaic.core import builder, core_tags, foreign_schedule, key_schedule, kinds, nonce
from mosaic.core.key_schedule import KeySchedule, Standing, Verdict
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.schedule_entry import (
    Algorithm,
    Entry,
    Marker,
    attest,
    attestation_head,
    entries_from_payload,
)
from mosaic.core.tag import Tag
from mosaic.errors import ForeignKeySchedule, FormatError, InvalidKeySchedule, UsageError

ATTESTATION = attest(SUBKEY, MASTER.public)
ACTIVE = Entry.signing(ATTESTATION)
X25519 = Entry.encryption(bytes(range(32)))
NOSTR_SECRET = coincurve.PrivateKey(bytes([7]) * 32)
NOSTR_KEY = coincurve.PublicKeyXOnly.from_secret(bytes([7]) * 32).format()
NOSTR_HEAD = attestation_head(Algorithm.SECP256K1, NOSTR_KEY, MASTER.public)
NOSTR = Entry.signing(
    NOSTR_HEAD + NOSTR_SECRET.sign_schnorr(_rust.blake3(NOSTR_HEAD, 32), bytes(32)), Marker.ACTIVE_NOSTR_KEY
)


def schedule(*entries: Entry) -> KeySchedule:
    return key_schedule.parse(key_schedule.build(MASTER, entries, NOW))


def record_with(payload: bytes, *, secret: SecretKey = MASTER, tags: tuple[Tag, ...] | None = None) -> Record:
    keys = (SUBKEY.public.bytes, X25519.subkey, NOSTR_KEY, OTHER.public.bytes)
    return builder.build(
        secret,
        author=MASTER.public,
        kind=kinds.KEY_SCHEDULE,
        nonce=nonce.FIXED,
        timestamp=NOW,
        tags=tuple(core_tags.subkey(key) for key in keys) if tags is None else tags,
        payload=payload,
    )


@pytest.mark.claim("C4", "C5", "C6")
def test_a_schedule_comes_back() -> None:
    entries = (
        ACTIVE,
        X25519,
        NOSTR,
        Entry.signing(attest(OTHER, MASTER.public), Marker.REVOKED_PAST, NOW - 5),
        X25519.marked(Marker.OUT_OF_USE, NOW),
    )
    record = key_schedule.build(MASTER, entries, NOW)
    parsed = key_schedule.parse(Record.parse(record.data))
    assert parsed.entries == entries
    assert parsed.master == MASTER.public
    assert (parsed.id, parsed.timestamp) == (record.id, NOW)
    assert record.nonce == bytes.fromhex("8000000000000000")
    assert record.kind.bytes == bytes.fromhex("000000000001000e")
    assert core_tags.subkeys(record) == (SUBKEY.public.bytes, X25519.subkey, NOSTR_KEY, OTHER.public.bytes)


@pytest.mark.claim("C5")
def test_the_layout_of_an_attestation() -> None:
    assert len(ATTESTATION) == 136
    assert ATTESTATION[:8] == bytes.fromhex("2c2898f58b 00 4000")
    assert ATTESTATION[8:72] == SUBKEY.public.bytes + MASTER.public.bytes
    digest = _rust.blake3(ATTESTATION[:72], 64)
    assert _rust.verify(SUBKEY.public.bytes, digest, ATTESTATION[72:], b"Mosaic")


@pytest.mark.claim("C5")
def test_the_layout_of_an_entry() -> None:
    revoked = ACTIVE.marked(Marker.REVOKED_ALL, 0x0102030405060708)
    assert revoked.encode() == bytes.fromhex("01 00 9800 4000 0000 0102030405060708") + ATTESTATION
    assert X25519.encode() == bytes.fromhex("02 00 3800 0100 0000" + "00" * 8 + "d6daf0bd33 00 0000") + bytes(
        range(32)
    )


@pytest.mark.claim("C6")
def test_markers_and_their_times() -> None:
    assert {marker.name: int(marker) for marker in Marker} == {
        "ACTIVE_SIGNING_KEY": 0,
        "ACTIVE_ENCRYPTION_KEY": 1,
        "REVOKED_ALL": 0x40,
        "REVOKED_PAST": 0x41,
        "OUT_OF_USE": 0x4F,
        "ACTIVE_NOSTR_KEY": 0x80,
    }
    assert Entry.signing(ATTESTATION, timestamp=NOW).timestamp == 0
    assert ACTIVE.marked(Marker.OUT_OF_USE, NOW).timestamp == NOW
    for marker in (Marker.REVOKED_ALL, Marker.REVOKED_PAST):
        with pytest.raises(InvalidKeySchedule, match="timestamp"):
            ACTIVE.marked(marker)


@pytest.mark.claim("C6", "C8")
def test_markers_must_fit_their_keys() -> None:
    for entry, marker in (
        (ACTIVE, Marker.ACTIVE_ENCRYPTION_KEY),
        (ACTIVE, Marker.ACTIVE_NOSTR_KEY),
        (NOSTR, Marker.ACTIVE_SIGNING_KEY),
        (X25519, Marker.ACTIVE_SIGNING_KEY),
        (X25519, Marker.ACTIVE_NOSTR_KEY),
    ):
        with pytest.raises(InvalidKeySchedule, match="does not fit"):
            entry.marked(marker)


REFUSED = {
    "kind 0": (0, b"\x00"),
    "kind 3": (0, b"\x03"),
    "kind of the other data": (0, b"\x02"),
    "byte 1": (1, b"\x01"),
    "length too small": (2, b"\x90"),
    "length too great": (2, b"\xa0"),
    "length 0": (2, b"\x00"),
    "unknown marker": (4, b"\x22"),
    "bytes 6 and 7": (7, b"\x01"),
    "timestamp with the top bit": (8, b"\x80"),
    "magic": (16, b"\x2d"),
    "algorithm": (21, b"\x09"),
    "length of the signature": (22, b"\x3f"),
    "subkey": (24, b"\x00"),
    "other master": (56, b"\x00"),
    "signature": (151, b"\x00"),
}


@pytest.mark.claim("C4", "C5")
@pytest.mark.parametrize(("place", "replacement"), REFUSED.values(), ids=REFUSED.keys())
def test_each_rule_of_an_entry_refuses(place: int, replacement: bytes) -> None:
    payload = bytearray(ACTIVE.encode())
    assert payload[place : place + 1] != replacement
    payload[place : place + 1] = replacement
    with pytest.raises(InvalidKeySchedule) as caught:
        key_schedule.parse(record_with(bytes(payload)))
    assert not isinstance(caught.value, ForeignKeySchedule)


@pytest.mark.claim("C4")
def test_rules_of_the_whole_record() -> None:
    payload = ACTIVE.encode()
    key_schedule.parse(record_with(payload))
    with pytest.raises(InvalidKeySchedule, match="signed by the master"):
        key_schedule.parse(record_with(payload, secret=SUBKEY))
    with pytest.raises(InvalidKeySchedule, match="subkey tag"):
        key_schedule.parse(record_with(payload, tags=()))
    with pytest.raises(InvalidKeySchedule, match="kind"):
        key_schedule.parse(post())
    for cut in (payload[:-8], payload[:8], payload + bytes(8)):
        with pytest.raises(InvalidKeySchedule):
            key_schedule.parse(record_with(cut))
    assert key_schedule.parse(record_with(b"")).entries == ()


@pytest.mark.claim("C5")
def test_nobody_can_list_a_key_that_did_not_agree() -> None:
    forged = attestation_head(Algorithm.CURVE_25519, OTHER.public.bytes, MASTER.public)
    forged += _rust.sign_attestation(SUBKEY.reveal(), ATTESTATION[:72])
    with pytest.raises(InvalidKeySchedule, match="not signed by its subkey"):
        key_schedule.build(MASTER, [Entry.signing(forged)], NOW)
    with pytest.raises(InvalidKeySchedule, match="another master"):
        key_schedule.build(STRANGER, [ACTIVE], NOW)


@pytest.mark.claim("C5", "C8")
def test_nostr_keys_attest_by_bip_340() -> None:
    assert schedule(NOSTR).nostr_keys() == (NOSTR_KEY,)
    assert schedule(NOSTR, NOSTR.marked(Marker.OUT_OF_USE)).nostr_keys() == ()
    damaged = NOSTR.data[:-1] + bytes([NOSTR.data[-1] ^ 1])
    no_point = NOSTR.data[:8] + b"\xff" * 32 + NOSTR.data[40:]
    for data in (damaged, no_point):
        with pytest.raises(InvalidKeySchedule):
            Entry.signing(data, Marker.ACTIVE_NOSTR_KEY).verify(MASTER.public)


def test_a_compressed_schedule_is_read() -> None:
    entries = [Entry.encryption(bytes([number]) * 32) for number in range(20)]
    record = builder.build(
        MASTER,
        kind=kinds.KEY_SCHEDULE,
        nonce=nonce.FIXED,
        timestamp=NOW,
        tags=key_schedule.tags_for(entries),
        payload=b"".join(entry.encode() for entry in entries),
        compress=True,
    )
    assert record.compressed
    assert key_schedule.parse(record).entries == tuple(entries)


@pytest.mark.claim("C6")
def test_standings() -> None:
    held = schedule(ACTIVE, Entry.signing(attest(OTHER, MASTER.public), Marker.OUT_OF_USE), X25519)
    assert held.standing(MASTER.public) is Standing.MASTER
    assert held.standing(SUBKEY.public) is Standing.ACTIVE
    assert held.standing(OTHER.public) is Standing.OUT_OF_USE
    assert held.standing(STRANGER.public) is Standing.UNLISTED
    assert [held.may_sign(key.public) for key in (MASTER, SUBKEY, OTHER, STRANGER)] == [
        True,
        True,
        False,
        False,
    ]
    assert held.signing_keys() == (SUBKEY.public,)


@pytest.mark.claim("C6", "C7")
def test_revocation_is_judged_by_receipt_and_by_the_records_own_time() -> None:
    since = NOW - 100
    revoked = schedule(ACTIVE.marked(Marker.REVOKED_PAST, since))
    by_subkey = {time: post(SUBKEY, timestamp=time) for time in (since - 1, since, since + 1)}

    def judged(timestamp: int, received: int) -> Verdict:
        return revoked.judge(by_subkey[timestamp], received)

    assert judged(since - 1, since) is Verdict.VALID
    assert judged(since, since) is Verdict.VALID
    assert judged(since, since + 1) is Verdict.REVOKED  # dated back by a thief
    assert judged(since + 1, since) is Verdict.REVOKED
    assert judged(since + 1, since + 1) is Verdict.REVOKED


@pytest.mark.claim("C6")
def test_revoked_all_holds_whenever_a_record_came() -> None:
    revoked = schedule(ACTIVE.marked(Marker.REVOKED_ALL, NOW))
    assert revoked.judge(post(SUBKEY, timestamp=0), 0) is Verdict.REVOKED


@pytest.mark.claim("C6")
def test_out_of_use_revokes_nothing_and_the_master_always_may() -> None:
    held = schedule(ACTIVE.marked(Marker.OUT_OF_USE, 1))
    assert held.judge(post(SUBKEY), NOW) is Verdict.VALID
    assert held.judge(post(MASTER), NOW) is Verdict.VALID
    assert held.judge(post(OTHER), NOW) is Verdict.UNLISTED


def test_the_master_cannot_be_unlisted_by_its_own_schedule() -> None:
    own = Entry.signing(attest(MASTER, MASTER.public), Marker.REVOKED_ALL, NOW)
    held = schedule(own)
    assert held.standing(MASTER.public) is Standing.MASTER
    assert held.judge(post(MASTER), NOW) is Verdict.VALID


def test_keys_that_only_decrypt_do_not_sign() -> None:
    as_signer = Entry.encryption(SUBKEY.public.bytes)
    assert schedule(as_signer).judge(post(SUBKEY), NOW) is Verdict.UNLISTED


@pytest.mark.claim("C6")
@given(st.permutations(range(5)))
def test_of_contradicting_entries_the_strictest_holds(order: list[int]) -> None:
    entries = [
        ACTIVE,
        ACTIVE.marked(Marker.OUT_OF_USE, 7),
        ACTIVE.marked(Marker.REVOKED_PAST, NOW),
        ACTIVE.marked(Marker.REVOKED_PAST, NOW - 50),
        ACTIVE.marked(Marker.REVOKED_ALL, NOW + 50),
    ]
    ranked = [order.index(number) for number in range(5)]

    def standing(count: int) -> Standing:
        chosen = [entries[number] for number in sorted(range(count), key=lambda n: ranked[n])]
        held = KeySchedule(MASTER.public, post().id, tuple(chosen))
        if count == 4:
            assert held.judge(post(SUBKEY, timestamp=NOW - 50), NOW - 50) is Verdict.VALID
            assert held.judge(post(SUBKEY, timestamp=NOW - 50), NOW - 49) is Verdict.REVOKED
        return held.standing(SUBKEY.public)

    assert [standing(count) for count in range(1, 6)] == [
        Standing.ACTIVE,
        Standing.OUT_OF_USE,
        Standing.REVOKED_PAST,
        Standing.REVOKED_PAST,
        Standing.REVOKED_ALL,
    ]


def test_a_record_of_somebody_else_is_not_judged() -> None:
    with pytest.raises(UsageError):
        schedule(ACTIVE).judge(post(OTHER, author=OTHER), NOW)


@pytest.mark.claim("C5")
def test_encryption_keys_are_the_16_newest_that_are_active() -> None:
    entries = [Entry.encryption(bytes([number]) * 32) for number in range(20)]
    ended = entries[19].marked(Marker.OUT_OF_USE, NOW)
    held = schedule(*entries, ended, entries[3])
    assert held.encryption_keys() == tuple(bytes([number]) * 32 for number in range(3, 19))
    secp = replace(X25519, data=X25519.data[:5] + b"\x01" + X25519.data[6:])
    assert schedule(secp).encryption_keys() == ()


@pytest.mark.claim("C4")
def test_the_greater_time_and_then_id_holds() -> None:
    old = key_schedule.parse(key_schedule.build(MASTER, [ACTIVE], NOW))
    new = key_schedule.parse(key_schedule.build(MASTER, [ACTIVE], NOW + 1))
    other = key_schedule.parse(key_schedule.build(MASTER, [ACTIVE], NOW, nonce=nonce.from_time(5)))
    assert new.supersedes(old)
    assert not old.supersedes(new)
    assert not old.supersedes(old)
    assert old.supersedes(other) == (old.id > other.id)


FOREIGN = SUBKEY.public.bytes + bytes.fromhex("4100 000000000000") + NOW.to_bytes(8, "big")


@pytest.mark.claim("C5")
def test_48_byte_entries_are_told_apart_from_forgeries() -> None:
    record = record_with(FOREIGN * 2)
    with pytest.raises(ForeignKeySchedule) as caught:
        key_schedule.parse(record)
    assert "not forged" in caught.value.hint
    entries = foreign_schedule.read(record)
    assert [(entry.key, entry.marker, entry.timestamp) for entry in entries] == [
        (SUBKEY.public, Marker.REVOKED_PAST, NOW)
    ] * 2


@pytest.mark.parametrize(
    "payload",
    [
        FOREIGN[:-1],
        FOREIGN + b"\0",
        bytes(48),
        FOREIGN[:34] + b"\x01" + FOREIGN[35:],
        FOREIGN[:40] + bytes(8),
    ],
    ids=["short", "long", "no key", "reserved", "no time"],
)
def test_broken_48_byte_entries_are_just_invalid(payload: bytes) -> None:
    with pytest.raises(InvalidKeySchedule) as caught:
        key_schedule.parse(record_with(payload))
    assert not isinstance(caught.value, ForeignKeySchedule)


def test_untagged_48_byte_entries_are_just_invalid() -> None:
    with pytest.raises(InvalidKeySchedule) as caught:
        key_schedule.parse(record_with(FOREIGN, tags=()))
    assert not isinstance(caught.value, ForeignKeySchedule)


@given(st.binary(max_size=400))
def test_random_payloads_raise_format_errors_only(payload: bytes) -> None:
    try:
        list(entries_from_payload(payload))
        key_schedule.parse(record_with(payload))
    except FormatError:
        pass


@given(st.integers(0, 151), st.integers(1, 255))
def test_no_changed_byte_of_a_signing_entry_stays_unnoticed(place: int, change: int) -> None:
    payload = bytearray(ACTIVE.encode())
    payload[place] ^= change
    try:
        parsed = key_schedule.parse(record_with(bytes(payload)))
    except InvalidKeySchedule:
        return
    # Only what the master himself says may differ: marker and time.
    assert place in {4, *range(8, 16)}
    assert parsed.entries[0].data == ATTESTATION
