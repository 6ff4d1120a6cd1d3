from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import addresses, any_text, ids, keys, kinds, references, timestamps

from mosaic._kernel import _rust as kernel
from mosaic.core import nonce, reference
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import EXAMPLE
from mosaic.core.reference import Address, Id, Reference
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidReference, InvalidTimestamp

AUTHOR = PublicKey(kernel.public_key(bytes(32)))
GOOD = Address.from_parts(nonce.FIXED, EXAMPLE, AUTHOR)


@pytest.mark.claim("C30", "C12")
@given(references)
def test_references_survive_bytes_and_text(value: Reference) -> None:
    assert reference.from_bytes(bytes(value)) == value
    assert reference.parse(value.text) == value
    assert value.text.startswith("moref0")
    assert len(value.text) == 83


@pytest.mark.claim("C30")
@given(ids, ids)
def test_ids_sort_by_time(left: Id, right: Id) -> None:
    if left.timestamp < right.timestamp:
        assert left < right
        assert left.bytes < right.bytes


@pytest.mark.claim("C30")
@given(ids, addresses)
def test_the_first_bit_tells_ids_from_addresses(record_id: Id, address: Address) -> None:
    assert not record_id.bytes[0] & 0x80
    assert address.bytes[0] & 0x80
    with pytest.raises(InvalidReference):
        Address.from_bytes(record_id.bytes)
    with pytest.raises(InvalidReference):
        Id.from_bytes(address.bytes)
    with pytest.raises(InvalidReference):
        Address.parse(record_id.text)
    with pytest.raises(InvalidReference):
        Id.parse(address.text)


@given(st.binary(min_size=8, max_size=8), kinds, keys)
def test_an_address_is_its_parts(data: bytes, kind: Kind, author: PublicKey) -> None:
    address = Address.from_parts(nonce.marked(data), kind, author)
    assert (address.nonce, address.kind, address.author) == (nonce.marked(data), kind, author)


@given(timestamps, st.binary(min_size=40, max_size=40))
def test_an_id_is_its_parts(timestamp: Timestamp, digest: bytes) -> None:
    record_id = Id.from_parts(timestamp, digest)
    assert (record_id.timestamp, record_id.hash, record_id.prefix) == (
        timestamp,
        digest,
        bytes(record_id)[:32],
    )


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reference_or_refused(data: bytes) -> None:
    try:
        value = reference.from_bytes(data)
    except InvalidReference:
        return
    assert value.bytes == data


@given(any_text)
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    for parse in (reference.parse, Id.parse, Address.parse):
        with pytest.raises(FormatError):
            parse(text)


@pytest.mark.parametrize(
    "data",
    [
        GOOD.bytes[:8] + bytes.fromhex("000000630001ff1c") + AUTHOR.bytes,
        GOOD.bytes[:8] + bytes.fromhex("0000006300010018") + AUTHOR.bytes,
        GOOD.bytes[:16] + b"\1" + bytes(31),
        GOOD.bytes[:16] + bytes(32),
        GOOD.bytes + b"\0",
        GOOD.bytes[:47],
        b"\0" + GOOD.bytes[1:],
    ],
)
def test_addresses_that_may_not_be(data: bytes) -> None:
    with pytest.raises(InvalidReference):
        Address.from_bytes(data)


# --- nonces ------------------------------------------------------------------------------------


@pytest.mark.claim("C30")
@given(st.binary(min_size=8, max_size=8))
def test_random_nonces_keep_63_bits(entropy: bytes) -> None:
    made = nonce.random(entropy)
    assert made[0] & 0x80
    assert int.from_bytes(made, "big") == int.from_bytes(entropy, "big") | 1 << 63


@pytest.mark.claim("C30")
@given(timestamps, timestamps)
def test_nonces_of_times_sort_by_time(left: Timestamp, right: Timestamp) -> None:
    assert (nonce.from_time(left) < nonce.from_time(right)) == (left < right)
    assert nonce.from_time(left)[0] & 0x80


@pytest.mark.claim("C30")
def test_nonces_of_strings_are_their_hash() -> None:
    assert nonce.from_string(b"").hex() == "af1349b9f5f9a1a6"
    digest = kernel.blake3(b"wall")
    assert nonce.from_string(b"wall") == bytes((digest[0] | 0x80,)) + digest[1:8]


@pytest.mark.claim("C30")
def test_a_copied_nonce_leads_to_the_same_place() -> None:
    assert Address.from_parts(nonce.copied(GOOD), EXAMPLE, AUTHOR) == GOOD


def test_nonces_of_other_lengths_are_refused() -> None:
    for length in (0, 7, 9):
        with pytest.raises(InvalidReference):
            nonce.random(bytes(length))
    with pytest.raises(InvalidTimestamp):
        nonce.from_time(2**63)
