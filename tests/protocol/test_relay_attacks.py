"""Somebody between a client and a server who would like to pass for one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.protocol.browser_mode import NONCE, NOW, Line
from tests.protocol.upgrades import AUTHORITY, CLIENT, ENTROPY, SERVER, accepted

from mosaic.core.authentication import Authentication, Role
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded
from mosaic.protocol.events import (
    ProofAsked,
    ServerProven,
)
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.testing import Person
from mosaic.wire.client_messages import HelloChallenge
from mosaic.wire.codec import decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import HelloAck, HelloProof

pytestmark = pytest.mark.claim("C43", "C47")

MIDDLE = Person("middle")


@dataclass
class Middleman:
    """Answers a client under his own name and key, and passes what he can on to the true server.

    Args:
        key: The key that he shows: his own, or the true server's.
        authority: What the client has dialled: his own name, or the true server's.
        told: What he tells the true server that he has dialled.
    """

    key: Person
    authority: str
    told: str
    true: Line = field(default_factory=Line)

    def pass_on(self, challenge: HelloChallenge) -> HelloProof | None:
        """The answer to a client's challenge, made from the true server's; None if that refuses."""
        event = self.true.ask(HelloChallenge(challenge.nonce, challenge.key, self.told.encode()).encode())
        if not isinstance(event, ProofAsked):
            return None
        proof = decode(self.true.server.take_outgoing()[-1])
        assert isinstance(proof, HelloProof)
        if self.key is SERVER:
            return proof
        own = Authentication(self.key.key_bytes, challenge.key, challenge.nonce, proof.nonce, self.authority)
        return HelloProof(self.key.key_bytes, proof.nonce, own.sign(Role.SERVER, self.key.master))

    def attack(self, expected: bytes | None) -> tuple[bool, bool]:
        """Whether the client takes him for a server, and whether the true server takes him for the client."""
        client = ClientSession(ClientSessionSettings((1,)), NOW)
        client.hello()
        client.receive(HelloAck(ResultCode.SUCCESS, 0, (1,)).encode(), NOW)
        challenge = decode(client.challenge(expected, CLIENT.key_bytes, self.authority, NONCE, NOW))
        assert isinstance(challenge, HelloChallenge)
        proof = self.pass_on(challenge)
        event = None if proof is None else client.receive(proof.encode(), NOW)
        if not isinstance(event, ServerProven):
            return False, self.true.server.peer_key is not None
        assert event.to_sign is not None
        auth = client.authenticate(event.to_sign.sign(Role.CLIENT, CLIENT.master), NOW)
        self.true.ask(auth)
        return True, self.true.server.peer_key is not None


@pytest.mark.parametrize(
    ("expected", "key", "authority", "told", "believed"),
    [
        # The client wants the middleman himself (his own server), who would like to be the client elsewhere.
        (MIDDLE, MIDDLE, "middle.example", AUTHORITY, True),
        (None, MIDDLE, "middle.example", AUTHORITY, True),
        (None, MIDDLE, AUTHORITY, AUTHORITY, True),
        # The client wants the true server, and was led to the middleman's name.
        (SERVER, SERVER, "middle.example", AUTHORITY, False),
        (SERVER, SERVER, "middle.example", "middle.example", False),
        (SERVER, MIDDLE, "middle.example", AUTHORITY, False),
        # The same without a key that it expects.
        (None, SERVER, "middle.example", AUTHORITY, False),
        (None, SERVER, "middle.example", "middle.example", False),
    ],
)
def test_a_relay_attack_fails(
    expected: Person | None, key: Person, authority: str, told: str, believed: bool
) -> None:
    middleman = Middleman(key, authority, told)
    outcome = middleman.attack(expected.key_bytes if expected else None)
    assert outcome == (believed, False)


def test_who_holds_a_certificate_for_the_very_name_is_not_found_out() -> None:
    """What native mode is for: everything that is signed is true, and he reads along."""
    assert Middleman(SERVER, AUTHORITY, AUTHORITY).attack(SERVER.key_bytes) == (True, True)


def test_a_relay_by_headers_fails() -> None:
    """A middleman passes the fields of an upgrade on, both ways, under his own name."""
    client = ClientUpgrade(
        "middle.example", ENTROPY, applications=(1,), server_key=SERVER.key_bytes, client_key=CLIENT.key_bytes
    )
    passed_on = client.request.replace(b"Host: middle.example", f"Host: {AUTHORITY}".encode())
    _, response = accepted(passed_on)
    answer = client.receive(response)
    assert not isinstance(answer, Upgraded)
    assert answer.unproven
