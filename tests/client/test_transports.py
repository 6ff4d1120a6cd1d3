"""Real sockets: each transport, in each form, and what leads from one to the other."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.client.between import SocksProxy, relay
from tests.client.site import HOST, SERVER, Site, peers, talk
from tests.core.makers import NOW, OTHER, SUBKEY
from tests.transport.authority import Authority

from mosaic.client.address import ServerAddress
from mosaic.client.way import Form, Way
from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import Unreachable, WrongServerKey
from mosaic.transport.transport import Transport

NATIVE = (Form.CERTIFICATE, Form.RAW_KEY)


@pytest.mark.claim("C47", "C48", "C49", "C50")
@pytest.mark.parametrize("secret", [None, SUBKEY], ids=["anonymous", "proven"])
@pytest.mark.parametrize("form", NATIVE)
@pytest.mark.parametrize("scheme", list(Scheme))
async def test_every_transport_in_every_form(
    site: Site, scheme: Scheme, form: Form, secret: SecretKey | None
) -> None:
    url = site.url(scheme)
    site.memory.worked(SERVER.public, Way(url, form), NOW)
    async with site.client().connect(site.address(url), secret) as connection:
        await talk(connection, site)
        assert peers(site) == {secret.public.bytes if secret else None}
    (remembered,) = site.memory.remembered(SERVER.public)
    assert remembered.form is form


@pytest.mark.claim("C43", "C47")
@pytest.mark.parametrize("secret", [None, SUBKEY], ids=["anonymous", "proven"])
async def test_browser_mode_where_it_worked_before(site: Site, secret: SecretKey | None) -> None:
    url = site.url(Scheme.WEBSOCKET, HOST)
    site.memory.worked(SERVER.public, Way(url, Form.BROWSER), NOW)
    async with site.client().connect(site.address(url), secret) as connection:
        await talk(connection, site)
        assert peers(site) == {secret.public.bytes if secret else None}
    assert [mode for mode, _ in site.server.upgrades] == [1]


async def test_the_listener_of_browser_mode_is_native_for_us(site: Site) -> None:
    url = site.url(Scheme.WEBSOCKET, HOST)
    async with site.client().connect(site.address(url)) as connection:
        await talk(connection, site)
    assert [mode for mode, _ in site.server.upgrades] == [0]


async def test_browser_mode_wants_an_authority_that_is_trusted(site: Site) -> None:
    (site.folder / "others.pem").write_bytes(Authority("Another").root)
    url = site.url(Scheme.WEBSOCKET, HOST)
    site.memory.worked(SERVER.public, Way(url, Form.BROWSER), NOW)
    async with site.client("others.pem").connect(site.address(url)) as connection:
        # It falls back to native mode, where no authority is needed.
        assert connection.server_key == SERVER.public
    assert [mode for mode, _ in site.server.upgrades] == [0]


@pytest.mark.claim("C50")
@pytest.mark.parametrize("scheme", list(Scheme))
async def test_a_wrong_key_is_refused_over_every_transport(site: Site, scheme: Scheme) -> None:
    wrong = ServerAddress(OTHER.public, (site.url(scheme),))
    with pytest.raises(WrongServerKey, match=SERVER.public.server_text):
        async with site.client().connect(wrong, SUBKEY):
            pass
    assert SUBKEY.public.bytes not in peers(site)


@pytest.mark.claim("C43", "C50")
async def test_a_wrong_key_is_refused_in_browser_mode(site: Site) -> None:
    url = site.url(Scheme.WEBSOCKET, HOST)
    site.memory.worked(OTHER.public, Way(url, Form.BROWSER), NOW)
    wrong = ServerAddress(OTHER.public, (url,))
    with pytest.raises(WrongServerKey):
        async with site.client().connect(wrong, SUBKEY):
            pass
    assert SUBKEY.public.bytes not in peers(site)


async def test_from_a_transport_that_does_not_answer_to_the_next(site: Site) -> None:
    dead = ServerUrl(Scheme.QUIC, "127.0.0.1", 1)
    other = ServerUrl(Scheme.TCP, "127.0.0.1", 1)
    # A QUIC listener that is none: its port speaks TCP only.
    address = site.address(other, dead, site.url(Scheme.WEBSOCKET))
    async with site.client().connect(address) as connection:
        assert connection.url == site.url(Scheme.WEBSOCKET)
        await talk(connection, site)


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_nobody_there_is_told_over_every_transport(site: Site, scheme: Scheme) -> None:
    url = ServerUrl(scheme, "127.0.0.1", 1)
    with pytest.raises(Unreachable) as caught:
        async with site.client(connect_s=1.0).connect(site.address(url)):
            pass
    ((tried, why),) = caught.value.tried
    assert tried == str(url)
    assert why


@pytest.mark.parametrize("host", ["127.0.0.1", HOST])
@pytest.mark.parametrize("scheme", list(Scheme))
async def test_private_addresses_are_not_dialled(site: Site, scheme: Scheme, host: str) -> None:
    with pytest.raises(Unreachable, match="private"):
        async with site.client(private_addresses=False).connect(site.address(site.url(scheme, host))):
            pass
    await asyncio.sleep(0)
    assert site.server.sessions == {}


@pytest.mark.claim("C48")
async def test_subscriptions_over_quic_have_streams_of_their_own(site: Site) -> None:
    pool, address = site.client(), site.address(site.url(Scheme.QUIC))
    async with pool.connect(address, SUBKEY) as shared:
        async with pool.connect(address, SUBKEY, own_stream=True) as own:
            assert own is not shared
            await talk(own, site)
            assert len(site.server.sessions) == 2
            assert peers(site) == {SUBKEY.public.bytes}
        await talk(shared, site)


@pytest.mark.claim("C52")
@pytest.mark.parametrize("login", [None, ("ben", "se:cret")], ids=["open", "login"])
@pytest.mark.parametrize("scheme", [Scheme.TCP, Scheme.WEBSOCKET])
async def test_links_go_through_a_proxy(site: Site, scheme: Scheme, login: tuple[str, str] | None) -> None:
    proxy = SocksProxy(login)
    await proxy.start()
    written = "" if login is None else "ben:se%3Acret@"
    pool = site.client(proxy=f"socks5://{written}127.0.0.1:{proxy.port}")
    address = site.address(site.url(Scheme.QUIC), site.url(scheme, HOST))
    async with pool.connect(address, SUBKEY) as connection:
        assert connection.url == site.url(scheme, HOST)
        await talk(connection, site)
    # The proxy resolves the name; nothing went past it.
    assert proxy.asked == [(HOST, site.ports[scheme])]
    pool.close()
    await proxy.stop()


@pytest.mark.claim("C52")
async def test_browser_mode_goes_through_a_proxy(site: Site) -> None:
    proxy = SocksProxy()
    await proxy.start()
    url = site.url(Scheme.WEBSOCKET, HOST)
    site.memory.worked(SERVER.public, Way(url, Form.BROWSER), NOW)
    pool = site.client(proxy=f".example=socks5://127.0.0.1:{proxy.port}")
    async with pool.connect(site.address(url), SUBKEY) as connection:
        await talk(connection, site)
    assert [mode for mode, _ in site.server.upgrades] == [1]
    pool.close()
    await proxy.stop()


async def test_a_proxy_that_is_not_there_is_told(site: Site) -> None:
    pool = site.client(proxy="socks5://127.0.0.1:1")
    with pytest.raises(Unreachable) as caught:
        async with pool.connect(site.address(site.url(Scheme.TCP, HOST))):
            pass
    assert caught.value.tried


@pytest.mark.claim("C43", "C47", "C50")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_web_server_before_the_server_leads_to_browser_mode(
    site: Site, version: ssl.TLSVersion
) -> None:
    """An operator's own web server ends TLS with an authority's certificate and passes the rest on."""
    plain = site.listener.listen(Transport.WS, "127.0.0.1", 0, SERVER.reveal(), plain=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    issued = site.authority.issue(HOST)
    (site.folder / "host.pem").write_bytes(issued.chain + issued.key)
    context.load_cert_chain(site.folder / "host.pem")
    async with relay(plain, context) as port:
        url = ServerUrl(Scheme.WEBSOCKET, HOST, port)
        site.server.authorities = {f"{HOST}:{port}"}
        pool = site.client()
        async with pool.connect(site.address(url), SUBKEY) as connection:
            await talk(connection, site)
            assert peers(site) == {SUBKEY.public.bytes}
        (remembered,) = site.memory.remembered(SERVER.public)
        assert remembered.form is Form.BROWSER
        assert [mode for mode, _ in site.server.upgrades] == [2]
        # Another server behind the same host is refused by the key that it proves.
        with pytest.raises(WrongServerKey):
            async with pool.connect(ServerAddress(OTHER.public, (url,))):
                pass
        pool.close()
