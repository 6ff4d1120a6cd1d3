"""Whose records were erased: kept over restarts, never an earlier time."""

from __future__ import annotations

from pathlib import Path

from mosaic.node.erased import ErasedKey, ErasedKeys
from mosaic.node.private_db import PrivateDb
from mosaic.testing import Person

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
