"""What the settings make of a node's policy, when it starts and while it runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do

from mosaic.core import builder, nonce
from mosaic.core.community_kinds import INVITATION
from mosaic.core.filter import Filter
from mosaic.core.kind import Readers
from mosaic.errors import Refused, SettingsInvalid, UsageError
from mosaic.node.node import Node
from mosaic.node.operating_settings import PolicySettings, RoleSettings, ServingSettings
from mosaic.policy.label import Label
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Accept, Refuse, Verdict, decide
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode

BEN, EVE = Person("ben"), Person("eve")
PRIVATE = kind_of(readers=Readers.AUTHOR_AND_TAGGED)
NOT_TODAY = Refuse(ResultCode.TOO_FAST, "not today")


def judged(node: Node, record: bytes) -> Verdict:
    return decide(node.server._judge._hooks, Submission(record, address="192.0.2.1"))


def reconfigured(node: Node, **changes: Any) -> None:
    node.reconfigure(dataclasses.replace(FAST, **changes))


def refuses_everything(submission: Submission) -> Verdict:
    return NOT_TODAY


def names_ben(key: bytes) -> bool:
    return key == BEN.key_bytes


@pytest.mark.claim("C57")
async def test_a_home_is_outbox_inbox_and_encryption_server_of_its_people(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna, now = next(iter(node.people)), node.clock.now_ns()
        own = builder.build(
            anna.device, author=anna.key, kind=kind_of(), nonce=nonce.random(bytes(8)), timestamp=now
        )
        assert judged(node, own.data) is ACCEPT
        assert judged(node, EVE.record(now, notify=[anna.key]).data) is ACCEPT
        private = EVE.record(now, kind=PRIVATE, notify=[anna.key])
        assert judged(node, private.data) == Accept(Label.ONLY_TAGGED)
        assert isinstance(judged(node, EVE.record(now).data), Refuse)


async def test_who_is_listed_is_served_at_once(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        record = BEN.record(node.clock.now_ns()).data
        assert isinstance(judged(node, record), Refuse)
        node.rules.served.serve(BEN.key)
        assert judged(node, record) is ACCEPT
        node.rules.served.unserve(BEN.key)
        assert isinstance(judged(node, record), Refuse)


async def test_roles_and_whom_they_serve_change_while_the_node_runs(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna, now = next(iter(node.people)), node.clock.now_ns()
        reply = EVE.record(now, notify=[anna.key]).data
        reconfigured(node, roles=RoleSettings(inbox=False))
        assert isinstance(judged(node, reply), Refuse)
        reconfigured(node, roles=RoleSettings(inbox_readers="recipient", withhold=True))
        assert judged(node, reply) == Accept(Label.ONLY_TAGGED | Label.WITHHELD)
        assert isinstance(judged(node, EVE.record(now).data), Refuse)
        reconfigured(node, serves=ServingSettings(who="everyone"))
        assert judged(node, EVE.record(now).data) is ACCEPT
        reconfigured(node, serves=ServingSettings(who="hook", hook="tests.node.test_rules:names_ben"))
        assert judged(node, BEN.record(now).data) is ACCEPT
        assert isinstance(judged(node, EVE.record(now).data), Refuse)
        by_program = ServingSettings(who="hook", hook="program")
        with pytest.raises(UsageError):
            reconfigured(node, serves=by_program)
        assert isinstance(judged(node, EVE.record(now).data), Refuse)
        reconfigured(node, serves=by_program, policy=PolicySettings(program=("true",)))
        assert judged(node, EVE.record(now).data) is ACCEPT


async def test_the_operators_own_rules_are_asked_last_and_may_refuse(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna, now = next(iter(node.people)), node.clock.now_ns()
        reply = EVE.record(now, notify=[anna.key]).data
        reconfigured(node, policy=PolicySettings(hooks=("tests.node.test_rules:refuses_everything",)))
        assert judged(node, reply) == NOT_TODAY
        # What can't be loaded leaves everything as it was.
        with pytest.raises(SettingsInvalid):
            reconfigured(
                node, policy=PolicySettings(hooks=("no.such:rule",)), serves=ServingSettings(who="everyone")
            )
        assert judged(node, reply) == NOT_TODAY
        reconfigured(node, policy=PolicySettings(program=("true",)))
        assert judged(node, reply) is ACCEPT
        assert node.rules.program.is_active


async def test_who_brings_a_code_is_served_from_then_on(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        reconfigured(node, serves=ServingSettings(who="invitations"))
        now = node.clock.now_ns()
        code = node.rules.served.invite().encode()
        post = BEN.record(now).data
        assert isinstance(judged(node, post), Refuse)
        assert isinstance(judged(node, BEN.record(now, kind=INVITATION, payload=b"guessed").data), Refuse)
        assert judged(node, BEN.record(now, kind=INVITATION, payload=code).data) is ACCEPT
        assert judged(node, post) is ACCEPT
        assert isinstance(judged(node, EVE.record(now, kind=INVITATION, payload=code).data), Refuse)


async def test_an_invitation_is_brought_over_the_wire_and_opens_the_server(open_node: OpenNode) -> None:
    async with open_node("anna") as host, open_node("ben") as guest:
        reconfigured(host, serves=ServingSettings(who="invitations"))
        url = str(host.listen(HERE))
        ben, server = next(iter(guest.people)), host.server_secret.public.server_text
        code = host.rules.served.invite(note="for ben")
        with pytest.raises(Refused):
            await do(guest, "servers_add", server_key=server, url=url, invitation="guessed")
        assert len(await do(guest, "servers")) == 1
        await do(guest, "servers_add", server_key=server, url=url, invitation=code)
        assert [row["key"] for row in await do(guest, "servers")][1:] == [server]
        (listed,) = host.rules.served.listed()
        assert (listed.key, listed.note, listed.by) == (ben.key, "for ben", "invitation")
        assert host.rules.served.serves(ben.key.bytes)
        # Nothing of the code is on disk.
        assert not list(host.everything.newest_first(Filter.of(kinds=[INVITATION])))
