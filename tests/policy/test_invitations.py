from __future__ import annotations

import pytest

from mosaic.core.community_kinds import INVITATION
from mosaic.policy.invitations import redeems_invitations
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Refuse
from mosaic.testing import FakeClock, Person
from mosaic.wire.result_code import ResultCode

ANNA = Person("anna")
NOW = FakeClock().now_ns()


@pytest.mark.parametrize("counts", [True, False])
def test_whoever_brings_a_code_that_counts_gets_in(counts: bool) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def redeem(key: bytes, code: bytes) -> bool:
        asked.append((key, code))
        return counts

    hook = redeems_invitations(redeem)
    verdict = hook(Submission(ANNA.record(NOW, kind=INVITATION, notify=[ANNA.key], payload=b"code").data))
    assert (verdict is ACCEPT) == counts
    assert asked == [(ANNA.key_bytes, b"code")]
    assert hook(Submission(ANNA.record(NOW, payload=b"code").data)) is ACCEPT
    assert len(asked) == 1


def test_nobody_is_put_on_the_list_by_somebody_else() -> None:
    hook = redeems_invitations(lambda key, code: True)
    verdict = hook(Submission(ANNA.record(NOW, kind=INVITATION, signer=ANNA.device(), payload=b"code").data))
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.UNAUTHORIZED
