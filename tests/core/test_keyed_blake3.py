from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic._kernel import _rust as kernel
from mosaic.core import keyed_blake3
from mosaic.core.keyed_blake3 import compressed, keyed_hash
from mosaic.errors import UsageError

KEY = b"whats the Elvish word for friend"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"),
        (b"\0", "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"),
    ],
)
def test_it_is_the_keyed_hash_of_the_published_vectors(data: bytes, wanted: str) -> None:
    assert keyed_hash(KEY, data).hex() == wanted


@given(st.binary(max_size=64))
def test_without_a_key_it_is_what_the_kernel_hashes(data: bytes) -> None:
    assert compressed(keyed_blake3._IV, data) == kernel.blake3(data, 32)


@given(st.binary(max_size=64), st.binary(min_size=32, max_size=32))
def test_another_key_gives_another_hash(data: bytes, key: bytes) -> None:
    assert (keyed_hash(key, data) == keyed_hash(KEY, data)) is (key == KEY)


def test_it_takes_one_block_and_a_whole_key() -> None:
    for key, data in ((KEY[:-1], b""), (KEY + b"x", b""), (KEY, bytes(65))):
        with pytest.raises(UsageError):
            keyed_hash(key, data)
