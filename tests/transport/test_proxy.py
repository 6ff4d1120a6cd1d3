"""Outgoing links through a SOCKS5 proxy.

Source: RFC 1928, design: names are resolved by the proxy.
"""

import socket
from collections.abc import Callable

import pytest
from tests.transport.authority import Authority
from tests.transport.socks import Proxy
from tests.transport.station import CLIENT_SEED, SERVER_SEED, Station, frame
from tests.transport.upgrade import REQUEST
from tests.transport.websocket import accept

from mosaic._kernel._rust import DIAL_FAILED, DIAL_WRONG_KEY, LINK_CLOSED, LINK_UPGRADE, public_key
from mosaic.errors import UsageError
from mosaic.transport import Proxy as ProxyPlace
from mosaic.transport import SocketNetwork, Target, Transport, TransportSettings

SERVER_KEY, CLIENT_KEY = public_key(SERVER_SEED), public_key(CLIENT_SEED)
# Nobody but the proxy knows it.
HIDDEN = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
NAMES = {HIDDEN.encode(): "127.0.0.1"}


def dial(client: Station, proxy: Proxy, port: int, *login: str, host: str = HIDDEN, **options: object) -> int:
    place = ("127.0.0.1", proxy.port, *login)
    given = {"server_key": SERVER_KEY, "seed": CLIENT_SEED, "proxy": place, **options}
    return client.net.dial_tcp(host, port, **given)  # type: ignore[arg-type]


def end(client: Station, link: int) -> None:
    client.net.close(link)
    assert client.next()[:2] == (link, LINK_CLOSED)


@pytest.mark.claim("C52")
def test_the_proxy_resolves_the_name_and_sees_no_more(server: Station, client: Station) -> None:
    port = server.listen()
    with Proxy(names=NAMES) as proxy:
        link = dial(client, proxy, port)
        assert client.opened() == (link, SERVER_KEY)
        at_server, key = server.opened()
        assert key == CLIENT_KEY
        client.net.send(link, frame(1, b"hello"))
        assert server.next() == (at_server, 1, frame(1, b"hello"))
        # Whom the proxy has reached it keeps to itself.
        assert client.net.peer_address(link) == ("127.0.0.1", proxy.port)
        end(client, link)
    assert proxy.asked == [(3, HIDDEN.encode(), port)]


@pytest.mark.claim("C52")
def test_a_websocket_goes_through_as_well(server: Station, client: Station) -> None:
    one = Authority()
    issued = one.issue(HIDDEN)
    names = [(HIDDEN, issued.chain, issued.key)]
    port = server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, names=names)
    for authorities in (None, one.root):
        with Proxy(names=NAMES) as proxy:
            link = client.net.dial_ws(
                HIDDEN,
                port,
                server_key=None,
                seed=None,
                request=REQUEST,
                authorities=authorities,
                proxy=("127.0.0.1", proxy.port),
            )
            at_server, _, mode = accept(server)
            assert mode == (authorities is not None)
            client.opened()
            client.next(LINK_UPGRADE)
            client.net.answer_upgrade(link, b"", accepted=True)
            client.net.send(link, frame(1))
            assert server.next() == (at_server, 1, frame(1))
            end(client, link)
            server.next(LINK_CLOSED)
        assert proxy.asked == [(3, HIDDEN.encode(), port)]


@pytest.mark.parametrize(("host", "kind"), [("127.0.0.1", 1), ("::1", 4)])
def test_addresses_stay_addresses(server: Station, client: Station, host: str, kind: int) -> None:
    port = server.listen(host)
    with Proxy() as proxy:
        link = dial(client, proxy, port, host=host)
        client.opened()
        end(client, link)
    assert proxy.asked == [(kind, host.encode(), port)]


def test_a_user_and_password_are_told_to_a_proxy_that_asks(server: Station, client: Station) -> None:
    port = server.listen()
    with Proxy(names=NAMES, login=(b"anna", b"se cret")) as proxy:
        link = dial(client, proxy, port, "anna", "se cret")
        client.opened()
        end(client, link)
    assert proxy.logins == [(b"anna", b"se cret")]
    with Proxy(names=NAMES) as open_to_all:
        link = dial(client, open_to_all, port, "anna", "se cret")
        client.opened()
        end(client, link)
    assert open_to_all.logins == []


@pytest.mark.parametrize(
    ("make", "login", "words"),
    [
        (lambda: Proxy(reply=1), (), "failed to connect"),
        (lambda: Proxy(reply=2), (), "does not allow"),
        (lambda: Proxy(reply=3), (), "does not reach that network"),
        (lambda: Proxy(reply=4), (), "does not reach or know that host"),
        (lambda: Proxy(reply=5), (), "nobody listens"),
        (lambda: Proxy(reply=6), (), "gave up"),
        (lambda: Proxy(reply=7), (), "does not connect"),
        (lambda: Proxy(reply=8), (), "kind of address"),
        (lambda: Proxy(reply=99), (), "does not speak SOCKS5"),
        (lambda: Proxy(login=(b"anna", b"right")), (), "wants us to log in"),
        (lambda: Proxy(login=(b"anna", b"right")), ("anna", "wrong"), "does not take our user and password"),
        (
            lambda: Proxy(login=(b"anna", b"right")),
            ("anna", "x" * 256),
            "can't be given this user and password",
        ),
        (lambda: Proxy(answers=b"HTTP/1.1 400 Bad Request\r\n\r\n"), (), "does not speak SOCKS5"),
        (lambda: Proxy(answers=b"\x05"), (), "broke off"),
    ],
)
def test_each_refusal_of_a_proxy_has_its_words(
    client: Station, make: Callable[[], Proxy], login: tuple[str, ...], words: str
) -> None:
    with make() as proxy:
        link = dial(client, proxy, 1320, *login)
        failed, what, reason = client.next()
    assert (failed, what) == (link, DIAL_FAILED)
    assert reason.startswith(b"the proxy 127.0.0.1 port %d " % proxy.port)
    assert words in reason.decode()
    assert "right" not in reason.decode()
    assert "wrong" not in reason.decode()


def test_a_host_too_long_for_a_proxy_is_told(client: Station) -> None:
    with Proxy(answers=b"") as proxy:
        link = dial(client, proxy, 1320, host="x" * 256)
        failed, what, reason = client.next()
    assert (failed, what) == (link, DIAL_FAILED)
    assert b"can't be asked for this host" in reason


def test_a_proxy_that_is_not_there_or_silent_is_told(client: Station) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    link = client.net.dial_tcp("a.example", 1320, server_key=None, seed=None, proxy=("127.0.0.1", port))
    failed, what, reason = client.next()
    assert (failed, what) == (link, DIAL_FAILED)
    assert b"the proxy 127.0.0.1 port %d is not reached" % port in reason
    with Proxy(answers=b"") as silent:
        link = dial(client, silent, 1320, timeout_ms=50)
        assert client.next() == (link, DIAL_FAILED, b"no answer within 50 ms")


def test_the_key_is_compared_behind_a_proxy(server: Station, client: Station) -> None:
    port = server.listen()
    with Proxy(names=NAMES) as proxy:
        link = dial(client, proxy, port, server_key=CLIENT_KEY)
        assert client.next() == (link, DIAL_WRONG_KEY, SERVER_KEY)
    assert server.is_quiet()


async def test_quic_can_not_go_through_a_proxy() -> None:
    network = SocketNetwork(TransportSettings((100,) * 256))
    target = Target(Transport.QUIC, "a.example", 1320, proxy=ProxyPlace("127.0.0.1", 9050, "anna", "secret"))
    with pytest.raises(UsageError, match="QUIC"):
        network.dial(target)
    assert "secret" not in repr(target)
    await network.stop(0)
