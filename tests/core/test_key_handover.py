"""What devices of one person hand over to each other later than at their pairing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import encryption, key_handover
from mosaic.core.handover import MOST_KEYS, HandedKey
from mosaic.core.keys import SecretKey
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidMessage

DEVICE = SecretKey.from_seed(bytes([1]) * 32)
OTHER = SecretKey.from_seed(bytes([2]) * 32)

handed = st.builds(
    HandedKey,
    st.binary(min_size=32, max_size=32),
    st.sampled_from(["device", "persona", "encryption", "nostr"]),
    st.text(max_size=20),
    st.none() | st.binary(min_size=32, max_size=32),
)


@given(st.lists(handed, max_size=20))
def test_what_is_handed_over_is_what_arrives(keys: list[HandedKey]) -> None:
    assert list(key_handover.parse(encryption.padded(key_handover.encode(keys)))) == keys


@given(st.binary(max_size=600))
def test_anything_else_is_refused_cleanly(data: bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        assert key_handover.parse(data) is not None


@pytest.mark.parametrize("text", [b"[[1]]", b"{}", b'[["00","device","",null]]', b"[" * 5_000])
def test_odd_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidMessage):
        key_handover.parse(encryption.padded(len(text).to_bytes(4, "little") + text))


def test_of_too_many_keys_the_first_are_handed_over() -> None:
    keys = [HandedKey(number.to_bytes(32, "big"), "encryption", "", bytes(32)) for number in range(1_200)]
    found = key_handover.parse(encryption.padded(key_handover.encode(keys)))
    assert list(found) == keys[:MOST_KEYS]
    long = [HandedKey(bytes(32), "device", "x" * 2_000, None)] * 600
    assert 0 < len(key_handover.parse(encryption.padded(key_handover.encode(long)))) < 600


@pytest.mark.claim("C66")
def test_the_key_to_hand_over_to_is_separate_from_the_one_that_signs() -> None:
    secret = key_handover.secret_of(DEVICE)
    assert secret == key_handover.secret_of(DEVICE) != key_handover.secret_of(OTHER)
    assert secret.reveal() != DEVICE.reveal()
    assert secret.public != X25519Secret(DEVICE.reveal()).public != DEVICE.public.bytes


def test_each_device_has_places_of_its_own() -> None:
    places = {
        key_handover.nonce_of(signer.public, device.public)
        for signer, device in ((DEVICE, DEVICE), (OTHER, OTHER), (DEVICE, OTHER), (OTHER, DEVICE))
    }
    assert len(places) == 4
    assert all(place[0] & 0x80 for place in places)
