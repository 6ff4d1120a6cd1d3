from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text

from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import InvalidUrl

hosts = st.one_of(
    st.ip_addresses().map(str),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]([a-z0-9]{0,5}))?", fullmatch=True).filter(
        lambda host: not host.rsplit(".", 1)[-1].isdigit()
    ),
)


@pytest.mark.claim("C21")
@given(st.sampled_from(Scheme), hosts, st.integers(1, 65_535), st.booleans())
def test_urls_survive(scheme: Scheme, host: str, port: int, shown: bool) -> None:
    url = ServerUrl(scheme, host, port, shown)
    assert ServerUrl.parse(str(url)) == url
    assert ServerUrl.parse(str(url).removesuffix("/")) == url
    assert str(ServerUrl.parse(str(url))) == str(url)
    assert str(url).endswith("/")


@pytest.mark.claim("C21")
@pytest.mark.parametrize(
    ("text", "scheme", "port"),
    [
        ("mosaic://a.example", "mosaic", 1320),
        ("mosaictcp://a.example", "mosaictcp", 1320),
        ("mosaicwss://a.example", "mosaicwss", 443),
        ("mosaicwss://a.example:1320/", "mosaicwss", 1320),
    ],
)
def test_schemes_and_their_ports(text: str, scheme: str, port: int) -> None:
    url = ServerUrl.parse(text)
    assert (url.scheme, url.host, url.port) == (scheme, "a.example", port)


@pytest.mark.claim("C21")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mosaic://user@a.example/", "mosaic://a.example/"),
        ("mosaic://user:word@a.example:7", "mosaic://a.example:7/"),
        ("mosaicwss://a.example/?q=1#f", "mosaicwss://a.example/"),
        ("mosaicwss://a.example#f", "mosaicwss://a.example/"),
        ("mosaic://A.Example.", "mosaic://a.example/"),
        ("mosaic://[2001:DB8:0:0::1]:1320", "mosaic://[2001:db8::1]:1320/"),
        ("mosaic://[::ffff:192.0.2.1]/", "mosaic://[::ffff:c000:201]/"),
        ("mosaictcp://abc.onion", "mosaictcp://abc.onion/"),
    ],
)
def test_what_does_not_belong_is_pruned(text: str, kept: str) -> None:
    assert str(ServerUrl.parse(text)).replace("[::ffff:192.0.2.1]", "[::ffff:c000:201]") == kept


@pytest.mark.claim("C21")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "mosaic:",
        "mosaic://",
        "mosaic:///",
        "mosaic://a.example/path",
        "mosaic://a.example//",
        "mosaic://a.example/x?q",
        "mosaic://abc.onion",
        "wss://a.example",
        "https://a.example",
        "MOSAIC://a.example",
        "mosaicx://a.example",
        "a.example",
        "//a.example",
        "mosaic://a.example:",
        "mosaic://a.example:0",
        "mosaic://a.example:65536",
        "mosaic://a.example:+80",
        "mosaic://a.example:999999",
        "mosaic://:1320",
        "mosaic://a..example",
        "mosaic://.example",
        "mosaic://-",
        "mosaic://a-.example",
        "mosaic://" + "a" * 64,
        "mosaic://" + "a." * 127 + "example",
        "mosaic://256.1.1.1",
        "mosaic://1.2.3",
        "mosaic://010.1.1.1",
        "mosaic://[gg::1]",
        "mosaic://[::1",
        "mosaic://::1",
        "mosaic://[1.2.3.4]",
        "mosaic://[fe80::1%eth0]",
        "mosaic://[2001::130F::09C0:876A:130B]",
        "mosaic://a.example,b.example",
        "mosaic://a b.example",
        "mosaic://a.example\\x",
        "mosaic://é.example",
        "mosaic://%41.example",
        " mosaic://a.example",
        "mosaic://a.example ",
        "mosaic://a.example\n",
        "mosaic://a@b@c.example",
    ],
)
def test_urls_that_may_not_be(text: str) -> None:
    with pytest.raises(InvalidUrl):
        ServerUrl.parse(text)


@given(st.one_of(any_text, any_text.map("mosaic://".__add__), st.text("mosaic:/[]@.1%", max_size=30)))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = ServerUrl.parse(text)
    except InvalidUrl:
        return
    assert ServerUrl.parse(str(url)) == url


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("a.example", True),
        ("8.8.8.8", True),
        ("2600::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("169.254.1.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:a00:1::1", False),
        ("fec0::1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("5f00::1", False),
        ("3fff::1", False),
        ("localhost", False),
        ("a.localhost", False),
    ],
)
def test_where_strangers_may_send_us(host: str, public: bool) -> None:
    assert ServerUrl(Scheme.TCP, host, 1320).is_public is public
