from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.errors import HomeDamaged, HomeExists, HomeMissing, HomeNewer
from mosaic.node.home import FORMAT, Home, default_folder, try_lock

TRY = """
from pathlib import Path
from sys import argv
from mosaic.node.home import Home, try_lock
print(try_lock(Home(Path(argv[1]))))
"""


def test_a_new_home_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.make()
    home.check()
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert home.version_file.read_text() == f"{FORMAT}\n"


def test_a_home_is_made_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    with pytest.raises(HomeExists):
        home.make()


def test_a_folder_that_holds_other_things_is_no_place_for_a_home(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(HomeExists, match="other things"):
        Home(tmp_path).make()


def test_settings_may_be_there_before_the_home(tmp_path: Path) -> None:
    (tmp_path / "mosaic.toml").write_text("[log]\n")
    (tmp_path / "lost+found").mkdir()
    Home(tmp_path).make()
    Home(tmp_path).check()
    assert (tmp_path / "mosaic.toml").read_text() == "[log]\n"


def test_a_missing_home_is_named(tmp_path: Path) -> None:
    with pytest.raises(HomeMissing, match="nowhere"):
        Home(tmp_path / "nowhere").check()


def test_a_newer_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text(f"{FORMAT + 1}\n")
    with pytest.raises(HomeNewer):
        Home(tmp_path).check()


@pytest.mark.parametrize("text", ["", "one", "-1", "\xff"])
def test_a_damaged_version_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "VERSION").write_text(text, "latin-1")
    with pytest.raises(HomeDamaged):
        Home(tmp_path).check()


def test_only_one_process_holds_the_lock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            TRY,
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert other.stdout.strip() == "None"
    lock.release()
    again = try_lock(home)
    assert again is not None
    again.release()


def test_what_was_on_its_way_is_removed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    home.temporary.mkdir()
    (home.temporary / "half").write_bytes(b"x")
    home.empty_temporary()
    assert list(home.temporary.iterdir()) == []


def test_the_environment_names_the_home(tmp_path: Path) -> None:
    assert default_folder({"MOSAIC_HOME": str(tmp_path)}) == tmp_path
    assert default_folder({}).name == "mosaic"
