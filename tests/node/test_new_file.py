from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from mosaic.errors import LocalError
from mosaic.node.new_file import check_new, write_new


def test_a_new_file_is_its_owners_and_never_takes_the_place_of_another(tmp_path: Path) -> None:
    file = tmp_path / "anna.key"
    check_new(file)
    write_new(file, "mocryptsec0")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(LocalError, match="can't be written"):
        check_new(file)
    with pytest.raises(LocalError, match="can't be written"):
        write_new(file, "another")
    assert file.read_text() == "mocryptsec0"


def test_of_a_file_that_does_not_get_to_the_disk_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = tmp_path / "anna.key"
    with pytest.raises(LocalError, match="No space"):
        write_new(file, "mocryptsec0")
    assert not file.exists()
