"""The signed log of what moderators did: written before each act, shown and verified later.

An act is a record of the one who did it (`--as`), or of the server's own key;
only the home's owner reads it. Because it is a record, it is in every backup
and can be exported. Each names the act before it, and private.db names the
last, so that none can be taken out unnoticed.

Source: edition §4 (Server Act); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.core import act_chain, server_act, validation
from mosaic.core.community_kinds import SERVER_ACT
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.server_act import Link, ServerAct, Value
from mosaic.errors import MosaicError, StoreError
from mosaic.node.arguments import Arguments
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.social.signer import Signer
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

_LAST: Final = "last_act"
"""Where private.db names the act that was written last."""
_KIND: Final = SERVER_ACT.bytes
_TRUSTED: Final = frozenset({Way.OWNER, Way.IMPORT})
_NO_ACT: Final = Refuse(ResultCode.INVALID, "an act of this server's log that can't be read")
_MADE_UP: Final = Refuse(ResultCode.INVALID, "an act of this server's log that it did not write")


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """One act of the log.

    Args:
        id: The record's.
        record: The signed record; None if it is missing.
        act: What it says; None if its payload is none, or it is missing.
        by: Who did it: a person's name, or `server`; empty if it is missing.
        fault: What is wrong with it, in words; empty if nothing is.
        note: What else is to be known of its place in the log; empty if nothing is.
    """

    id: Id
    record: Record | None
    act: ServerAct | None
    by: str
    fault: str = ""
    note: str = ""


class ServerLog:
    """The log of one home. Belongs to the thread of the event loop.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turn = asyncio.Lock()
        self._end: Id | None = None
        self._last_ns = 0

    async def write(self, given: Arguments, act: str, arguments: Mapping[str, Value]) -> Record:
        """Writes an act down, before it is done.

        Args:
            given: The command's arguments: `as` names who acts, `reason` says why.
            act: What is to be done, a word.
            arguments: To what, and how.

        Raises:
            UnknownPerson: nobody of that name lives here.
            StoreError: it could not be written; then nothing is to be done.
        """
        node, name = self._node, given.optional_text("as")
        person = None if name is None else node.people.find(name)
        signer = Signer(node.server_secret.public, node.server_secret) if person is None else person.signer
        # One at a time, or two acts would name the same one before them.
        async with self._turn:
            before = self._end or act_chain.end(self._known(), self._last())
            self._last_ns = max(node.clock.now_ns(), self._last_ns + 1)
            link = Link(node.server_secret.public, before)
            told = ServerAct(act, arguments, given.optional_text("reason") or "", link)
            record = signer.server_act(told, self._last_ns)
            (result,) = await node.server.submit([record.data], Way.OWNER, (signer.author.bytes,))
            if not result.is_success:
                raise StoreError(
                    f"the act could not be written to the log ({result.name}), so it was not done"
                )
            node.db.set_meta(_LAST, record.id.text)
            self._end = record.id
        return record

    def rule(self, submission: Submission) -> Verdict:
        """A rule of the server's policy: only this log writes its acts, and nobody makes one up for it.

        What is missing here may come back from elsewhere, and an operator may import what he has. Acts of
        other servers are none of this log.
        """
        if submission.kind != _KIND or submission.way in _TRUSTED:
            return ACCEPT
        record = Record(submission.record)
        if self.is_by(record.author) is None:
            return ACCEPT
        act, _ = _read(record)
        if act is None:
            return _NO_ACT
        if act.link is None or not self._is_here(act):
            return ACCEPT
        if self._node.store.contains([record.id.bytes])[0] is not None:
            return ACCEPT
        is_missing = record.id in act_chain.follow(self._known(), self._last()).missing
        return ACCEPT if is_missing else _MADE_UP

    def holds(self, record: Record) -> bool:
        """Whether a record is an act of this log that can be read."""
        if record.kind != SERVER_ACT or self.is_by(record.author) is None:
            return False
        act, _ = _read(record)
        return act is not None and self._is_here(act)

    def acts(self, limit: int = 0, *, verify: bool = False) -> Iterator[LoggedAct]:
        """The acts, newest first.

        Args:
            limit: The most records to be given; 0 = all.
            verify: Whether each signature and the chain of all of them are checked again. Beyond the limit
                only faults are given then.
        """
        if not verify:
            yield from self._newest_first(limit)
            return
        logged = {each.id: each for each in self._newest_first(0, verify=True)}
        known = {each.id: each.act for each in logged.values() if each.act is not None}
        chain = act_chain.follow(known, self._last())
        missing = [LoggedAct(each, None, None, "", "it is missing") for each in chain.missing - logged.keys()]
        every = sorted([*logged.values(), *missing], key=lambda each: each.id, reverse=True)
        for count, each in enumerate(every, 1):
            fault = each.fault or chain.faults.get(each.id, "")
            if fault or not limit or count <= limit:
                note = "a beginning: it names no act before it" if each.id in chain.beginnings else ""
                yield LoggedAct(each.id, each.record, each.act, each.by, fault, note)

    def _newest_first(self, limit: int, *, verify: bool = False) -> Iterator[LoggedAct]:
        found = 0
        for record in self._node.everything.newest_first(Filter.of(kinds=[SERVER_ACT])):
            by = self.is_by(record.author)
            if by is None:
                continue
            act, fault = _read(record, verify=verify)
            if not self._is_here(act):
                continue
            yield LoggedAct(record.id, record, act, by, fault)
            found += 1
            if found == limit:
                return

    def _known(self) -> dict[Id, ServerAct]:
        return {each.id: each.act for each in self._newest_first(0) if each.act is not None}

    def _last(self) -> Id | None:
        text = self._node.db.meta(_LAST)
        return None if text is None else Id.parse(text)

    def is_by(self, key: PublicKey) -> str | None:
        """Whose acts those of a key are, if it is one of ours: others speak of other servers."""
        if key == self._node.server_secret.public:
            return "server"
        return next((person.name for person in self._node.people if person.key == key), None)

    def _is_here(self, act: ServerAct | None) -> bool:
        """Whether an act is not one of another server that the same person runs."""
        return act is None or act.link is None or act.link.server == self._node.server_secret.public


def _read(record: Record, *, verify: bool = False) -> tuple[ServerAct | None, str]:
    try:
        if verify:
            validation.validate(record.data)
        return server_act.read(record), ""
    except MosaicError as error:
        return None, str(error)
