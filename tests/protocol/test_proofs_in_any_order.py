"""HELLO CHALLENGE and HELLO AUTH in any order, at any time, for any key: who counts as whom afterwards."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.protocol.upgrades import AUTHORITY, ENTROPY, IDENTITY, SERVER, SETTINGS, accepted

from mosaic.core.authentication import Authentication, Role
from mosaic.protocol.authentication import CHALLENGES, NONCE_LIFE_NS, ServerAuthentication
from mosaic.protocol.client_upgrade import ClientUpgrade
from mosaic.protocol.events import Finished, KeyProven, ProofAsked, ServerEvent
from mosaic.protocol.server_session import ServerSession
from mosaic.testing import Person
from mosaic.wire.client_messages import Hello, HelloAuth, HelloChallenge
from mosaic.wire.result_code import ResultCode

PEOPLE = [Person("anna"), Person("ben")]
NOBODY = bytes(32)


class Proofs(RuleBasedStateMachine):
    """One connection of somebody who tries everything.

    The model: the challenge that may be answered, when it was made, and who was proven.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 10**15
        self.session = ServerSession(SETTINGS, None, self.now)
        self.signed: list[Authentication] = []  # all that the server ever signed here
        self.pending: tuple[Authentication, int] | None = None
        self.challenges = 0
        self.proven: bytes | None = None

    @initialize()
    def begin(self) -> None:
        upgrade, _ = accepted(ClientUpgrade(AUTHORITY, ENTROPY).request)
        self.session.upgraded(upgrade, ServerAuthentication(IDENTITY, ENTROPY[:32]), self.now)
        self.session.receive(Hello(0).encode(), self.now)
        self.session.take_outgoing()

    @precondition(lambda self: not self.session.is_closed)
    @rule(
        key=st.sampled_from([NOBODY, *(person.key_bytes for person in PEOPLE)]),
        nonce=st.binary(min_size=32, max_size=32),
        authority=st.sampled_from([AUTHORITY] * 8 + ["mosaic.example", "evil.example"]),
    )
    def challenge(self, key: bytes, nonce: bytes, authority: str) -> None:
        event = self.session.receive(HelloChallenge(nonce, key, authority.encode()).encode(), self.now)
        if self.proven is not None:
            self.ended(event, ResultCode.INVALID)
        elif self.challenges == CHALLENGES:
            self.ended(event, ResultCode.TOO_FAST)
        elif authority == "evil.example":
            self.ended(event, ResultCode.UNAUTHORIZED)
        else:
            assert isinstance(event, ProofAsked)
            asked = event.authentication
            assert (asked.server_key, asked.client_key, asked.client_nonce, asked.authority) == (
                SERVER.key_bytes,
                key,
                nonce,
                authority,
            )
            assert asked.server_nonce not in {former.server_nonce for former in self.signed}
            self.challenges += 1
            self.signed.append(asked)
            self.pending = None if key == NOBODY else (asked, self.now)

    @precondition(lambda self: self.signed and not self.session.is_closed)
    @rule(
        data=st.data(),
        person=st.sampled_from(PEOPLE),
        role=st.sampled_from([Role.CLIENT] * 3 + [Role.SERVER]),
    )
    def answer(self, data: st.DataObject, person: Person, role: Role) -> None:
        """Somebody signs what was signed before, for himself, or shows the server's own signature."""
        old = data.draw(st.sampled_from(self.signed[-2:]))
        mine = Authentication(
            old.server_key, person.key_bytes, old.client_nonce, old.server_nonce, old.authority
        )
        signer = person if role is Role.CLIENT else SERVER
        signature = mine.sign(role, signer.master)
        event = self.session.receive(HelloAuth(person.key_bytes, signature).encode(), self.now)
        pending, self.pending = self.pending, None
        in_time = pending is not None and self.now - pending[1] <= NONCE_LIFE_NS
        if in_time and pending is not None and pending[0] == mine and role is Role.CLIENT:
            assert event == KeyProven(person.key_bytes)
            self.proven = person.key_bytes
            assert len(self.session.take_outgoing()) == 1
        else:
            self.ended(event, ResultCode.UNAUTHORIZED)

    @rule(seconds=st.sampled_from([0, 1, 59, 60, 61]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1_000_000_000

    def ended(self, event: ServerEvent | None, result: ResultCode) -> None:
        assert isinstance(event, Finished), event
        assert event.result is result
        assert self.session.is_closed

    @invariant()
    def counts_as_who_was_proven(self) -> None:
        assert self.session.peer_key == self.proven


Proofs.TestCase.settings = settings(max_examples=200, stateful_step_count=24, deadline=None)


@pytest.mark.claim("C47")
class TestProofs(Proofs.TestCase):  # type: ignore[misc,valid-type]
    """Run by pytest."""
