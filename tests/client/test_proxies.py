from __future__ import annotations

import pytest

from mosaic.client.proxies import ProxyRules
from mosaic.core.url import ServerUrl
from mosaic.errors import UsageError
from mosaic.transport.transport import Proxy

ONION = ServerUrl.parse("mosaictcp://abc.onion")
INNER = ServerUrl.parse("mosaictcp://a.b.example")
OTHER = ServerUrl.parse("mosaicwss://9.9.9.9")


def test_nothing_is_no_proxy() -> None:
    for text in ("", " ", ",", " , "):
        assert ProxyRules.parse(text) == ProxyRules()
    assert ProxyRules().proxy(ONION) is None


@pytest.mark.claim("C52")
def test_one_proxy_for_all() -> None:
    rules = ProxyRules.parse("socks5://127.0.0.1:9050")
    for url in (ONION, INNER, OTHER):
        assert rules.proxy(url) == Proxy("127.0.0.1", 9050)


@pytest.mark.claim("C52")
def test_the_longest_ending_counts() -> None:
    rules = ProxyRules.parse(
        ".onion=socks5://127.0.0.1:9050, .B.example=socks5h://[::1], .example=socks5://one"
    )
    assert rules.proxy(ONION) == Proxy("127.0.0.1", 9050)
    assert rules.proxy(INNER) == Proxy("::1", 1080)
    assert rules.proxy(ServerUrl.parse("mosaictcp://c.example")) == Proxy("one", 1080)
    assert rules.proxy(OTHER) is None


def test_users_and_passwords_may_hold_anything_and_are_not_shown() -> None:
    rules = ProxyRules.parse("socks5://ben:p%40s%2Cs=%3Aword@tor.local:9150")
    proxy = rules.proxy(ONION)
    assert proxy is not None
    assert (proxy.user, proxy.password) == ("ben", "p@s,s=:word")
    assert "word" not in repr(rules)
    assert ProxyRules.parse(".onion=socks5://a:b=c@h:1").rules[0].proxy.password == "b=c"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:9050",
        "http://127.0.0.1:9050",
        "socks4://127.0.0.1:9050",
        "socks5://",
        "socks5://:9050",
        "socks5://secret:word@127.0.0.1:0",
        "socks5://secret:word@127.0.0.1:65536",
        "socks5://secret:word@127.0.0.1:port",
        "socks5://127.0.0.1:9050/path",
        "socks5://127.0.0.1:9050?word=1",
        ".onion=",
        ".onion=127.0.0.1",
        "socks5://127.0.0.1:1, word",
        f"socks5://{'secret' * 50}:word@127.0.0.1:1",
    ],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ProxyRules.parse(text)
    assert "word" not in str(caught.value).replace("password", "")
    assert "socks5://127.0.0.1:9050" in caught.value.hint
