"""The signed log of what moderators did: written before each act, shown and verified later.

An act is a record of the one who did it (`--as`), or of the server's own key;
only the home's owner reads it. Because it is a record, it is in every backup
and can be exported.

Source: edition §4 (Server Act); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.core import server_act, validation
from mosaic.core.community_kinds import SERVER_ACT
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.server_act import ServerAct, Value
from mosaic.errors import MosaicError, StoreError
from mosaic.node.arguments import Arguments
from mosaic.policy.submission import Way

if TYPE_CHECKING:
    from mosaic.node.node import Node


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """One act of the log.

    Args:
        record: The signed record.
        act: What it says; None if its payload is none.
        by: Who did it: a person's name, or `server`.
        fault: What is wrong with it, in words; empty if nothing is.
    """

    record: Record
    act: ServerAct | None
    by: str
    fault: str


class ServerLog:
    """The log of one home.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
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
        author = node.server_secret.public if person is None else person.key
        secret = node.server_secret if person is None else person.device
        self._last_ns = max(node.clock.now_ns(), self._last_ns + 1)
        told = ServerAct(act, arguments, given.optional_text("reason") or "")
        record = server_act.build(secret, author, told, self._last_ns)
        (result,) = await node.server.submit([record.data], Way.OWNER, (author.bytes,))
        if not result.is_success:
            raise StoreError(f"the act could not be written to the log ({result.name}), so it was not done")
        return record

    def acts(self, limit: int = 0, *, verify: bool = False) -> Iterator[LoggedAct]:
        """The acts, newest first.

        Args:
            limit: The most records to be given; 0 = all.
            verify: Whether each signature is checked again.
        """
        who = {person.key.bytes: person.name for person in self._node.people}
        who[self._node.server_secret.public.bytes] = "server"
        found = 0
        # Whoever else writes such a record does not speak of this server.
        for record in self._node.everything.newest_first(Filter.of(kinds=[SERVER_ACT])):
            by = who.get(record.author_bytes)
            if by is None:
                continue
            yield _logged(record, by, verify=verify)
            found += 1
            if found == limit:
                return


def _logged(record: Record, by: str, *, verify: bool) -> LoggedAct:
    act, fault = None, ""
    try:
        if verify:
            validation.validate(record.data)
        act = server_act.read(record)
    except MosaicError as error:
        fault = str(error)
    return LoggedAct(record, act, by, fault)
