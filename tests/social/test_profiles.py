from __future__ import annotations

import pytest
from tests.core.makers import MASTER, NOW, post
from tests.social.shelf import Shelf

from mosaic.core import kinds, profile
from mosaic.core.profile import Profile
from mosaic.social import profiles


@pytest.mark.claim("C70")
def test_the_greatest_valid_profile_holds_whatever_its_nonce() -> None:
    older = profile.build(MASTER, Profile(name="old"), NOW)
    newer = profile.build(MASTER, Profile(name="new"), NOW + 1)
    nonsense = post(kind=kinds.PROFILE, timestamp=NOW + 2, payload=b"no CBOR")
    assert profiles.name_of(Shelf(nonsense, older, newer), MASTER.public) == "new"
    assert profiles.profile_record(Shelf(nonsense, older), MASTER.public) == nonsense
    assert profiles.profile_of(Shelf(nonsense), MASTER.public) is None


def test_a_name_of_any_length_is_shown_in_part() -> None:
    def shown(length: int) -> str | None:
        return profiles.name_of(Shelf(profile.build(MASTER, Profile(name="a" * length), NOW)), MASTER.public)

    assert shown(64) == "a" * 64
    assert shown(65) == shown(500_000) == "a" * 63 + "…"
