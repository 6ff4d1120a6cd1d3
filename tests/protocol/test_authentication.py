"""Keys that are proven inside of a session."""

from __future__ import annotations

import pytest
from tests.protocol.browser_mode import NONCE, NOW, Line, assert_refused
from tests.protocol.upgrades import AUTHORITY, CLIENT, ENTROPY, IDENTITY, SERVER, SETTINGS, accepted
from tests.wire.examples import RECORD

from mosaic.core.authentication import Authentication, Role
from mosaic.errors import UsageError
from mosaic.protocol.authentication import (
    CHALLENGES,
    NONCE_LIFE_NS,
    ServerAuthentication,
)
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded
from mosaic.protocol.events import (
    Finished,
    HelloAccepted,
    HelloDone,
    KeyAccepted,
    KeyProven,
    ProofAsked,
    ServerClosing,
    ServerProven,
    ServerUnproven,
    SubmissionAnswered,
    Submitted,
    Violation,
)
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.protocol.upgrade import Mode
from mosaic.testing import Person
from mosaic.wire.client_messages import Hello, HelloAuth, HelloChallenge
from mosaic.wire.codec import decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck, HelloProof

pytestmark = pytest.mark.claim("C43", "C47")

MIDDLE, STRANGER = Person("middle"), Person("stranger")


# --- as it should be


def test_both_prove_their_keys() -> None:
    line = Line()
    auth = line.auth()
    before = line.server.peer_key
    assert line.ask(auth) == KeyProven(CLIENT.key_bytes)
    assert (before, line.server.peer_key) == (None, CLIENT.key_bytes)
    (ack,) = line.server.outgoing
    assert decode(ack) == HelloAck(ResultCode.SUCCESS, 0, (1,))
    assert line.told() == [KeyAccepted(CLIENT.key_bytes)]
    assert line.client.deadline_ns is None
    assert line.ask(line.client.submit(RECORD)) == Submitted(RECORD)
    line.server.outgoing.append(line.server.submission_result(RECORD[:32], ResultCode.ACCEPTED))
    assert line.told() == [SubmissionAnswered(RECORD[:32], ResultCode.ACCEPTED)]


def test_a_client_may_stay_anonymous() -> None:
    line = Line()
    assert isinstance(line.ask(line.challenge(None)), ProofAsked)
    assert line.told() == [ServerProven(SERVER.key_bytes, None)]
    assert_refused(line, HelloAuth(CLIENT.key_bytes, bytes(64)).encode(), ResultCode.UNAUTHORIZED, "without")


def test_it_may_log_in_later_with_a_nonce_of_that_moment() -> None:
    line = Line()
    line.ask(line.challenge(None))
    line.told()
    line.now += 3 * NONCE_LIFE_NS
    assert line.ask(line.auth()) == KeyProven(CLIENT.key_bytes)


def test_the_server_proves_itself_under_each_of_its_names_only() -> None:
    line = Line()
    assert isinstance(line.ask(line.challenge(authority="mosaic.example")), ProofAsked)
    for authority in ("evil.example", "MOSAIC.EXAMPLE", "mosaic.example:443", "mosaic.example\0"):
        line = Line()
        assert_refused(
            line,
            HelloChallenge(NONCE, bytes(32), authority.encode()).encode(),
            ResultCode.UNAUTHORIZED,
            "authority",
        )
        assert line.client.receive(Closing(ResultCode.UNAUTHORIZED).encode(), NOW) == ServerClosing(
            ResultCode.UNAUTHORIZED
        )


# --- header form


def by_headers(client_key: bytes | None = CLIENT.key_bytes) -> tuple[ServerSession, ClientSession, Upgraded]:
    client_side = ClientUpgrade(
        AUTHORITY, ENTROPY, applications=(1,), server_key=SERVER.key_bytes, client_key=client_key
    )
    upgrade, response = accepted(client_side.request)
    server, client = ServerSession(SETTINGS, None, NOW), ClientSession(ClientSessionSettings((1,)), NOW)
    done = server.upgraded(upgrade, ServerAuthentication(IDENTITY, ENTROPY[:32]), NOW)
    assert done == HelloDone(0, (1,))
    upgraded = client_side.receive(response)
    assert isinstance(upgraded, Upgraded)
    assert client.upgraded(upgraded, NOW) == HelloAccepted(0, (1,))
    return server, client, upgraded


def test_in_header_form_the_first_frame_may_be_hello_auth() -> None:
    server, client, upgraded = by_headers()
    assert upgraded.to_sign is not None
    frame = client.authenticate(upgraded.to_sign.sign(Role.CLIENT, CLIENT.master), NOW)
    assert server.receive(frame, NOW) == KeyProven(CLIENT.key_bytes)
    (ack,) = server.take_outgoing()
    assert client.receive(ack, NOW) == KeyAccepted(CLIENT.key_bytes)


def test_in_header_form_hello_was_said() -> None:
    server, client, _ = by_headers(None)
    with pytest.raises(UsageError):
        client.hello()
    assert server.receive(Hello(0, (1,)).encode(), NOW) is None
    assert decode(server.take_outgoing()[0]) == HelloAck(ResultCode.DUPLICATE, 0, (1,))
    assert server.receive(client.submit(RECORD), NOW) == Submitted(RECORD)


def test_in_header_form_a_proof_too_late_is_refused() -> None:
    server, client, upgraded = by_headers()
    assert upgraded.to_sign is not None
    frame = client.authenticate(upgraded.to_sign.sign(Role.CLIENT, CLIENT.master), NOW)
    assert isinstance(server.receive(frame, NOW + NONCE_LIFE_NS + 1), Finished)


def test_without_header_form_hello_comes_within_its_time() -> None:
    upgrade, response = accepted(ClientUpgrade(AUTHORITY, ENTROPY).request)
    server, client = ServerSession(SETTINGS, None, NOW), ClientSession(ClientSessionSettings((1,)), NOW)
    server.upgraded(upgrade, None, NOW + 7)
    assert server.deadline_ns == NOW + 7 + SETTINGS.hello_timeout_ns
    upgraded = ClientUpgrade(AUTHORITY, ENTROPY).receive(response)
    assert isinstance(upgraded, Upgraded)
    with pytest.raises(UsageError):
        client.upgraded(upgraded, NOW)


# --- what a server refuses


def test_a_proof_counts_once() -> None:
    line = Line()
    auth = line.auth()
    line.ask(auth)
    line.server.take_outgoing()
    event = line.ask(auth)
    assert isinstance(event, Finished)
    assert event.result is ResultCode.UNAUTHORIZED


def test_after_a_key_was_proven_there_is_no_other() -> None:
    line = Line()
    line.ask(line.auth())
    line.told()
    event = line.ask(HelloChallenge(NONCE, STRANGER.key_bytes, AUTHORITY.encode()).encode())
    assert isinstance(event, Finished)
    assert event.result is ResultCode.INVALID
    assert line.server.peer_key == CLIENT.key_bytes


def test_a_proof_for_another_connection_is_refused() -> None:
    first, second = Line(), Line(entropy=bytes(32))
    auth = first.auth()
    second.proven()
    assert_refused(second, auth, ResultCode.UNAUTHORIZED, "signature")


def test_a_proof_without_a_challenge_is_refused() -> None:
    assert_refused(Line(), Line().auth(), ResultCode.UNAUTHORIZED, "without")


@pytest.mark.parametrize("late", [False, True])
def test_a_nonce_lives_for_a_minute(late: bool) -> None:
    line = Line()
    auth = line.auth()
    line.now += NONCE_LIFE_NS + late
    if late:
        assert_refused(line, auth, ResultCode.UNAUTHORIZED, "too late")
    else:
        assert line.ask(auth) == KeyProven(CLIENT.key_bytes)


def test_a_clock_that_goes_back_lets_nothing_live_longer() -> None:
    line = Line()
    auth = line.auth()
    line.now -= 1
    assert_refused(line, auth, ResultCode.UNAUTHORIZED, "too late")


def test_another_key_than_was_named_is_refused() -> None:
    line = Line()
    to_sign = line.proven()
    other = Authentication(
        to_sign.server_key,
        STRANGER.key_bytes,
        to_sign.client_nonce,
        to_sign.server_nonce,
        to_sign.authority,
    )
    frame = HelloAuth(STRANGER.key_bytes, other.sign(Role.CLIENT, STRANGER.master)).encode()
    assert_refused(line, frame, ResultCode.UNAUTHORIZED, "another key")


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_a_false_signature_is_refused(place: int) -> None:
    line = Line()
    signature = bytearray(line.proven().sign(Role.CLIENT, CLIENT.master))
    signature[place] ^= 1
    frame = HelloAuth(CLIENT.key_bytes, bytes(signature)).encode()
    assert_refused(line, frame, ResultCode.UNAUTHORIZED, "signature")


def test_the_servers_own_signature_proves_no_client() -> None:
    line = Line()
    line.ask(HelloChallenge(NONCE, SERVER.key_bytes, AUTHORITY.encode()).encode())
    proof = decode(line.server.take_outgoing()[0])
    assert isinstance(proof, HelloProof)
    assert_refused(
        line, HelloAuth(SERVER.key_bytes, proof.signature).encode(), ResultCode.UNAUTHORIZED, "signature"
    )


def test_a_second_challenge_ends_the_first() -> None:
    line = Line()
    auth = line.auth()
    line.ask(HelloChallenge(NONCE, CLIENT.key_bytes, AUTHORITY.encode()).encode())
    line.server.take_outgoing()
    assert_refused(line, auth, ResultCode.UNAUTHORIZED, "signature")


def test_a_challenge_without_a_key_ends_one_with_a_key() -> None:
    line = Line()
    auth = line.auth()
    line.ask(HelloChallenge(NONCE, bytes(32), AUTHORITY.encode()).encode())
    line.server.take_outgoing()
    assert_refused(line, auth, ResultCode.UNAUTHORIZED, "without")


def test_challenges_are_bounded() -> None:
    line = Line()
    challenge = HelloChallenge(NONCE, bytes(32), AUTHORITY.encode()).encode()
    nonces = set()
    for _ in range(CHALLENGES):
        line.ask(challenge)
        proof = decode(line.server.take_outgoing()[0])
        assert isinstance(proof, HelloProof)
        nonces.add(proof.nonce)
    assert len(nonces) == CHALLENGES
    assert_refused(line, challenge, ResultCode.TOO_FAST, str(CHALLENGES))


@pytest.mark.parametrize("key", [b"\x01" + bytes(31), b"\xff" * 32])
def test_bytes_that_are_no_key_are_refused(key: bytes) -> None:
    assert_refused(
        Line(), HelloChallenge(NONCE, key, AUTHORITY.encode()).encode(), ResultCode.INVALID, "no key"
    )


def test_hello_comes_first() -> None:
    server = ServerSession(SETTINGS, None, NOW)
    upgrade, _ = accepted(ClientUpgrade(AUTHORITY, ENTROPY).request)
    server.upgraded(upgrade, ServerAuthentication(IDENTITY, ENTROPY[:32]), NOW)
    event = server.receive(HelloChallenge(NONCE, bytes(32), AUTHORITY.encode()).encode(), NOW)
    assert isinstance(event, Finished)
    assert event.result is ResultCode.INVALID


@pytest.mark.parametrize(
    "frame", [HelloChallenge(NONCE, bytes(32), b"a"), HelloAuth(CLIENT.key_bytes, bytes(64))]
)
def test_where_tls_proves_keys_they_are_not_proven_again(frame: HelloAuth) -> None:
    server = ServerSession(SETTINGS, None, NOW)
    upgrade, _ = accepted(ClientUpgrade(AUTHORITY, ENTROPY).request, Mode.NATIVE)
    server.upgraded(upgrade, None, NOW)
    server.receive(Hello(0).encode(), NOW)
    event = server.receive(frame.encode(), NOW)
    assert isinstance(event, Finished)
    assert event.result is ResultCode.INVALID


# --- what a client refuses


def proof_of(line: Line) -> HelloProof:
    line.ask(line.challenge())
    message = decode(line.server.take_outgoing()[0])
    assert isinstance(message, HelloProof)
    return message


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("another server", lambda proof: HelloProof(MIDDLE.key_bytes, proof.nonce, proof.signature)),
        ("signature", lambda proof: HelloProof(proof.key, bytes(32), proof.signature)),
        ("signature", lambda proof: HelloProof(proof.key, proof.nonce, bytes(64))),
    ],
)
def test_a_client_sees_that_another_answers(words: str, change: object) -> None:
    line = Line()
    proof = change(proof_of(line))  # type: ignore[operator]
    event = line.client.receive(proof.encode(), NOW)
    assert isinstance(event, ServerUnproven)
    assert words in event.reason
    assert line.client.is_closed


def test_a_proof_that_comes_too_late_proves_nothing() -> None:
    line = Line()
    proof = proof_of(line)
    event = line.client.receive(proof.encode(), NOW + NONCE_LIFE_NS + 1)
    assert isinstance(event, ServerUnproven)


def test_a_client_does_not_wait_for_ever() -> None:
    line = Line()
    line.challenge()
    assert line.client.deadline_ns == NOW + 10_000_000_000
    assert line.client.tick(NOW + 9_999_999_999) is None
    event = line.client.tick(NOW + 10_000_000_000)
    assert event == Violation("no answer to a proof of keys within 10 s")


def test_a_client_that_expects_no_key_takes_any_that_signs() -> None:
    line = Line(server_of=MIDDLE)
    line.ask(line.client.challenge(None, None, AUTHORITY, NONCE, NOW))
    assert line.told() == [ServerProven(MIDDLE.key_bytes, None)]


def test_what_was_not_asked_for_is_ignored() -> None:
    line = Line()
    assert line.client.receive(HelloProof(SERVER.key_bytes, NONCE, bytes(64)).encode(), NOW) is None
    assert line.client.receive(HelloAck(ResultCode.SUCCESS, 0).encode(), NOW) is None
    line.auth()
    assert line.client.receive(HelloAck(ResultCode.DUPLICATE, 0).encode(), NOW) is None
    assert line.client.is_open


def test_a_client_asks_and_signs_in_order() -> None:
    line = Line()
    with pytest.raises(UsageError):
        line.client.authenticate(bytes(64), NOW)
    line.challenge()
    with pytest.raises(UsageError):
        line.challenge()
    line = Line()
    to_sign = line.proven()
    with pytest.raises(UsageError):
        line.client.authenticate(bytes(64), NOW)
    line = Line()
    to_sign = line.proven()
    with pytest.raises(UsageError):
        line.client.authenticate(to_sign.sign(Role.CLIENT, CLIENT.master), NOW + NONCE_LIFE_NS + 1)
