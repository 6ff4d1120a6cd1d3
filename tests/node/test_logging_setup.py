"""The log holds no secret and no whole address, for people and for programs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.keys import SecretKey
from mosaic.errors import SettingsInvalid
from mosaic.errors.hiding import HIDDEN
from mosaic.node.logging_setup import JsonLines, TextLines, clean, set_up
from mosaic.node.operating_settings import LogSettings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, TextLines | JsonLines):
            root.removeHandler(handler)
            handler.close()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("key mosec0abcdef!", f"key {HIDDEN}!"),
        ("mocryptsec0xyz", HIDDEN),
        ("http://127.0.0.1:80/?token=abc123&x=1", f"http://127.0.0.1:80/?token={HIDDEN}&x=1"),
        ("socks5://me:se%3Acret@h:1", f"socks5://{HIDDEN}@h:1"),
        ("password: hush hush", f"password:{HIDDEN} hush"),
        ('{"password": "hush \\"hush", "a": 1}', f'{{"password":{HIDDEN}, "a": 1}}'),
        ("{'password': 'hush hush'}", f"{{'password':{HIDDEN}}}"),
        ("a link from 203.0.113.77 ends", "a link from 203.0.113.0/24 ends"),
        ("203.0.113.77:1320", "203.0.113.0/24:1320"),
        ("from 2001:db8:1:2:3::4.", "from 2001:db8:1::/48."),
        ("[2001:db8:1:2:3::4]:1320", "[2001:db8:1::/48]:1320"),
        ("::1 and 127.0.0.1 and 0.0.0.0", "::1 and 127.0.0.1 and 0.0.0.0"),
        ("at 12:34:56, version 1.2.3, 999.1.1.1", "at 12:34:56, version 1.2.3, 999.1.1.1"),
    ],
)
def test_what_is_secret_is_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.ip_addresses(), st.sampled_from(["{} went", "link from {}: closed", "({})", "[{}]:13", "'{}'"]))
def test_no_address_stands_whole(address: object, around: str) -> None:
    text = str(address)
    shown = clean(around.format(text))
    if not getattr(address, "is_loopback", False) and not getattr(address, "is_unspecified", False):
        assert text not in shown.replace(f"{text}/", "") or f"{text}/" in shown


def test_a_secret_key_reaches_neither_form(tmp_path: Path) -> None:
    secret = SecretKey(bytearray(range(32))).text
    forms: list[Literal["text", "json"]] = ["text", "json"]
    for form in forms:
        file = tmp_path / form
        set_up(LogSettings(format=form, file=str(file), level="info"))
        try:
            int(secret)
        except ValueError:
            logging.getLogger("mosaic.x").exception("it failed with %s", secret)
        text = file.read_text()
        assert secret not in text
        assert text.count(HIDDEN) >= 2


def test_json_lines_are_json_and_levels_hold(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up(LogSettings(format="json", file=str(file), level="warning"))
    logging.getLogger("mosaic.y").info("not this")
    logging.getLogger("mosaic.y").warning("this\nand %s", "that")
    (line,) = file.read_text().splitlines()
    told = json.loads(line)
    assert (told["level"], told["room"], told["message"]) == ("warning", "mosaic.y", "this\nand that")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    set_up(LogSettings(file=str(tmp_path / "other"), level="info"))
    logging.getLogger("mosaic.y").info("now this")
    assert "now this" in (tmp_path / "other").read_text()
    assert len(file.read_text().splitlines()) == 1


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up(LogSettings(file=str(file)))
    logging.getLogger("mosaic").warning("one")
    file.rename(tmp_path / "log.1")
    logging.getLogger("mosaic").warning("two")
    assert "two" in file.read_text()


def test_a_file_that_can_not_be_written_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up(LogSettings(file=str(file)))
    with pytest.raises(SettingsInvalid, match="can't be written"):
        set_up(LogSettings(file=str(tmp_path / "none" / "log")))
    logging.getLogger("mosaic").warning("still here")
    assert "still here" in file.read_text()
