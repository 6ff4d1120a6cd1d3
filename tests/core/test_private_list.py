from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.encryption import padded
from mosaic.core.keyed_blake3 import keyed_hash
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.private_list import AT, FollowEntry, ListKey, recovery_secret
from mosaic.errors import FormatError, InvalidContent, InvalidKey

BEN, ZOE = (SecretKey.from_seed(bytes([n]) * 32).public for n in (1, 2))
KEY = ListKey(b"k" * 32, b"r" * 32)

personas = st.frozensets(st.binary(min_size=32, max_size=32), max_size=255)


@given(personas)
def test_an_entry_says_the_same_again(of: frozenset[bytes]) -> None:
    entry = FollowEntry(BEN, of)
    assert len(entry.encode()) == 40 + 32 * len(of)
    assert FollowEntry.parse(padded(entry.encode())) == entry


def test_a_list_key_says_the_same_again_and_does_not_show_itself() -> None:
    assert ListKey.parse(padded(KEY.encode())) == KEY
    assert "k" * 32 not in repr(KEY)
    assert KEY.secret.hex() not in repr(KEY)


def test_the_address_of_an_entry_tells_nothing_without_the_list_key() -> None:
    assert KEY.nonce(BEN.bytes) != KEY.nonce(ZOE.bytes)
    assert KEY.nonce(BEN.bytes) != ListKey(b"x" * 32, KEY.recovery).nonce(BEN.bytes)
    wanted = keyed_hash(KEY.secret, BEN.bytes)[:8]
    assert KEY.nonce(BEN.bytes) == bytes((wanted[0] | 0x80,)) + wanted[1:]
    assert AT[0] & 0x80


def test_the_recovery_key_comes_from_the_master_key_and_is_another() -> None:
    seed = bytes(range(32))
    assert recovery_secret(seed) == recovery_secret(seed)
    assert recovery_secret(seed) != recovery_secret(bytes(32))
    assert recovery_secret(seed).reveal() != seed


@given(st.binary(max_size=400))
def test_anything_else_is_refused_cleanly(data: bytes) -> None:
    for parse in (FollowEntry.parse, ListKey.parse):
        try:
            parse(data)
        except FormatError:
            continue


@pytest.mark.parametrize("at", [0, 1, 2, 7, 100, 255])
def test_a_changed_list_key_record_is_refused(at: int) -> None:
    plain = bytearray(padded(KEY.encode()))
    plain[at] ^= 0xFF
    with pytest.raises(InvalidContent):
        ListKey.parse(bytes(plain))


def test_what_can_not_be_an_entry_is_refused() -> None:
    with pytest.raises(InvalidContent):
        FollowEntry(BEN, frozenset(bytes([n]) + bytes(31) for n in range(256))).encode()
    with pytest.raises(InvalidKey):
        FollowEntry.parse(padded(bytes((1, 0)) + bytes(6) + b"\xff" * 32))
    for plain in (
        padded(bytes((2, 0)) + bytes(6) + BEN.bytes),  # another version
        padded(bytes((1, 9)) + bytes(6) + BEN.bytes)[:128],  # cut short
        padded(bytes((1, 0)) + bytes(6) + BEN.bytes + b"x"),  # more than it says
    ):
        with pytest.raises(InvalidContent):
            FollowEntry.parse(plain)
    assert FollowEntry.parse(padded(FollowEntry(BEN).encode())).person == PublicKey(BEN.bytes)
