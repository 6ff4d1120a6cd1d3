from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.web_authority import authority_of, parse_authority
from mosaic.errors import InvalidUrl

pytestmark = pytest.mark.claim("C47")


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("mosaic.example", "mosaic.example"),
        ("Mosaic.EXAMPLE", "mosaic.example"),
        ("mosaic.example.", "mosaic.example"),
        ("mosaic.example:443", "mosaic.example"),
        ("mosaic.example:8443", "mosaic.example:8443"),
        ("mosaic.example:08443", "mosaic.example:8443"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8443", "[::1]:8443"),
        ("[2001:DB8::A]:443", "[2001:db8::a]"),
    ],
)
def test_there_is_one_form(text: str, authority: str) -> None:
    assert parse_authority(text) == authority
    assert parse_authority(authority) == authority


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":443",
        "a:",
        "a:0",
        "a:65536",
        "a:1:2",
        "a b",
        "user@a",
        "a/",
        "a?b",
        "a#b",
        "a\\b",
        "bücher.example",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[fe80::1%eth0]",
        "1.2.3",
        "a..b",
        "*",
        "x" * 300,
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_authority(text)


def test_of_a_host_and_a_port() -> None:
    assert authority_of("::1", 8443) == "[::1]:8443"
    assert authority_of("EXAMPLE.org", 443) == "example.org"


@given(st.text(max_size=30))
def test_any_text_is_refused_or_brought_to_its_form(text: str) -> None:
    try:
        authority = parse_authority(text)
    except InvalidUrl:
        return
    assert parse_authority(authority) == authority
    assert authority == authority.lower()
