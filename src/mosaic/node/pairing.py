"""Pairing a second device: how it stands, and what both devices do alike.

`pairing_offer` is the device in use, `pairing_join` the new one; what they say
to each other and in which order is `mosaic.core.pairing_sides`. Both say that
they are ready only after each has read what the other encrypted to the person's
keys. When it ends before that, the new device keeps nothing, and the other one
revokes the key that it had added.

Source: identity.md, keyschedule.md; edition §4 (Encryption); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from mosaic.client import sealing
from mosaic.core import core_tags, encryption, nonce
from mosaic.core.community_kinds import PAIRING
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import MosaicError, PairingFailed, Undecryptable, UsageError
from mosaic.node.pairing_line import lost
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.node.node import Node

log = logging.getLogger(__name__)

ANSWER_S: Final = 30.0
"""How long the other device may take for what needs no person, seconds."""
TEST_BYTES: Final = 32
OVER: Final = frozenset({"ready", "failed"})
"""States after which nothing more comes."""

_REPORT: Final = "That is a fault of Mosaic's: the node's log says where; please report it."


@dataclass(frozen=True, slots=True)
class Pairing:
    """How a pairing stands.

    Args:
        state: `waiting`, `compare`, `agreed`, `handing over`, `testing`, `history`, `ready` or `failed`.
        code: What the new device is given; empty on the new device.
        until_ns: Until when the code holds (a Mosaic timestamp).
        number: The six digits to compare, once they are known.
        other: What the other device or person is called.
        device: The new device's signing key, `mopub0…`.
        records: How many records of one's own the new device has fetched.
        note: What went wrong, or could not be done.
        hint: What to do about it.
    """

    state: str
    code: str = field(default="", repr=False)
    until_ns: int = 0
    number: str = ""
    other: str = ""
    device: str = ""
    records: int = 0
    note: str = ""
    hint: str = ""


class Running(abc.ABC):
    """A pairing under way on this device: a state that others watch, and a person who agrees.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.now = Pairing("waiting")
        """How it stands."""
        self._changed: set[asyncio.Event] = set()
        self._agreed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @abc.abstractmethod
    async def _pair(self) -> None:
        """Pairs; returns when both are ready. Raises MosaicError."""

    async def run(self) -> None:
        """Pairs, or fails: `now` tells which and why."""
        try:
            await self._pair()
        except MosaicError as error:
            failed = lost(error)
            self.tell("failed", note=str(failed), hint=failed.hint, code="")
        except asyncio.CancelledError:
            self.tell("failed", note="the pairing was given up", code="")
            raise
        except Exception as fault:
            log.exception("a pairing failed")
            self.tell("failed", note=f"Mosaic failed at it: {type(fault).__name__}", code="", hint=_REPORT)
        else:
            self.tell("ready", code="")

    def agree(self, *, same: bool) -> None:
        """A person has compared the digits. Raises UsageError if there are none to compare."""
        if self.now.state != "compare" or self._agreed.done():
            raise UsageError("there are no digits to compare now", hint="`mosaic pair` begins a pairing.")
        self._agreed.set_result(same)

    async def states(self) -> AsyncIterator[Pairing]:
        """How it stands now, and again whenever that has changed, until it is over."""
        changed, told = asyncio.Event(), None
        self._changed.add(changed)
        try:
            while told is None or told.state not in OVER:
                changed.clear()
                if self.now != told:
                    told = self.now
                    yield told
                else:
                    await changed.wait()
        finally:
            self._changed.discard(changed)

    def tell(self, state: str, **more: Any) -> None:
        """How it stands from now on; what is not named stays."""
        self.now = replace(self.now, state=state, **more)
        for event in self._changed:
            event.set()
        self.node.tell_changed()

    def random(self, length: int) -> bytes:
        """So many random bytes: `length`."""
        return self.node.surroundings.entropy(length)

    def now_ns(self) -> int:
        """The time."""
        return self.node.clock.now_ns()


def differ() -> PairingFailed:
    """What is said where the digits are not the same."""
    return PairingFailed(
        "the digits differ, so somebody may stand between the devices; nothing was handed over",
        hint="Begin again with a new code, where nobody else sees it.",
    )


# --- the test ----------------------------------------------------------------------------------------------


def sealed(node: Node, signer: Signer, schedule: KeySchedule, content: bytes) -> Record:
    """A record of a device that is encrypted to all of the person's keys, as any message to him is.

    Raises:
        NoEncryptionKey: the schedule lists none.
    """
    at, now = nonce.random(node.surroundings.entropy(nonce.NONCE_LENGTH)), node.clock.now()
    head = encryption.record_head(
        nonce=at, kind=PAIRING, author=signer.author, signer=signer.key, timestamp=now
    )
    to = sealing.recipients(schedule, now, now)
    return signer.record(
        kind=PAIRING,
        nonce=at,
        timestamp=now,
        tags=[core_tags.notify(signer.author)],
        payload=sealing.seal(content, to, head),
    )


def opened(
    data: bytes, schedule: KeySchedule, secrets: Sequence[X25519Secret], not_by: PublicKey | None = None
) -> bytes:
    """What a test holds (32 bytes), once it is seen to come from another device of the person.

    Args:
        data: The record.
        schedule: The person's newest key schedule.
        secrets: What opens messages to the person on this device.
        not_by: This device's own key: what it signed itself proves nothing.

    Raises:
        Undecryptable: it does not open, or nobody knows who wrote it.
        InvalidRecord: it is no valid record.
    """
    record = Record.parse(data)
    if (
        record.author != schedule.master
        or not schedule.may_sign(record.signer)
        or record.signer in {schedule.master, not_by}
    ):
        raise Undecryptable("the test message is by nobody who could have sent it")
    return encryption.unpadded(encryption.opened_record(record, schedule.master, secrets), TEST_BYTES)
