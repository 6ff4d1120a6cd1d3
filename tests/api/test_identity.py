"""Identities: where they come from, and that they tell nobody their secret."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest
from tests.api.conftest import World, serving

from mosaic import Identity
from mosaic.core.keys import SecretKey
from mosaic.errors import (
    HomeInUse,
    HomeMissing,
    InvalidSecretKey,
    LocalError,
    MasterAway,
    UnknownPerson,
    UsageError,
    WrongPassword,
)

SEED = bytes(range(32))


def test_the_same_seed_is_the_same_person() -> None:
    one = Identity.from_seed(SEED)
    assert one == Identity.from_seed(SEED) == Identity.from_text(SecretKey.from_seed(SEED).text)
    assert one.key == SecretKey.from_seed(SEED).public.user_text
    assert one.is_master
    assert Identity.new() != Identity.new()


def test_it_is_kept_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "bot.key"
    made = Identity.open(file, "a password")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("mocryptsec0")
    assert Identity.open(file, "a password") == made
    with pytest.raises(WrongPassword):
        Identity.open(file, "another")
    with pytest.raises(InvalidSecretKey):
        Identity.load(file)
    with pytest.raises(LocalError):
        made.save(file, "a password")
    with pytest.raises(UsageError):
        made.save(tmp_path / "other.key", "")
    with pytest.raises(LocalError):
        Identity.load(tmp_path / "nothing.key", "a password")


@pytest.mark.parametrize("text", ["", "mosec0abc", "mopub0abc", "a secret that was mistyped"])
def test_what_is_no_key_is_told_without_quoting_it(text: str) -> None:
    with pytest.raises(InvalidSecretKey) as told:
        Identity.from_text(text)
    assert not text or text not in str(told.value)


def test_it_shows_its_secret_nowhere() -> None:
    identity = Identity.from_seed(SEED)
    secret = SecretKey.from_seed(SEED)
    for shown in (repr(identity), str(identity), f"{identity!r}", repr(vars(type(identity)))):
        assert secret.text not in shown
        assert SEED.hex() not in shown
    assert repr(identity) == f"Identity({identity.key})"
    with pytest.raises(InvalidSecretKey):
        pickle.dumps(identity)


async def test_somebody_who_lives_in_a_home_signs_with_the_device(tmp_path: Path) -> None:
    async with serving(tmp_path / "home", "anna", "ben") as world:
        keys = {name: world.identity(name) for name in ("anna", "ben")}
        with pytest.raises(HomeInUse, match="a node runs"):
            Identity.home(world.folder)
    assert Identity.home(tmp_path / "home") == keys["anna"]
    ben = Identity.home(tmp_path / "home", person="ben")
    assert ben == keys["ben"]
    assert not ben.is_master
    with pytest.raises(UnknownPerson):
        Identity.home(tmp_path / "home", person="carl")
    with pytest.raises(HomeMissing):
        Identity.home(tmp_path / "nowhere")


async def test_a_device_does_not_change_a_profile(world: World) -> None:
    async with world.client("anna") as anna:
        with pytest.raises(MasterAway, match="master key"):
            await anna.set_profile(about="I bake bread.")
    async with world.at_home("anna") as anna:
        await anna.set_profile(about="I bake bread.")
        profile = await anna.profile()
        assert (profile.name, profile.about) == ("anna", "I bake bread.")
