from __future__ import annotations

import stat
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from mosaic.errors import HomeDamaged
from mosaic.node.home import Home, try_lock
from mosaic.node.keyring import Guard, keep_password, read_password
from mosaic.node.node import Node


class Chest(KeyringBackend):
    priority = 5

    def __init__(self, *, locked: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.locked = locked
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringError("locked")
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringError("locked")
        return self.kept.get((service, username))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def with_backend(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend) -> None:
    monkeypatch.delenv("MOSAIC_KEYRING", raising=False)
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    monkeypatch.setattr(keyring, "set_password", backend.set_password)
    monkeypatch.setattr(keyring, "get_password", backend.get_password)


def test_a_real_keyring_keeps_the_password(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_backend(monkeypatch, Chest())
    assert keep_password(home, "id", "hunter2") is Guard.KEYRING
    assert not home.unlock_file.exists()
    assert read_password(home, "id") == "hunter2"


def test_without_a_keyring_a_file_of_its_owner_keeps_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_backend(monkeypatch, Chest(locked=True))
    assert keep_password(home, "id", "hunter2") is Guard.FILE
    assert stat.S_IMODE(home.unlock_file.stat().st_mode) == 0o600
    assert read_password(home, "id") == "hunter2"


def test_the_environment_chooses_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    chest = Chest()
    with_backend(monkeypatch, chest)
    monkeypatch.setenv("MOSAIC_KEYRING", "no")
    assert keep_password(home, "id", "hunter2") is Guard.FILE
    assert chest.kept == {}


@pytest.mark.claim("C11")
async def test_a_home_opens_by_the_systems_keyring_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    chest = Chest()
    with_backend(monkeypatch, chest)

    async def opened() -> Node:
        lock = try_lock(home)
        assert lock is not None
        return await Node.open(home, lock)

    node = await opened()
    person = await node.make_person("anna")
    await node.stop()
    (((service, home_id), password),) = chest.kept.items()
    assert (service, home_id != "") == ("mosaic", True)
    assert not home.unlock_file.exists()
    # The password lies nowhere in the folder: who takes that alone opens nothing.
    files = [path.read_bytes() for path in home.folder.rglob("*") if path.is_file()]
    assert not any(password.encode() in data for data in files)
    node = await opened()
    assert node.people.find(None).key == person.key
    with node.people.master(person) as master:
        assert master.public == person.key
    await node.stop()
    chest.locked = True
    with pytest.raises(HomeDamaged) as told:
        await opened()
    assert "Unlock the keyring" in told.value.hint


def test_a_lost_password_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_backend(monkeypatch, Chest())
    with pytest.raises(HomeDamaged, match="neither"):
        read_password(home, "id")
