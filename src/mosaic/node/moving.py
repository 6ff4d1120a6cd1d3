"""Changing a person's servers without losing anything or anybody, also when the former one is gone.

Before anything changes the new server is asked whether it takes what the
person writes. Then, step by step (`node.moves`), each of which is on disk
before the next and may be done again:

    copy      what the former server has comes here; if it is gone or refuses, this home's copy has to do
    hand_in   the new server gets all of it, and is compared again: counts must agree
    swap      the master key signs the other bootstrap, which is published and read back
    keep      the former server is written to and read until all caches of the former bootstrap have expired

Followers do nothing: they find the other servers by the bootstrap.

Source: bootstrap.md (rechecked when older than an hour, at least one outbox and inbox, three of a role),
network.md (roles).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mosaic.client.reach import Manner
from mosaic.client.refusals import refused
from mosaic.core import nonce
from mosaic.core.bootstrap import USED_PER_ROLE, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.errors import InvalidBootstrap, MasterAway, MosaicError, PasswordNeeded, PeerError, UsageError
from mosaic.node.announcing import announced, fitting, suited
from mosaic.node.in_dht import InDht
from mosaic.node.master import MasterPlace, Unlocking
from mosaic.node.moves import Change, Move, Moves, Step, is_looked_at, swapped
from mosaic.node.own_copy import Counts, OwnCopy
from mosaic.node.own_reading import OwnReading
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_AGAIN_S: Final = 600.0
_AGAIN_FIRST_S: Final = 60.0
_SECOND: Final = 1_000_000_000
_NOBODYS: Final = Unlocking()
_RESUME: Final = (
    "`mosaic servers resume` goes on, with `--master FILE` if the key is not on this machine;"
    " it asks for the password."
)


@dataclass(frozen=True, slots=True)
class Going:
    """With what a change goes on.

    Args:
        dht: Where bootstraps are published.
        unlocking: Opens the master key.
        even_so: Go on though the new server refuses some records.
        unpublished: Go on without a DHT.
    """

    dht: InDht
    unlocking: Unlocking = _NOBODYS
    even_so: bool = False
    unpublished: bool = False


class Moving:
    """Changes of the servers of a home's people.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.moves = Moves(node.db)
        self._driven: set[int] = set()
        self._not_before_ns: dict[int, int] = {}
        self._wake = asyncio.Event()

    # --- beginning -------------------------------------------------------------------------------------

    async def checked(self, person: Person, change: Change, going: Going) -> Change:
        """The change with its uses, if it is possible; nothing is asked of any server.

        Raises:
            UsageError: the former server is not used, the new one is used so already, or the DHT is off.
            InvalidBootstrap: the person would have no outbox or no inbox that others reach.
        """
        before = UserBootstrap.parse(person.bootstrap)
        used = {entry.key: entry.usage for entry in before.entries}
        if change.old is not None and change.old not in used:
            raise UsageError(
                f"{change.old.server_text} is none of your servers",
                hint="`mosaic servers` shows those that are.",
            )
        if change.new is not None and change.new == change.old:
            raise UsageError("this is one and the same server", hint="Name another one to move to.")
        if change.old is not None:
            uses = used[change.old]
        else:
            uses = change.uses or (Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION)
        if change.old is not None and not going.dht.is_on and not going.unpublished:
            raise UsageError(
                "the DHT is off here, so nobody would learn where you are",
                hint="Start the node with --dht mainline (or name a DHT here with --dht);"
                " with --unpublished it is done all the same.",
            )
        change = replace(change, uses=uses)
        self.after(person, change)
        return change

    def after(self, person: Person, change: Change) -> tuple[UserBootstrap, UserBootstrap]:
        """The person's bootstrap after a change, and what others are told of it.

        Raises:
            UsageError: it would list a server that nobody looks at.
            InvalidBootstrap: others would find no outbox or no inbox.
        """
        step = Move(0, person.key, change.old, change.new, change.uses, Step.SWAP, 0)
        after = swapped(UserBootstrap.parse(person.bootstrap), step)
        told = self.told(person, after)
        if change.new is not None:
            is_looked_at(told, change.new)
        own = self._node.server_secret.public
        if change.new == own and not any(entry.key == own for entry in told.entries):
            raise UsageError(
                "others can't reach your own node, so it can't be your server",
                hint="Run it where the Internet reaches it: `mosaic serve` with --public URL.",
            )
        try:
            told.publishable()
        except InvalidBootstrap as error:
            raise InvalidBootstrap(
                "you would have no outbox or no inbox that others can reach",
                hint="Add another server first (`mosaic servers add`), or `mosaic servers move OLD NEW`.",
            ) from error
        return after, told

    def told(self, person: Person, after: UserBootstrap) -> UserBootstrap:
        """What others are told of a bootstrap: the own server only for what they can reach it for."""
        node = self._node
        own = node.server_secret.public
        if node.urls:
            where = announced(node.listeners, node.settings)
            return fitting(after, own, suited(where, node.settings.roles))
        # A command alone does not listen: what the node told last holds.
        last = node.bootstraps.user(person.key)
        usage = Usage(0)
        for entry in () if last is None else last.entries:
            usage |= entry.usage if entry.key == own else Usage(0)
        return fitting(after, own, usage)

    async def begin(self, person: Person, change: Change, going: Going) -> Move:
        """Asks the new server, then writes down that the change has begun.

        Raises:
            Refused: the new server does not take the invitation, or what the person writes.
            PeerError: it can't be reached.
            MasterAway, PasswordNeeded, WrongPassword: the master key is needed for this.
            MosaicError: as `checked`; nothing has changed in any of these cases.
        """
        change = await self.checked(person, change, going)
        node = self._node
        if going.dht.is_on:
            # Who lacks it learns so before anything is copied.
            with await node.people.unlock(person, going.unlocking):
                pass
        new = change.new
        if new is not None and new != node.server_secret.public:
            if change.url is not None:
                node.directory.learn(person.key, new, change.url, change.uses)
            if change.invitation is not None:
                await self.bring(person, new, change.invitation, going.unlocking)
            await OwnCopy(node, person, new).introduce(change.uses)
        return self.moves.begin(person.key, change.old, new, change.uses, node.clock.now_ns())

    async def bring(self, person: Person, server: PublicKey, code: str, unlocking: Unlocking) -> None:
        """Hands in the answer to an invitation, signed by the master key.

        Raises:
            Refused: the server does not take it.
            PeerError: it can't be reached.
            MasterAway, PasswordNeeded, WrongPassword: the master key is needed for this.
        """
        node = self._node
        now, at = node.clock.now(), nonce.random(node.surroundings.entropy(nonce.NONCE_LENGTH))
        with await node.people.unlock(person, unlocking) as master:
            record = master.invitation(code, now, at)
        async with node.reach.server(server, Manner(person.device)) as connection:
            result = await connection.submit(record.data)
        if not result.is_success:
            raise refused(result, "the server does not take the invitation")

    # --- going on --------------------------------------------------------------------------------------

    async def go_on(self, move: Move, going: Going) -> AsyncGenerator[Move, None]:
        """Does what can be done of a change now; gives it again and again as it goes on.

        It ends when nothing is left but to wait until the former server is not needed any more.

        Raises:
            UsageError: it is done by another command just now.
            MosaicError: it does not go on; it is kept, with the reason, and may go on later.
        """
        if move.number in self._driven:
            raise UsageError("this change is under way already", hint="`mosaic servers moves` shows how far.")
        self._driven.add(move.number)
        try:
            async for now in self._steps(move, going):
                move = now
                yield now
        except MosaicError as error:
            # By itself it goes on a little later: who asked for it may want to give it up.
            self._not_before_ns[move.number] = self._node.clock.now_ns() + int(_AGAIN_FIRST_S * _SECOND)
            stands = self.moves.at(move.number)
            if not stands.is_over:
                self.moves.note(replace(stands, note=f"{error}. {error.hint}".strip()))
            raise
        finally:
            self._driven.discard(move.number)
            self._node.tell_changed()
            self._wake.set()

    async def _steps(self, move: Move, going: Going) -> AsyncGenerator[Move, None]:
        person = self._node.people.find(move.person.user_text)
        if move.step is Step.COPY:
            async with contextlib.aclosing(self._copy(person, move)) as copying:
                async for now in copying:
                    move = now
                    yield now
            move = self.moves.note(replace(move, step=Step.HAND_IN))
        if move.step is Step.HAND_IN:
            async with contextlib.aclosing(self._hand_in(person, move)) as handing:
                async for now in handing:
                    move = now
                    yield now
            self.moves.note(move)
            if move.lacking and not going.even_so:
                raise UsageError(
                    f"{move.lacking:,} of your records are not taken there; {move.handed:,} are",
                    hint="Nobody has noticed anything yet. `mosaic servers resume --even-so` goes on without"
                    " them (they stay in this home), `mosaic servers cancel` gives up.",
                )
            move = self.moves.note(replace(move, step=Step.SWAP, note=""))
            yield move
        if move.step is Step.SWAP:
            move = await self._swap(person, move, going)
            yield move
            move = await self._hand_on(person, move)
        if move.step is Step.KEEP:
            async with contextlib.aclosing(self._keep(person, move)) as keeping:
                async for now in keeping:
                    yield now

    async def _copy(self, person: Person, move: Move) -> AsyncGenerator[Move, None]:
        if move.old is None or move.old == self._node.server_secret.public:
            return
        copy = OwnCopy(self._node, person, move.old)
        before = move.fetched
        try:
            async with contextlib.aclosing(copy.fetch(move.uses)) as steps:
                async for counts in steps:
                    move = replace(move, fetched=before + counts.fetched)
                    yield move
        except PeerError as error:
            note = f"it can't be read, so this home's copy has to do: {error}"
            yield self.moves.note(replace(move, reached=False, note=note))
            return
        yield self.moves.note(replace(move, reached=True, note=""))

    def _takers(self, person: Person, move: Move) -> Sequence[PublicKey]:
        """The outboxes that must have everything before the change: the new one, or those that stay."""
        own = self._node.server_secret.public
        if move.new is not None:
            takers = [move.new] if move.uses & Usage.OUTBOX else []
        elif move.uses & Usage.OUTBOX:
            # The own node is one more, where others are not told of it.
            outboxes = UserBootstrap.parse(person.bootstrap).servers(Usage.OUTBOX, USED_PER_ROLE + 1)
            takers = [key for key in outboxes if key != move.old]
        else:
            takers = []
        return [key for key in takers if key != own]

    async def _hand_in(self, person: Person, move: Move) -> AsyncGenerator[Move, None]:
        """Gives the takers what they lack. One that can't be reached is no hindrance where others have it.

        It gets what it lacks when own outboxes are compared (`outbox_checks`).
        """
        handed = lacking = 0
        takers, failed = self._takers(person, move), 0
        for server in takers:
            counts = Counts()
            try:
                async with contextlib.aclosing(OwnCopy(self._node, person, server).hand_in()) as steps:
                    async for counts in steps:
                        yield replace(move, handed=handed + counts.handed, lacking=lacking + counts.refused)
            except PeerError as error:
                failed += 1
                if failed == len(takers):
                    raise
                move = replace(move, note=f"{server.server_text} gets what it lacks later: {error}")
                continue
            handed, lacking = handed + counts.handed, lacking + counts.refused
        yield replace(move, handed=handed, lacking=lacking)

    async def _hand_on(self, person: Person, move: Move) -> Move:
        """Gives the takers what was written between the counts and the change, which may be long."""
        now = move
        try:
            async with contextlib.aclosing(self._hand_in(person, move)) as handing:
                async for each in handing:
                    now = each
        except PeerError as error:
            log.info("what came last is handed on when own outboxes are compared: %s", error)
            self._node.outbox_checks.soon()
            return move
        return self.moves.note(replace(now, note=move.note))

    async def _swap(self, person: Person, move: Move, going: Going) -> Move:
        node = self._node
        after, told = self.after(person, Change(move.old, move.new, move.uses))
        if going.dht.is_on:
            try:
                with await node.people.unlock(person, going.unlocking) as master:
                    await going.dht.replace(master, told)
            except (MasterAway, PasswordNeeded) as error:
                raise type(error)(hint=_RESUME) from None
            except BaseException:
                # What stays published is what was: this home says so again.
                node.announce()
                raise
        node.use_servers(person, after)
        node.look_again()
        now_ns = node.clock.now_ns()
        if move.old is None or move.old == node.server_secret.public:
            return self.moves.note(replace(move, step=Step.DONE, until_ns=now_ns, note=""))
        until_ns = now_ns + int(node.settings.left_kept_s * _SECOND)
        return self.moves.note(replace(move, step=Step.KEEP, until_ns=until_ns, note=""))

    async def _keep(self, person: Person, move: Move) -> AsyncGenerator[Move, None]:
        """Looks at the former server once more when its time is over, or if something failed before.

        Whatever fails is tried again until then. Then it ends in any case, and `note` says what was left
        undone: what an outbox still lacks is found by comparing it, twice a day (`node.outbox_checks`).
        """
        over = self._node.clock.now_ns() >= move.until_ns
        if not over and move.reached and not move.note:
            yield move
            return
        async with contextlib.aclosing(self._copy(person, move)) as copying:
            async for now in copying:
                move = now
                yield now
        if move.reached:
            try:
                async with contextlib.aclosing(self._hand_in(person, move)) as handing:
                    async for now in handing:
                        move = now
                        yield now
            except PeerError as error:
                if not over:
                    raise
                move = replace(move, note=f"what came last could not be handed on: {error}")
        if over:
            move = replace(move, step=Step.DONE)
        yield self.moves.note(move)
        if over:
            self._node.look_again()

    def cancel(self, move: Move) -> Move:
        """Gives a change up. What the new server got stays there.

        Raises:
            UsageError: the other servers are published already, or just now.
        """
        if move.is_over or move.is_swapped:
            old = "" if move.old is None else move.old.server_text
            new = "" if move.new is None else move.new.server_text
            way = f"move {new} {old}" if old and new else f"add {old}" if old else f"remove {new}"
            raise UsageError(
                "your other servers are published already, so this is done",
                hint=f"`mosaic servers {way}` changes it back.",
            )
        if move.step is Step.SWAP and (move.number in self._driven or self._is_used(move)):
            raise UsageError(
                "your other servers are being published already",
                hint="`mosaic servers resume` ends it; then it can be changed back.",
            )
        return self.moves.note(replace(move, step=Step.CANCELLED, note=""))

    def _is_used(self, move: Move) -> bool:
        """Whether the person uses the other servers: it was broken off just before that was noted."""
        now = UserBootstrap.parse(self._node.people.find(move.person.user_text).bootstrap)
        return swapped(now, move) == now

    # --- beside everything else ------------------------------------------------------------------------

    def jobs(self) -> tuple[Coroutine[object, None, None], ...]:
        """What goes on by itself about a person's own servers: reading them, and changing them."""
        return self.run(), OwnReading(self._node).run()

    async def run(self) -> None:
        """Goes on with what was broken off, and ends what has to wait, until cancelled."""
        while True:
            self._wake.clear()
            for move in self.moves.under_way():
                await self._go_on_alone(move)
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue
            # Whoever woke us has just done what could be done.
            await asyncio.sleep(min(self._pause_s(), 1.0))

    def _pause_s(self) -> float:
        now_ns = self._node.clock.now_ns()
        due = [
            self._not_before_ns.get(move.number, move.until_ns if move.step is Step.KEEP else 0)
            for move in self.moves.under_way()
        ]
        return min([_AGAIN_S, *((at - now_ns) / _SECOND + 0.01 for at in due if at > now_ns)])

    async def _go_on_alone(self, move: Move) -> None:
        if move.number in self._driven or (move.lacking and move.step is Step.HAND_IN):
            # Somebody does it, or has to say whether it may go on so.
            return
        if self._node.clock.now_ns() < self._not_before_ns.get(move.number, 0):
            return
        place = self._node.people.book.master_place(move.person)
        if move.step is Step.SWAP and move.note and place is not MasterPlace.HOME:
            # It waits for the master key, and its owner is told so.
            return
        self._not_before_ns.pop(move.number, None)
        try:
            async with contextlib.aclosing(self.go_on(move, Going(self._node.dht))) as steps:
                async for _ in steps:
                    pass
        except MosaicError as error:
            log.warning("a change of servers does not go on: %s (%s)", error, error.hint)
