from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core import encrypted_secret_key, human
from mosaic.core.keys import SecretKey
from mosaic.errors import InvalidSecretKey, WrongPassword
from mosaic.node import master
from mosaic.node.free_memory import free_memory
from mosaic.node.master import Unlocking, check_named, file_text, opened

KEY = SecretKey.from_seed(b"a" * 32)


def sealed(log_n: int) -> str:
    return encrypted_secret_key.encrypt(KEY, "long enough", salt=bytes(16), rand4=bytes(4), log_n=log_n)


def claiming(log_n: int) -> str:
    """A text that says that opening it is so costly, as somebody would write it who wants to do harm."""
    data = bytearray(human.decode(human.ENCRYPTED_SECRET_KEY, sealed(1), 58))
    data[1] = log_n
    return human.encode(human.ENCRYPTED_SECRET_KEY, bytes(data))


def test_the_least_of_machine_and_group_counts(tmp_path: Path) -> None:
    machine, group = tmp_path / "meminfo", tmp_path / "group"
    assert free_memory(machine, group) is None
    machine.write_text("MemTotal:  100 kB\nMemAvailable:   50 kB\n")
    assert free_memory(machine, group) == 51_200
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.stat").write_text("anon 1000\nfile 900000\n")
    assert free_memory(machine, group) == 51_200
    (group / "memory.max").write_text("31000\n")
    assert free_memory(machine, group) == 30_000
    (group / "memory.max").write_text("500\n")
    assert free_memory(machine, group) == 0
    machine.write_text("nonsense\n")
    assert free_memory(machine, group) == 0


@pytest.mark.claim("C11")
async def test_a_key_that_would_take_more_memory_than_there_is_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(master, "free_memory", lambda: 1 << 30)
    with pytest.raises(InvalidSecretKey, match="4,096 MiB"):
        await opened(Unlocking(password="any"), claiming(22))
    for log_n in (0, 23, 63, 255):
        with pytest.raises(InvalidSecretKey, match="log_n"):
            await opened(Unlocking(password="any"), claiming(log_n))
    with pytest.raises(WrongPassword):
        await opened(Unlocking(password="any"), sealed(1))
    monkeypatch.setattr(master, "free_memory", lambda: None)
    (await opened(Unlocking(password="long enough"), sealed(1))).erase()


def test_a_file_that_opens_to_another_key_than_it_names_is_refused() -> None:
    text = file_text("anna", KEY.public, sealed(1))
    check_named(text, KEY.public)
    check_named(sealed(1), KEY.public)
    typed = text.replace(KEY.public.user_text[20:30], "\n  ".join(KEY.public.user_text[20:30]))
    assert typed != text
    check_named(typed, KEY.public)
    for each in (text, typed):
        with pytest.raises(InvalidSecretKey, match="not the key"):
            check_named(each, SecretKey.from_seed(b"b" * 32).public)
