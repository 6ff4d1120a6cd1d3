"""Whose records were erased: kept over restarts, never an earlier time."""

from __future__ import annotations

from pathlib import Path

from tests.node.conftest import OpenNode, one
from tests.node.test_moderating import BERT, offer, post

from mosaic.core.filter import Filter
from mosaic.node.erased import ErasedKey, ErasedKeys
from mosaic.node.private_db import PrivateDb
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode

ANNA = Person("anna")


def test_an_erasure_is_kept_and_its_time_only_rises(tmp_path: Path) -> None:
    db = PrivateDb(tmp_path / "private.db")
    erased = ErasedKeys(db)
    assert erased.until_of(ANNA.key_bytes) is None
    erased.note(ANNA.key_bytes, 500, "operator")
    erased.note(ANNA.key_bytes, 400, "ben")
    db.close()
    again = ErasedKeys(PrivateDb(tmp_path / "private.db"))
    assert again.until_of(ANNA.key_bytes) == 500
    assert again.listed() == [ErasedKey(ANNA.key, 500, "ben")]


async def test_an_erasure_that_was_broken_off_is_finished_at_the_next_start(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=BERT.public.user_text)
        old = post(BERT, node, "old")
        assert await offer(node, old) is ResultCode.ACCEPTED
        # The process ends behind the note, before anything is removed.
        node.rules.erased.note(BERT.public.bytes, old.timestamp, "server")
        new = post(BERT, node, "new")
        assert await offer(node, new) is ResultCode.ACCEPTED
    async with open_node("ana") as node:
        left = node.everything.newest_first(Filter.of(authors=[BERT.public]))
        assert [record.payload for record in left] == [b"new"]
        assert await offer(node, old) is ResultCode.UNAUTHORIZED
