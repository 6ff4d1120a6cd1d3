"""The tags of the community application: written and read back, malformed ones left out."""

from __future__ import annotations

import pytest

from mosaic.core import community_tags
from mosaic.core.community_tags import CommunityTag
from mosaic.core.core_tags import Target
from mosaic.core.kinds import MICROBLOG
from mosaic.core.tag import Tag
from mosaic.errors import InvalidTag
from mosaic.testing import Person

ANNA = Person("anna")


def test_targets_are_read_back_and_malformed_ones_left_out() -> None:
    post = ANNA.record(1, kind=MICROBLOG)
    by_id = community_tags.target(post.kind, post.id)
    by_address = community_tags.target(post.kind, post.address)
    assert bytes(by_id.value) == bytes(4) + post.kind.bytes + post.data[:48]
    short = Tag(CommunityTag.TARGET, by_id.value[:-1])
    no_kind = Tag(CommunityTag.TARGET, bytes(4) + b"\xff" * 8 + post.data[:48])
    record = ANNA.record(2, tags=[by_id, short, no_kind, Tag(0x2, by_id.value), by_address])
    assert community_tags.targets(record) == (Target(post.kind, post.id), Target(post.kind, post.address))


def test_a_hashtag_is_one_word_however_it_is_written() -> None:
    assert community_tags.hashtag("CAFE\u0301") == community_tags.hashtag("caf\u00e9")
    for wrong in ("", "\ud800"):
        with pytest.raises(InvalidTag):
            community_tags.hashtag(wrong)
