"""WebSockets in browser mode: how they begin, and what a key counts that was proven inside of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core.authentication import Role
from mosaic.core.filter import Filter
from mosaic.core.kind import Readers
from mosaic.errors import InvalidUrl
from mosaic.policy.admission import Arrival
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.protocol.authentication import CHALLENGES, NONCE_LIFE_NS
from mosaic.protocol.client_upgrade import Upgraded, UpgradeRefused
from mosaic.protocol.upgrade import Mode
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.web_memory import AUTHORITY, Browser, browse, prover
from tests.server.world import SERVER, Client, World, running

pytestmark = pytest.mark.claim("C43", "C47")

ALICE, BEN, STRANGER = Person("alice"), Person("ben"), Person("stranger")
NAMED = ServerSettings(authorities=(AUTHORITY,))


async def greeted(world: World, mode: Mode = Mode.BROWSER) -> Browser:
    browser = browse(world, mode)
    assert isinstance(await browser.answer(), Upgraded)
    await browser.client.hello()
    return browser


async def refusal(browser: Browser) -> UpgradeRefused:
    answer = await browser.answer()
    assert isinstance(answer, UpgradeRefused)
    await browser.client.until(lambda: browser.client.closed)
    return answer


async def closing(client: Client) -> ResultCode:
    result = (await client.take(tell.Closing)).result
    await client.until(lambda: client.closed)
    return result


# --- how it begins


@pytest.mark.parametrize("mode", [Mode.BROWSER, Mode.PLAIN])
async def test_only_configured_names_are_answered(tmp_path: Path, mode: Mode) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        await greeted(world, mode)
        assert (await refusal(browse(world, mode, authority="evil.example"))).status == 403
        assert world.server.metrics.upgrades_refused == 1
        world.server.reached_as(["Mosaic.example:8443", "[0:0::1]:80"])
        for name in (AUTHORITY, "mosaic.example:8443", "[::1]:80"):
            assert isinstance(await browse(world, mode, authority=name).answer(), Upgraded)
        world.server.reached_as([])
        assert (await refusal(browse(world, mode, authority="mosaic.example:8443"))).status == 403
        with pytest.raises(InvalidUrl):
            world.server.reached_as(["a b"])


async def test_names_in_the_settings_are_judged(tmp_path: Path) -> None:
    with pytest.raises(InvalidUrl):
        async with running(tmp_path, settings=ServerSettings(authorities=("a/b",))):
            pass


async def test_a_server_that_has_no_key_at_hand_refuses_browsers(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED) as world:
        assert (await refusal(browse(world))).status == 403
        native = browse(world, Mode.NATIVE, tls_key=ALICE.master)
        assert isinstance(await native.answer(), Upgraded)
        await native.client.hello()
        assert await native.client.submit(ALICE.schedule(world.now())) == [ResultCode.ACCEPTED]


@pytest.mark.parametrize("request_head", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100])
async def test_what_is_no_request_is_refused(tmp_path: Path, request_head: bytes) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        assert (await refusal(browse(world, request=request_head))).status == 400
        await greeted(world)


async def test_hello_is_still_to_come_within_its_time(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = browse(world)
        await browser.answer()
        world.clock.advance(seconds=10)
        world.server.tick()
        assert await closing(browser.client) is ResultCode.INVALID


async def test_the_service_url_is_told(tmp_path: Path) -> None:
    settings = ServerSettings(authorities=(AUTHORITY,), service_url="https://mosaic.example/account")
    async with running(tmp_path, ALICE, settings=settings, prover=prover()) as world:
        answer = await browse(world).answer()
        assert answer == Upgraded(service_url="https://mosaic.example/account")


# --- HELLO by headers


async def test_by_headers_everything_is_said_before_the_first_frame(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = browse(
            world, by_headers=True, server_key=SERVER.key_bytes, client_key=ALICE.master.public.bytes
        )
        answer = await browser.answer()
        assert isinstance(answer, Upgraded)
        assert (answer.version, answer.applications) == (0, (0, 1))
        assert answer.to_sign is not None
        signature = answer.to_sign.sign(Role.CLIENT, ALICE.master)
        browser.client.send(ask.HelloAuth(ALICE.key_bytes, signature))
        assert (await browser.client.take(tell.HelloAck)).result is ResultCode.SUCCESS
        assert await browser.client.submit(ALICE.schedule(world.now())) == [ResultCode.ACCEPTED]


async def test_by_headers_an_anonymous_client_needs_no_hello(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = browse(world, by_headers=True, server_key=SERVER.key_bytes)
        assert isinstance(await browser.answer(), Upgraded)
        assert await browser.client.query(Filter.of(authors=[ALICE.key])) == ([], ResultCode.SUCCESS)
        world.clock.advance(seconds=60)
        world.server.tick()
        await browser.client.settled()


async def test_by_headers_another_server_is_noticed(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = browse(world, by_headers=True, server_key=STRANGER.key_bytes)
        answer = await browser.answer()
        assert isinstance(answer, UpgradeRefused)
        assert answer.unproven


# --- what a proven key counts


@pytest.mark.claim("C27")
async def test_a_key_proven_by_hello_auth_counts_as_one_proven_by_tls(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, BEN, settings=NAMED, prover=prover()) as world:
        alice = await world.connect(ALICE.master)
        own = ALICE.record(world.now(), kind=kind_of(readers=Readers.AUTHOR)).data
        tagged = ALICE.record(
            world.now(), kind=kind_of(readers=Readers.AUTHOR_AND_TAGGED), notify=[BEN.key]
        ).data
        assert set(
            await alice.submit(ALICE.schedule(world.now(), ("phone",)), BEN.schedule(world.now(), ("phone",)))
        ) == {ResultCode.ACCEPTED}
        assert await alice.submit(own, tagged) == [ResultCode.ACCEPTED] * 2
        for key in (None, ALICE.master, ALICE.device("phone"), BEN.device("phone"), STRANGER.master):
            by_tls = await world.connect(key)
            browser = await greeted(world)
            if key is not None:
                assert (await browser.log_in(key)).result is ResultCode.SUCCESS
            expected = await by_tls.get(own[:48], tagged[:48])
            assert await browser.client.get(own[:48], tagged[:48]) == expected
            more = [
                ALICE.record(world.now(1), signer=ALICE.device("phone"), from_author=True) for _ in range(2)
            ]
            result = await by_tls.submit(more[0])
            assert await browser.client.submit(more[1]) == result
            assert (result == [ResultCode.ACCEPTED]) is (key in {ALICE.master, ALICE.device("phone")})


async def test_a_subscription_gets_the_new_rights(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        writer = await world.connect(ALICE.master)
        browser = await greeted(world)
        query_id, _ = await browser.client.subscribe(Filter.of(authors=[ALICE.key]))
        await browser.log_in(ALICE.master)
        record = ALICE.record(world.now(), kind=kind_of(readers=Readers.AUTHOR)).data
        assert await writer.submit(record) == [ResultCode.ACCEPTED]
        assert (await browser.client.take(tell.Record, query_id)).record == record


async def test_who_is_banned_is_told_so(tmp_path: Path) -> None:
    def banned(arrival: Arrival) -> Verdict:
        return (
            Refuse(ResultCode.PUBKEY_PERM_BANNED, "banned") if arrival.key == STRANGER.key_bytes else ACCEPT
        )

    async with running(tmp_path, ALICE, settings=NAMED, prover=prover(), admission=[banned]) as world:
        browser = await greeted(world)
        await browser.prove(STRANGER.master)
        assert await closing(browser.client) is ResultCode.PUBKEY_PERM_BANNED
        browser = await greeted(world)
        await browser.log_in(BEN.master)
        assert world.server.links == 1


# --- what ends a session


async def test_false_proofs_end_the_session(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        others = await greeted(world)
        foreign = ask.HelloAuth(
            ALICE.key_bytes, (await others.prove(None, named=ALICE.key_bytes)).sign(Role.CLIENT, ALICE.master)
        )
        attempts = [await greeted(world) for _ in range(5)]
        attempts[0].client.send(foreign)  # without a challenge
        await attempts[1].prove(None, named=ALICE.key_bytes)
        attempts[1].client.send(foreign)  # made for another connection
        await attempts[2].prove(STRANGER.master, named=ALICE.key_bytes)  # another key
        signed = await attempts[3].prove(None, named=ALICE.key_bytes)
        attempts[3].client.send(ask.HelloAuth(ALICE.key_bytes, bytes(64)))  # no signature
        assert signed.client_key == ALICE.key_bytes
        signed = await attempts[4].prove(None, named=ALICE.key_bytes)
        world.clock.advance(nanoseconds=NONCE_LIFE_NS + 1)
        attempts[4].client.send(
            ask.HelloAuth(ALICE.key_bytes, signed.sign(Role.CLIENT, ALICE.master))
        )  # late
        for browser in attempts:
            assert await closing(browser.client) is ResultCode.UNAUTHORIZED
        assert world.server.metrics.keys_proven == 0


async def test_a_key_is_proven_once(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = await greeted(world)
        await browser.log_in(ALICE.master)
        browser.client.send(ask.HelloAuth(ALICE.key_bytes, bytes(64)))
        assert await closing(browser.client) is ResultCode.UNAUTHORIZED


async def test_a_foreign_authority_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = await greeted(world)
        browser.client.send(ask.HelloChallenge(bytes(32), bytes(32), b"evil.example"))
        assert await closing(browser.client) is ResultCode.UNAUTHORIZED


async def test_challenges_are_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        browser = await greeted(world)
        for _ in range(CHALLENGES):
            await browser.prove(None)
        browser.client.send(ask.HelloChallenge(bytes(32), bytes(32), AUTHORITY.encode()))
        assert await closing(browser.client) is ResultCode.TOO_FAST


@pytest.mark.parametrize("web", [False, True])
async def test_where_tls_proves_keys_there_is_nothing_to_prove(tmp_path: Path, web: bool) -> None:
    async with running(tmp_path, ALICE, settings=NAMED, prover=prover()) as world:
        for message in (
            ask.HelloChallenge(bytes(32), bytes(32), AUTHORITY.encode()),
            ask.HelloAuth(ALICE.key_bytes, bytes(64)),
        ):
            client = (await greeted(world, Mode.NATIVE)).client if web else await world.connect()
            client.send(message)
            assert await closing(client) is ResultCode.INVALID
