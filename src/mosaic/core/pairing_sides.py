"""The two sides of a pairing: what each takes, in which order, and when it gives up.

Neither side knows sockets or clocks. What comes is handed to `receive`, what it
returns goes to the other side; a pairing that has failed stays so. Messages that
come twice, or of other pairings, are passed over; those that name this pairing
and do not open are counted.

Source: this project's own design, docs/architecture.md "Keys of people"; the messages: `mosaic.core.pairing`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Final, NoReturn

from mosaic.core.keys import PublicKey
from mosaic.core.pairing import (
    LIFETIME_NS,
    MOST_PARTS,
    PART_BYTES,
    RANDOM_BYTES,
    PairingCode,
    Session,
    Step,
    commitment,
    new_public_of,
    pairing_of,
    step_of,
)
from mosaic.core.schedule_entry import Entry
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import FormatError, InvalidMessage, PairingFailed

MOST_GUESSES: Final = 5
"""So many messages that do not open make a code void."""
LONGEST_LABEL: Final = 100
"""Characters of what a device or person is called."""

_ATTESTATION_BYTES: Final = 136
_COMMITMENT_BYTES: Final = 32
_AGAIN = "Begin again: `mosaic pair` on the device that you have, a new code for the new one."
_TOO_OLD = f"{_AGAIN} If it is a fresh one, the clock of one of the devices is wrong."
_STRANGER = "Nothing was handed over. Begin again with a new code, and show it to nobody."


class _Side:
    """What both sides do alike."""

    def __init__(self, code: PairingCode, begun_ns: int) -> None:
        self.code = code
        self.number = ""
        """The six digits to compare, once they are known."""
        self.failed: PairingFailed | None = None
        """Why the pairing is over, if it has failed."""
        self._session: Session | None = None
        self._guesses = 0
        self._has_stopped = False
        self._until_ns = begun_ns

    def check(self, now_ns: int) -> None:
        """Raises PairingFailed if the time is over, or the pairing has failed before."""
        if self.failed is not None:
            raise self.failed
        if now_ns > self._until_ns:
            self._fail("the code is too old: it holds for ten minutes", _TOO_OLD)

    def left_ns(self, now_ns: int) -> int:
        """How long it may still take, ns."""
        return max(0, self._until_ns - now_ns)

    def give_up(self, why: str) -> bytes | None:
        """Ends the pairing; what to tell the other side, once, if it can be told."""
        self.failed = self.failed or PairingFailed(why, hint=_AGAIN)
        if self._session is None or self._has_stopped:
            return None
        self._has_stopped = True
        return self._session.seal(self._stopping, why.encode())

    _stopping = Step.STOPPED_BY_OLD

    def _open(self, payload: bytes, session: Session) -> bytes | None:
        """What a message holds, or None if it does not open."""
        try:
            return session.open(payload)
        except InvalidMessage:
            self._guess()
            return None

    def _guess(self) -> None:
        self._guesses += 1
        if self._guesses >= MOST_GUESSES:
            self._fail("somebody tries to guess the code, so it holds no more", _STRANGER)

    def _fail(self, why: str, hint: str) -> NoReturn:
        self.failed = PairingFailed(why, hint=hint)
        raise self.failed

    def _stopped(self, content: bytes) -> NoReturn:
        self._has_stopped = True
        why = content.decode(errors="replace")[:200]
        self._fail(f"the other device has stopped: {_plain(why)}", _AGAIN)


class OldSide(_Side):
    """The device that shows the code.

    Args:
        code: What it shows.
        secret: The secret of its one-time key.
        random: 32 fresh random bytes.
        name: What the person is called.

    Attributes:
        speaker: The key with which the new device signs, once it has spoken.
        attestation: By which the new device's signing key says whose it is (136 bytes).
        label: What the new device calls itself.
        agreed: Whether the digits were found the same at the new device.
        answer: What came back on the test: a record's bytes.
    """

    def __init__(self, code: PairingCode, secret: X25519Secret, random: bytes, name: str) -> None:
        super().__init__(code, code.until_ns)
        self.speaker: PublicKey | None = None
        self.attestation = b""
        self.label = ""
        self.agreed = False
        self.answer: bytes | None = None
        self._secret = secret
        self._random = random
        self._name = name
        self._hello = b""
        self._commitment = b""
        self._handed_over = False

    def receive(self, speaker: PublicKey, payload: bytes, now_ns: int) -> bytes | None:
        """Takes a message; what to say to that, if anything.

        Args:
            speaker: Who signed it.
            payload: The message.
            now_ns: The time.

        Raises:
            PairingFailed: it is over, now or before.
        """
        if pairing_of(payload) != self.code.pairing:
            return None
        self.check(now_ns)
        try:
            step = step_of(payload)
        except InvalidMessage:
            self._guess()
            return None
        if not step.by_new:
            return None
        if self._session is None or speaker != self.speaker:
            return self._greeted(speaker, payload, now_ns) if step is Step.HELLO else None
        if step is Step.HELLO:
            return None  # the same once more, or made by somebody who can't open what we answer
        content = self._open(payload, self._session)
        if content is not None:
            self._said(step, content)
        return None

    def _greeted(self, speaker: PublicKey, payload: bytes, now_ns: int) -> bytes | None:
        try:
            public = new_public_of(payload)
            session = Session(self.code, self._secret, public, public, speaker)
        except InvalidMessage:
            self._guess()
            return None
        content = self._open(payload, session)
        if content is None:
            return None
        if self._session is not None:
            self._fail("a second device has used the same code: somebody else has seen it", _STRANGER)
        self._session, self.speaker, self._hello = session, speaker, payload
        head = _ATTESTATION_BYTES + _COMMITMENT_BYTES
        self.attestation, self._commitment = content[:_ATTESTATION_BYTES], content[_ATTESTATION_BYTES:head]
        self.label = _plain(content[head:].decode(errors="replace"))[:LONGEST_LABEL]
        try:
            Entry.signing(self.attestation).verify(self.code.person)
        except FormatError:
            self._fail("the new device's key does not say that it is yours", _STRANGER)
        self._until_ns = now_ns + LIFETIME_NS
        return session.seal(Step.OFFER, self._random + self._name.encode())

    def _said(self, step: Step, content: bytes) -> None:
        assert self._session is not None
        if step is Step.STOPPED_BY_NEW:
            self._stopped(content)
        if step is Step.OPENING and not self.number:
            if not hmac.compare_digest(commitment(content), self._commitment):
                self._fail("the new device has changed what it had committed to", _STRANGER)
            self.number = self._session.number(self.attestation, self._random, content)
        elif step is Step.AGREED and self.number:
            self.agreed = True
        elif step is Step.ANSWER and self._handed_over and self.answer is None:
            self.answer = content

    def hand_over(self, content: bytes, now_ns: int) -> Iterator[bytes]:
        """The messages that hand everything over; asked for once a person has agreed here.

        Raises:
            PairingFailed: the digits were not agreed on at the other device, or it is too much.
        """
        self.check(now_ns)
        if self._session is None or not self.agreed:
            self._fail("the new device has not agreed", _AGAIN)
        parts = -(-len(content) // PART_BYTES) or 1
        if parts > MOST_PARTS:
            self._fail("there is too much to hand over", "Restore a backup on the new device instead.")
        self._handed_over = True
        for part in range(parts):
            some = content[part * PART_BYTES : (part + 1) * PART_BYTES]
            yield self._session.seal(Step.HANDOVER, some, part, parts)

    def test(self, record: bytes) -> bytes:
        """The message that holds the test. Raises PairingFailed before anything was handed over."""
        if self._session is None or not self._handed_over:
            self._fail("nothing was handed over yet", _AGAIN)
        return self._session.seal(Step.TEST, record)

    def ready(self) -> bytes:
        """The message that says that both could read. Raises PairingFailed before the answer has come."""
        if self._session is None or self.answer is None:
            self._fail("the new device has not answered the test", _AGAIN)
        return self._session.seal(Step.READY, b"")


class NewSide(_Side):
    """The device that is given the code.

    Args:
        code: What it was given.
        secret: Its one-time X25519 key.
        speaker: The key that signs its records.
        random: 32 fresh random bytes.
        attestation: By which its signing key says whose it is (136 bytes).
        label: What it is called.
        now_ns: The time.

    Attributes:
        name: What the person is called, as the old device says.
        handover: What was handed over, once it is whole.
        test: The record with the test.
        is_ready: Whether the old device could read what came back.

    Raises:
        PairingFailed: the code is too old.
        InvalidMessage: the code holds no usable key.
    """

    _stopping = Step.STOPPED_BY_NEW

    def __init__(
        self,
        code: PairingCode,
        secret: X25519Secret,
        speaker: PublicKey,
        random: bytes,
        attestation: bytes,
        label: str,
        now_ns: int,
    ) -> None:
        super().__init__(code, code.until_ns)
        self.check(now_ns)
        self._until_ns = now_ns + LIFETIME_NS
        self.name = ""
        self.handover: bytes | None = None
        self.test: bytes | None = None
        self.is_ready = False
        self._random = random
        self._attestation = attestation
        self._session = Session(code, secret, code.public, secret.public, speaker)
        self._offer = b""
        self._agreed = False
        self._parts: dict[int, bytes] = {}
        greeting = attestation + commitment(random) + label[:LONGEST_LABEL].encode()
        self.hello: Final = self._session.seal(Step.HELLO, greeting)
        """The first message."""

    def receive(self, payload: bytes, now_ns: int) -> bytes | None:
        """Takes a message of the old device; what to say to that, if anything.

        Raises:
            PairingFailed: it is over, now or before.
        """
        if pairing_of(payload) != self.code.pairing:
            return None
        self.check(now_ns)
        assert self._session is not None
        try:
            step = step_of(payload)
        except InvalidMessage:
            self._guess()
            return None
        if step.by_new:
            return None
        content = self._open(payload, self._session)
        if content is None:
            return None
        if step is Step.STOPPED_BY_OLD:
            self._stopped(content)
        if step is Step.OFFER and not self._offer:
            return self._offered(content)
        if step is Step.HANDOVER:
            self._handed(payload, content)
        elif step is Step.TEST and self.handover is not None and self.test is None:
            self.test = content
        elif step is Step.READY and self.test is not None:
            self.is_ready = True
        return None

    def _offered(self, content: bytes) -> bytes:
        assert self._session is not None
        if len(content) < RANDOM_BYTES:
            self._fail("the other device speaks another version of pairing", _AGAIN)
        self._offer = content[:RANDOM_BYTES]
        self.name = _plain(content[RANDOM_BYTES:].decode(errors="replace"))[:LONGEST_LABEL]
        self.number = self._session.number(self._attestation, self._offer, self._random)
        return self._session.seal(Step.OPENING, self._random)

    def agree(self, now_ns: int) -> bytes:
        """The digits are the same: the message that says so.

        Raises:
            PairingFailed: there are none yet, or the pairing is over.
        """
        self.check(now_ns)
        if self._session is None or not self.number:
            self._fail("there are no digits to compare yet", _AGAIN)
        self._agreed = True
        return self._session.seal(Step.AGREED, b"")

    def _handed(self, payload: bytes, content: bytes) -> None:
        part, parts = payload[2], payload[3]
        if not self._agreed:
            self._fail("the other device did not wait until the digits were compared", _STRANGER)
        if not part < parts <= MOST_PARTS:
            self._fail("what was handed over is not whole", _AGAIN)
        self._parts.setdefault(part, content)
        if self.handover is None and len(self._parts) == parts:
            self.handover = b"".join(self._parts[number] for number in range(parts))

    def answer(self, record: bytes, now_ns: int) -> bytes:
        """The message that answers the test. Raises PairingFailed before there was one."""
        self.check(now_ns)
        if self._session is None or self.test is None:
            self._fail("there was no test yet", _AGAIN)
        return self._session.seal(Step.ANSWER, record)


def _plain(text: str) -> str:
    """A text without what could play tricks on a terminal or page."""
    return "".join(each for each in text if each.isprintable())
