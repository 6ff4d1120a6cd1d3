from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.conftest import Run

from mosaic.core.invite_link import InviteLink, NamedServer
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl

FRIEND, SERVER = (SecretKey.from_seed(bytes([n]) * 32).public for n in (1, 2))
LINK = InviteLink(FRIEND, (NamedServer(SERVER, (ServerUrl.parse("mosaictcp://203.0.113.1/"),)),), follow=True)


@pytest.fixture(autouse=True)
def key(mosaic: Run) -> str:
    return mosaic("init", "--name", "anna").out.strip()


def test_an_invite_is_a_link_as_text_and_as_a_code(mosaic: Run, key: str, tmp_path: Path) -> None:
    file = tmp_path / "me.svg"
    done = mosaic("invite", "--svg", str(file), "--qr")
    link, *code = done.out.splitlines()
    assert InviteLink.parse(link).key.user_text == key
    assert len(code) > 20
    assert ET.fromstring(file.read_text()).tag.endswith("svg")
    # Into a pipe the link goes alone.
    assert mosaic("invite").out.splitlines() == [link]
    assert mosaic("invite", "--json").objects[0]["link"] == link
    assert "follow" not in mosaic("invite", "--look-only").out


def test_a_code_that_can_not_be_written_is_told(mosaic: Run, tmp_path: Path) -> None:
    done = mosaic("invite", "--svg", os.fspath(tmp_path / "nowhere" / "me.svg"))
    assert done.code == 4
    assert "can't be written" in done.err


def test_an_invite_link_is_followed_and_its_servers_are_known(mosaic: Run) -> None:
    assert FRIEND.user_text in mosaic("follow", LINK.text).out
    (followed,) = mosaic("following", "--json").objects
    assert followed["key"] == FRIEND.user_text
    assert [outbox["urls"] for outbox in followed["outboxes"]] == [["mosaictcp://203.0.113.1/"]]
    (found,) = mosaic("find", FRIEND.user_text, "--json").objects
    assert found["outboxes"] == [{"key": SERVER.server_text, "urls": ["mosaictcp://203.0.113.1/"]}]
    shown = mosaic("find", LINK.text).out.splitlines()
    assert shown[0] == f"outbox  {SERVER.server_text}  mosaictcp://203.0.113.1/"


def test_who_is_nowhere_is_told_with_a_way_on(mosaic: Run) -> None:
    done = mosaic("find", FRIEND.user_text)
    assert done.code == 3
    assert "invite link" in done.err
    assert mosaic("follow", LINK.text[:-70]).code == 0
    assert mosaic("follow", "mosaic:mopub0abc").code == 2
