from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from tests.client.internet import Internet
from tests.client.virtual_time import elapsed, run
from tests.core.makers import NOW, OTHER, SUBKEY

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.dial_memory import ProcessMemory, Remembered
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings
from mosaic.client.way import Form, Way
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import Disconnected, PeerError, Refused, Unreachable, WrongServerKey
from mosaic.transport.transport import Transport
from mosaic.wire.result_code import ResultCode

SERVER = SecretKey.from_seed(bytes([40]) * 32)
FIRST, SECOND, THIRD = (ServerUrl.parse(f"mosaictcp://9.9.9.{n}:1320/") for n in (1, 2, 3))
QUIC = ServerUrl.parse("mosaic://9.9.9.4:1320/")
NAMED = ServerUrl.parse("mosaictcp://server.example:1320/")


@dataclass
class Trip:
    """A client on an internet of its own."""

    settings: ClientSettings = field(default_factory=ClientSettings)
    names: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.internet = Internet()
        self.memory = ProcessMemory()
        self.now = NOW
        self.asked: list[str] = []
        self.pool = LinkPool(
            self.internet, self.settings, lambda: self.now, Surroundings(self.memory, self.resolve)
        )

    async def resolve(self, name: str, port: int) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.names:
            raise OSError(-2, "Name or service not known")
        return self.names[name]

    async def reach(self, *urls: ServerUrl, secret: SecretKey | None = None) -> Connection:
        async with self.pool.connect(ServerAddress(SERVER.public, urls), secret) as connection:
            assert connection.server_key == SERVER.public
            return connection

    async def fails(self, *urls: ServerUrl, named: Sequence[ServerUrl] = ()) -> PeerError:
        server = ServerAddress(SERVER.public, urls, frozenset(named))
        with pytest.raises(PeerError) as caught:
            async with self.pool.connect(server):
                pass
        await asyncio.sleep(1)
        assert self.internet.live == 0
        return caught.value


def trip(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test in virtual time; what it leaves behind fails it."""

    async def main(**arguments: object) -> None:
        await test(**arguments)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        assert not rest, rest

    @functools.wraps(test)
    def whole(**arguments: object) -> None:
        run(main(**arguments))

    return whole


@trip
async def test_the_servers_preference_counts() -> None:
    on = Trip()
    for host in ("9.9.9.1", "9.9.9.2"):
        on.internet.open(host, 1320, SERVER)
    assert (await on.reach(SECOND, FIRST)).url == SECOND
    assert on.internet.dialled() == [("9.9.9.2", 1320)]


@trip
async def test_the_next_url_begins_after_a_pause_and_the_first_proven_link_wins() -> None:
    on = Trip()
    slow = on.internet.open("9.9.9.1", 1320, SERVER, delay_s=2.0)
    on.internet.open("9.9.9.2", 1320, SERVER, delay_s=0.1)
    connection = await on.reach(FIRST, SECOND, THIRD)
    assert connection.url == SECOND
    assert 0.35 <= elapsed() < 0.4
    # The third was never needed; the slow one is dropped and leads nowhere any more.
    assert on.internet.dialled() == [("9.9.9.1", 1320), ("9.9.9.2", 1320)]
    await asyncio.sleep(5)
    assert on.internet.live == 1
    assert not slow.links


@trip
async def test_the_next_url_begins_at_once_after_a_failure() -> None:
    on = Trip()
    on.internet.open("9.9.9.3", 1320, SERVER)
    assert (await on.reach(FIRST, SECOND, THIRD)).url == THIRD
    assert elapsed() < 0.05


@trip
async def test_two_that_answer_at_once_leave_one_link() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, delay_s=0.5)
    on.internet.open("9.9.9.2", 1320, SERVER, delay_s=0.25)
    await on.reach(FIRST, SECOND)
    await asyncio.sleep(5)
    assert on.internet.live == 1


@trip
async def test_all_together_has_a_bound() -> None:
    on = Trip(ClientSettings(connect_s=10, reach_s=12, next_url_s=4))
    for n in range(1, 4):
        on.internet.open(f"9.9.9.{n}", 1320, SERVER, silent=True)
    error = await on.fails(FIRST, SECOND, THIRD)
    assert 13 <= elapsed() < 13.1
    assert isinstance(error, Unreachable)
    assert error.tried == ((str(FIRST), "no answer within 10 s"),)
    assert f"{THIRD} (not reached within 12 s)" in str(error)


@trip
async def test_the_error_tells_of_every_url() -> None:
    on = Trip()
    error = await on.fails(FIRST, NAMED)
    assert isinstance(error, Unreachable)
    assert error.tried == (
        (str(FIRST), "nobody answered: connection refused"),
        (str(NAMED), "the name has no address (Name or service not known)"),
    )
    for words in (SERVER.public.server_text, str(FIRST), "connection refused", str(NAMED), "no address"):
        assert words in str(error)


@trip
async def test_without_urls_nothing_is_dialled() -> None:
    on = Trip()
    assert "no address" in str(await on.fails())
    assert on.internet.targets == []


@pytest.mark.claim("C50")
@trip
async def test_a_wrong_key_is_told_when_nobody_else_answers() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, OTHER)
    error = await on.fails(SECOND, FIRST, THIRD)
    assert isinstance(error, WrongServerKey)
    assert OTHER.public.server_text in str(error)
    assert len(error.tried) == 3


@pytest.mark.claim("C50")
@trip
async def test_a_wrong_key_does_not_hide_the_right_server() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, OTHER)
    on.internet.open("9.9.9.2", 1320, SERVER)
    assert (await on.reach(FIRST, SECOND)).url == SECOND


@trip
async def test_a_server_that_would_not_is_told_with_its_code() -> None:
    on = Trip()
    place = on.internet.open("9.9.9.1", 1320, SERVER)
    place.server.greets = ResultCode.IP_TEMP_BANNED
    error = await on.fails(FIRST, SECOND)
    assert isinstance(error, Refused)
    assert error.result == ResultCode.IP_TEMP_BANNED


# --- forms -----------------------------------------------------------------------------------------


@trip
async def test_raw_keys_are_tried_once_when_certificates_are_broken_off_and_remembered() -> None:
    on = Trip()
    place = on.internet.open("9.9.9.1", 1320, SERVER, forms=frozenset({"raw_key"}))
    await on.reach(FIRST)
    assert [target.raw_key for target in on.internet.targets] == [False, True]
    assert on.memory.remembered(SERVER.public) == (Remembered(FIRST, Form.RAW_KEY, NOW),)
    on.pool.close()
    await asyncio.sleep(1)
    await on.reach(FIRST)
    assert [target.raw_key for target in on.internet.targets] == [False, True, True]
    # What was remembered holds no longer.
    on.pool.close()
    await asyncio.sleep(1)
    place.forms = frozenset({"certificate"})
    await on.reach(FIRST)
    assert [target.raw_key for target in on.internet.targets[3:]] == [True, False]


@trip
async def test_each_form_is_tried_once() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, forms=frozenset())
    error = await on.fails(FIRST)
    assert [target.raw_key for target in on.internet.targets] == [False, True]
    assert "broke off the handshake" in str(error)


# --- what is remembered --------------------------------------------------------------------------


@trip
async def test_what_worked_goes_first_and_what_failed_goes_last_for_a_while() -> None:
    on = Trip(ClientSettings(avoid_s=600))
    place = on.internet.open("9.9.9.2", 1320, SERVER)
    await on.reach(FIRST, SECOND, THIRD)
    on.pool.close()
    await asyncio.sleep(1)
    on.internet.targets.clear()
    await on.reach(FIRST, SECOND, THIRD)
    assert on.internet.dialled() == [("9.9.9.2", 1320)]
    on.pool.close()
    await asyncio.sleep(1)
    # The one that worked fails now; the third, never tried, comes before both that failed.
    place.silent = True
    on.memory.failed(SERVER.public, SECOND, on.now)
    on.internet.targets.clear()
    await on.fails(FIRST, SECOND, THIRD)
    assert on.internet.dialled() == [("9.9.9.3", 1320), ("9.9.9.1", 1320), ("9.9.9.2", 1320)]
    # After a while it counts again that it has worked once.
    on.now += 601 * 10**9
    on.internet.targets.clear()
    await on.fails(FIRST, SECOND, THIRD)
    assert on.internet.dialled()[0] == ("9.9.9.2", 1320)


@trip
async def test_who_lost_a_race_is_not_remembered_as_failed() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, delay_s=2.0)
    on.internet.open("9.9.9.2", 1320, SERVER)
    await on.reach(FIRST, SECOND)
    assert on.memory.remembered(SERVER.public) == (Remembered(SECOND, Form.CERTIFICATE, NOW),)


def test_memory_is_bounded_for_each_server() -> None:
    memory = ProcessMemory()
    for port in range(1, 200):
        memory.failed(SERVER.public, ServerUrl.parse(f"mosaictcp://9.9.9.9:{port}"), NOW)
    assert len(memory.remembered(SERVER.public)) == 32
    memory.worked(SERVER.public, Way(FIRST, Form.CERTIFICATE), NOW)
    assert memory.remembered(SERVER.public)[-1] == Remembered(FIRST, Form.CERTIFICATE, NOW)


# --- who may be dialled ------------------------------------------------------------------------------

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "169.254.1.1",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "0.0.0.0",
)


@pytest.mark.parametrize("host", PRIVATE)
@trip
async def test_private_addresses_are_not_dialled(host: str) -> None:
    on = Trip()
    error = await on.fails(ServerUrl.parse(f"mosaictcp://{host}:1320"))
    assert "private" in str(error)
    assert "private_addresses" in error.hint
    assert on.internet.targets == []


@pytest.mark.parametrize("host", PRIVATE)
@trip
async def test_names_are_judged_by_where_they_lead(host: str) -> None:
    on = Trip(names={"server.example": [host.strip("[]")]})
    assert "private" in str(await on.fails(NAMED))
    assert on.internet.targets == []


@trip
async def test_of_a_names_addresses_only_public_ones_are_dialled() -> None:
    on = Trip(names={"server.example": ["127.0.0.1", "9.9.9.1", "fe80::1%eth0"]})
    on.internet.open("127.0.0.1", 1320, SERVER)
    on.internet.open("9.9.9.1", 1320, SERVER)
    await on.reach(NAMED)
    # The address that was judged is the one that is dialled: a second look-up could lead elsewhere.
    assert on.internet.dialled() == [("9.9.9.1", 1320)]
    assert on.asked == ["server.example"]


@trip
async def test_private_addresses_are_dialled_where_allowed_or_named_by_the_person() -> None:
    here = ServerUrl.parse("mosaictcp://127.0.0.1:1320")
    on = Trip(ClientSettings(private_addresses=True))
    on.internet.open("127.0.0.1", 1320, SERVER)
    await on.reach(here)
    on = Trip()
    on.internet.open("127.0.0.1", 1320, SERVER)
    async with on.pool.connect(ServerAddress(SERVER.public, (here,), frozenset({here}))) as connection:
        assert connection.url == here


@trip
async def test_the_addresses_of_a_name_race_by_turns() -> None:
    on = Trip(names={"server.example": ["2600::1", "2600::2", "9.9.9.1", "9.9.9.2"]})
    on.internet.open("2600::1", 1320, SERVER, silent=True)
    on.internet.open("9.9.9.1", 1320, SERVER)
    await on.reach(NAMED)
    assert elapsed() < 0.3
    assert on.internet.dialled() == [("2600::1", 1320), ("9.9.9.1", 1320)]


# --- proxies -----------------------------------------------------------------------------------------


@pytest.mark.claim("C52")
@trip
async def test_a_proxy_takes_all_links_resolves_names_and_takes_no_quic() -> None:
    on = Trip(ClientSettings(proxy="socks5://ben:secret@127.0.0.1:9050"))
    on.internet.open("server.example", 1320, SERVER)
    await on.reach(QUIC, NAMED)
    (target,) = on.internet.targets
    assert target.proxy is not None
    assert (target.proxy.host, target.proxy.port) == ("127.0.0.1", 9050)
    assert (target.proxy.user, target.proxy.password) == ("ben", "secret")
    assert target.host == "server.example"
    assert on.asked == []
    assert "secret" not in repr(target) + repr(on.settings)


@trip
async def test_a_proxy_is_not_led_to_private_addresses_either() -> None:
    on = Trip(ClientSettings(proxy="socks5://127.0.0.1:9050"))
    assert "private" in str(await on.fails(ServerUrl.parse("mosaictcp://192.168.1.1")))
    assert on.internet.targets == []


@pytest.mark.claim("C52")
@trip
async def test_a_proxy_for_onion_hosts_leaves_the_others_alone() -> None:
    onion = ServerUrl.parse("mosaictcp://abcdefgh.onion:1320")
    on = Trip(ClientSettings(proxy=".onion=socks5://127.0.0.1:9050"))
    on.internet.open("abcdefgh.onion", 1320, SERVER)
    on.internet.open("9.9.9.4", 1320, SERVER, Transport.QUIC)
    await on.reach(onion)
    assert on.internet.targets[-1].proxy is not None
    on.pool.close()
    await asyncio.sleep(1)
    await on.reach(QUIC)
    assert on.internet.targets[-1].proxy is None


@trip
async def test_an_onion_host_is_never_asked_of_the_system() -> None:
    on = Trip()
    error = await on.fails(ServerUrl.parse("mosaictcp://abcdefgh.onion"))
    assert "proxy" in str(error)
    assert on.asked == []


# --- the pool ----------------------------------------------------------------------------------------


@trip
async def test_who_gives_up_leaves_no_dial_behind() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, silent=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await on.reach(FIRST)
    await asyncio.sleep(1)
    assert on.internet.live == 0
    assert on.memory.remembered(SERVER.public) == ()


@trip
async def test_one_who_gives_up_does_not_end_the_dial_of_others() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, delay_s=3)

    async def impatient() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await on.reach(FIRST)

    _, connection = await asyncio.gather(impatient(), on.reach(FIRST))
    assert connection.is_open
    assert len(on.internet.targets) == 1


@trip
async def test_closing_the_pool_ends_dials_under_way() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER, silent=True)
    waiting = asyncio.create_task(on.reach(FIRST))
    await asyncio.sleep(1)
    on.pool.close()
    with pytest.raises(Disconnected):
        await waiting
    await asyncio.sleep(1)
    assert on.internet.live == 0


@trip
async def test_over_quic_a_subscription_has_a_stream_of_its_own() -> None:
    on = Trip()
    place = on.internet.open("9.9.9.4", 1320, SERVER, Transport.QUIC)
    server = ServerAddress(SERVER.public, (QUIC,))
    async with on.pool.connect(server) as shared, on.pool.connect(server, own_stream=True) as own:
        assert own is not shared
        assert own.server_key == SERVER.public
        await own.ping()
        assert len(on.internet.targets) == 1
        # The server allows no more: they share.
        place.streams = 2
        async with on.pool.connect(server, own_stream=True) as third:
            assert third is shared
    await asyncio.sleep(1)
    assert isinstance(own.closed, Disconnected)
    assert shared.is_open
    assert on.internet.live == 1


@trip
async def test_over_tcp_it_shares_the_link() -> None:
    on = Trip()
    on.internet.open("9.9.9.1", 1320, SERVER)
    server = ServerAddress(SERVER.public, (FIRST,))
    async with (
        on.pool.connect(server, SUBKEY) as shared,
        on.pool.connect(server, SUBKEY, own_stream=True) as own,
    ):
        assert own is shared
