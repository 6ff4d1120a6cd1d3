from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.invite_link import MOST_CHARACTERS, InviteLink, NamedServer, is_link
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import FormatError, InvalidText

KEYS = [SecretKey.from_seed(bytes([n]) * 32).public for n in range(6)]
ANNA, SERVER, OTHER = KEYS[:3]
URLS = [
    ServerUrl.parse(text)
    for text in (
        "mosaictcp://203.0.113.1:1320/",
        "mosaic://[2001:db8::1]:99/",
        "mosaicwss://example.org/",
        "mosaictcp://abc.onion/",
    )
]
URL, IPV6, NAME, _ = URLS

servers = st.builds(
    NamedServer, st.sampled_from(KEYS), st.lists(st.sampled_from(URLS), unique=True, max_size=3).map(tuple)
)
links = st.builds(
    InviteLink,
    st.sampled_from(KEYS),
    st.lists(servers, max_size=3, unique_by=lambda server: server.key).map(tuple),
    follow=st.booleans(),
    is_server=st.booleans(),
)


def test_a_link_reads_like_what_it_says() -> None:
    assert InviteLink(ANNA).text == f"mosaic:{ANNA.user_text}"
    link = InviteLink(ANNA, (NamedServer(SERVER, (URL, IPV6)), NamedServer(OTHER)), follow=True)
    assert link.text == (
        f"mosaic:{ANNA.user_text}?follow&at={SERVER.server_text},mosaictcp://203.0.113.1:1320/,"
        f"mosaic://%5B2001:db8::1%5D:99/&at={OTHER.server_text}"
    )
    assert InviteLink(SERVER, is_server=True).text == f"mosaic:{SERVER.server_text}"


@given(links)
def test_what_is_written_is_read(link: InviteLink) -> None:
    assert InviteLink.parse(link.text) == link
    assert link.text.isascii()
    assert link.text.isprintable()
    assert " " not in link.text


@given(links)
def test_messages_and_mail_leave_a_link_readable(link: InviteLink) -> None:
    for changed in (f"  {link.text}\n", link.text.replace("mosaic:", "MOSAIC:", 1), f"{link.text}#part"):
        assert InviteLink.parse(changed) == link


def test_what_a_reader_does_not_know_is_skipped() -> None:
    at = f"at={SERVER.server_text},{URL}"
    text = f"mosaic:{ANNA.user_text}?color=red&{at},https://example.org/,mosaictcp://%ff/&at=nobody&follow=no"
    assert InviteLink.parse(text) == InviteLink(ANNA, (NamedServer(SERVER, (URL,)),))


def test_more_than_three_servers_and_urls_are_left_out() -> None:
    at = "&".join(f"at={key.server_text}" for key in KEYS)
    urls = ",".join(f"mosaictcp://203.0.113.{n}/" for n in range(1, 9))
    link = InviteLink.parse(f"mosaic:{ANNA.user_text}?at={SERVER.server_text},{urls}&{at}")
    assert [len(server.urls) for server in link.servers] == [3, 0, 0]
    assert [server.key for server in link.servers] == [SERVER, KEYS[0], KEYS[2]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mosaic:",
        "mosaic://203.0.113.1:1320/",
        "https://example.org/",
        ANNA.user_text,
        f"mosaic:{ANNA.user_text[:-1]}",
        f"mosaic:{ANNA.user_text}x",
        f"mosaic:{ANNA.user_text.removeprefix('mopub0')}",
        f"mosaic:/{ANNA.user_text}",
        f"mosaic:{ANNA.user_text}?{'x' * MOST_CHARACTERS}",
    ],
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(InvalidText):
        InviteLink.parse(text)


def test_a_secret_is_not_quoted_back() -> None:
    secret = SecretKey.from_seed(bytes(32)).text
    with pytest.raises(InvalidText) as told:
        InviteLink.parse(f"mosaic:{secret}")
    assert secret[6:] not in str(told.value)


@given(st.text(max_size=200) | st.text(max_size=100).map(lambda text: f"mosaic:{ANNA.user_text}?{text}"))
def test_any_text_is_a_link_or_an_error(text: str) -> None:
    try:
        link = InviteLink.parse(text)
    except FormatError:
        return
    assert isinstance(link.key, PublicKey)
    assert InviteLink.parse(link.text) == link


def test_links_are_told_from_urls_and_keys() -> None:
    assert is_link(f" Mosaic:{ANNA.user_text}")
    assert not is_link(ANNA.user_text)
    assert not is_link("mosaictcp://example.org/")
    assert is_link("mosaic://example.org/")
