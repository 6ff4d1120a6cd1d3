from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text

from mosaic.core import human
from mosaic.errors import InvalidText

ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
PREFIXES = ("mopub0", "mosrv0", "mosec0", "mocryptsec0", "moref0", "morecord0")


def slow_z_base_32(data: bytes) -> str:
    """Bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(ALPHABET[int(bits[place : place + 5], 2)] for place in range(0, len(bits), 5))


@pytest.mark.claim("C12")
@given(st.sampled_from(PREFIXES), st.binary(max_size=200))
def test_what_is_written_is_read(prefix: str, data: bytes) -> None:
    text = human.encode(prefix, data)
    assert text == prefix + slow_z_base_32(data)
    assert human.decode(prefix, text) == data
    assert human.decode(prefix, text, len(data)) == data


@pytest.mark.claim("C12")
def test_the_prefixes_are_those_of_the_specification() -> None:
    ours = (human.USER_KEY, human.SERVER_KEY, human.SECRET_KEY)
    assert (*ours, human.ENCRYPTED_SECRET_KEY, human.REFERENCE, human.RECORD) == PREFIXES


@given(any_text)
def test_any_text_is_read_as_the_canonical_one_or_refused(text: str) -> None:
    try:
        data = human.decode("", text)
    except InvalidText:
        return
    assert human.encode("", data) == text


@given(st.text(ALPHABET, max_size=60))
def test_texts_of_the_alphabet_are_canonical_or_refused(text: str) -> None:
    try:
        data = human.decode("", text)
    except InvalidText:
        cut = len(text) * 5 % 8 >= 5
        assert cut or ALPHABET.index(text[-1]) % (1 << len(text) * 5 % 8) != 0
        return
    assert slow_z_base_32(data) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mopub0",
        "MOPUB0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibco",
        "mopub0569N996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibco",
        " mopub0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibco",
        "mopub0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibco\n",
        "mopub0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibc",
        "mopub0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychibct",
        "mopub0569n996gaxi6k4yrbs4ydazkgcjoy6yekramtkf5m8cd7ychib\u0441o",
    ],
)
def test_only_the_exact_text_is_read(text: str) -> None:
    with pytest.raises(InvalidText):
        human.decode("mopub0", text, 32)


def test_errors_never_quote_the_text() -> None:
    secret = "mosec04uhckegsmtshajcwsf7dhs1sygyek6t9byurmuo6j3xu1x3uk7xl"
    with pytest.raises(InvalidText) as caught:
        human.decode("mosec0", secret, 32)
    assert secret[6:20] not in str(caught.value) + caught.value.hint
