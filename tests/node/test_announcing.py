"""What a home publishes: no server as a role where the Internet does not reach it, no role that it lacks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mosaic.core.bootstrap import ServerBootstrap, ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.node.announced import Announcement
from mosaic.node.announcing import suited, to_tell
from mosaic.node.operating_settings import RoleSettings
from mosaic.testing import Person

SERVER, OTHER, ANNA = Person("server").master, Person("other").key, Person("anna").key
ALL = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION
PUBLIC = ServerUrl.parse("mosaictcp://93.184.215.14/")
ONION = ServerUrl.parse("mosaictcp://" + "a" * 56 + ".onion/")


@dataclass
class Somebody:
    bootstrap: str
    key: PublicKey = ANNA


def published(
    where: Announcement, roles: RoleSettings, *entries: ServerUse
) -> tuple[list[ServerBootstrap], list[UserBootstrap]]:
    people = [Somebody(UserBootstrap(entries).text)]
    told = [each.bootstrap for each in to_tell(where, SERVER, people, roles)]  # type: ignore[arg-type]
    servers = [each for each in told if isinstance(each, ServerBootstrap)]
    return servers, [each for each in told if isinstance(each, UserBootstrap)]


@pytest.mark.claim("C57")
def test_a_server_that_can_be_reached_is_told_with_its_roles() -> None:
    own = ServerUse(ALL, SERVER.public)
    servers, people = published(Announcement((PUBLIC,)), RoleSettings(), own)
    assert [each.urls for each in servers] == [(PUBLIC,)]
    assert [each.entries for each in people] == [(own,)]
    _, people = published(Announcement((ONION, PUBLIC)), RoleSettings(encryption=False), own)
    assert [each.entries for each in people] == [(ServerUse(Usage.OUTBOX | Usage.INBOX, SERVER.public),)]


@pytest.mark.claim("C54", "C55", "C56", "C57")
@pytest.mark.parametrize("urls", [(), (ONION,)], ids=["behind NAT", "onion"])
def test_a_server_that_the_internet_does_not_reach_holds_no_role(urls: tuple[ServerUrl, ...]) -> None:
    where = Announcement(urls)
    assert suited(where, RoleSettings(chat=True)) == Usage(0)
    servers, people = published(where, RoleSettings(), ServerUse(ALL, SERVER.public))
    assert people == []
    # It may serve other applications, so where it is may be told.
    assert [each.urls for each in servers] == ([urls] if urls else [])
    elsewhere = ServerUse(ALL, OTHER)
    _, people = published(where, RoleSettings(), ServerUse(ALL, SERVER.public), elsewhere)
    assert [each.entries for each in people] == [(elsewhere,)]


def test_who_would_have_no_inbox_left_publishes_nothing() -> None:
    own = ServerUse(ALL, SERVER.public)
    assert published(Announcement((PUBLIC,)), RoleSettings(inbox=False), own)[1] == []
