from __future__ import annotations

import pytest

from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.policy.blob_upload import BlobUpload
from mosaic.policy.home import home_hooks, own_people_upload
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Refuse, decide
from mosaic.testing import FakeClock, Person
from mosaic.wire.result_code import ResultCode

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
NOW = FakeClock().now_ns()
SERVED = {ANNA.key_bytes, BEN.key_bytes}.__contains__


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("viewers", [(), (EVE.key_bytes,), (ANNA.key_bytes,)])
def test_the_homes_people_write_and_strangers_only_to_them(way: Way, viewers: tuple[bytes, ...]) -> None:
    hooks = home_hooks(SERVED)

    def accepted(record: bytes) -> bool:
        return decide(hooks, Submission(record, viewers, way)) is ACCEPT

    assert accepted(ANNA.record(NOW).data)
    assert accepted(EVE.record(NOW, notify=[EVE.key, BEN.key]).data)
    brought_by_the_node = way is not Way.LINK
    assert accepted(EVE.record(NOW).data) == brought_by_the_node
    assert accepted(EVE.record(NOW, notify=[EVE.key]).data) == brought_by_the_node


def test_strangers_may_show_who_signs_for_them() -> None:
    schedule = EVE.record(NOW, kind=KEY_SCHEDULE).data
    assert decide(home_hooks(SERVED), Submission(schedule, (), Way.LINK)) is ACCEPT


def test_the_homes_people_bring_blobs() -> None:
    hook = own_people_upload(SERVED)
    assert hook(BlobUpload(bytes(32), 9, (EVE.key_bytes, ANNA.key_bytes))) is ACCEPT
    for viewers, result in (
        ((), ResultCode.REQUIRES_AUTHENTICATION),
        ((EVE.key_bytes,), ResultCode.UNAUTHORIZED),
    ):
        verdict = hook(BlobUpload(bytes(32), 9, viewers))
        assert isinstance(verdict, Refuse)
        assert verdict.result is result
