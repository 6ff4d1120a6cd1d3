"""Deletions as records: what they name, how many, who reads them."""

from __future__ import annotations

import pytest

from mosaic.core import community_tags, deletion
from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION, SERVER_ACT
from mosaic.core.core_tags import Target
from mosaic.core.kind import Kind
from mosaic.core.kinds import PROFILE
from mosaic.core.nonce import FIXED
from mosaic.errors import UsageError
from mosaic.testing import Person

ANNA = Person("anna")


def test_a_deletion_names_each_target_once() -> None:
    post = ANNA.record(1)
    names = [Target(post.kind, post.id), Target(post.kind, post.address), Target(post.kind, post.id)]
    made = deletion.build(ANNA.device(), names, 2, nonce=FIXED, author=ANNA.key)
    assert (made.kind, made.author, made.signer) == (DELETION, ANNA.key, ANNA.device().public)
    assert community_tags.targets(made) == tuple(names[:2])
    private = deletion.build(ANNA.master, names, 2, nonce=FIXED, private=True)
    assert private.kind == PRIVATE_DELETION


def test_a_deletion_names_something_and_no_more_than_fits() -> None:
    kind = ANNA.record(1).kind
    many = [Target(kind, ANNA.record(n, kind=kind).id) for n in range(deletion.MOST_TARGETS + 1)]
    assert len(community_tags.targets(deletion.build(ANNA.master, many[:-1], 2, nonce=FIXED))) == 1_023
    for wrong in ([], many):
        with pytest.raises(UsageError, match="names 1 to 1023"):
            deletion.build(ANNA.master, wrong, 2, nonce=FIXED)


@pytest.mark.parametrize("kind", [DELETION, PRIVATE_DELETION, SERVER_ACT, PROFILE])
def test_what_no_deletion_touches_is_named_in_none(kind: Kind) -> None:
    with pytest.raises(UsageError, match="can't be deleted"):
        deletion.build(ANNA.master, [Target(kind, ANNA.record(1, kind=kind).id)], 2, nonce=FIXED)
