"""Pairing: two devices of one person find each other by a code and agree on keys that nobody else has.

The device that is in use shows a code, as text or QR: a one-time X25519 key, a
secret, until when it holds, whose it is, and servers over which both can speak.
They speak in ephemeral records that only the two can read, through any server
that serves the person:

    [0]     version, 1
    [1]     step
    [2]     part, [3] parts of this step
    [4:20]  which pairing
    [20:52] the new device's one-time X25519 key, in HELLO alone
    then what is sealed (ChaCha20-Poly1305, nonce = step ‖ part ‖ zeros, all before it as aad)

    HELLO      new  its label, the attestation of its signing key, a commitment
    OFFER      old  random bytes, the person's name
    OPENING    new  what it had committed to
               both show the same six digits, and a person compares them
    AGREED     new  the digits are the same
    HANDOVER   old  everything, once its own person has agreed as well
    TEST       old  a record that is encrypted to the keys of the person
    ANSWER     new  one back, signed by the new device
    READY      old  both could read
    STOPPED    both why it ends

Who overhears knows neither keys nor digits. Who has seen the code can come
first or stand in between, but then the digits differ: the commitment is made
before the other side's random bytes are known, so nobody can choose them, and a
guess is right once in a million. A code serves one device, for ten minutes.

Source: keyschedule.md (attestations), RFC 7748, RFC 5869, RFC 8439; this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mosaic._kernel import _rust as kernel
from mosaic.core import human
from mosaic.core.invite_link import InviteLink, NamedServer
from mosaic.core.keys import PublicKey
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidMessage, InvalidText

VERSION: Final = 1
LIFETIME_NS: Final = 600_000_000_000
"""How long a code holds, and how long two devices may take from then on: 10 minutes."""
SECRET_BYTES: Final = 16
RANDOM_BYTES: Final = 32
HEAD_BYTES: Final = 20
KEY_BYTES: Final = 32
MOST_PARTS: Final = 16
PART_BYTES: Final = 900_000
"""How much of a handover goes into one record."""

_CODE_BYTES = 1 + KEY_BYTES + SECRET_BYTES + 8
_PAIR = re.compile(r"[?&]pair=([a-z0-9]+)")
_HINT = "Show a new code with `mosaic pair` on the other device, and copy all of it."


class Step(IntEnum):
    """What a message is."""

    HELLO = 1
    OFFER = 2
    OPENING = 3
    AGREED = 4
    HANDOVER = 5
    TEST = 6
    ANSWER = 7
    READY = 8
    STOPPED_BY_OLD = 9
    STOPPED_BY_NEW = 10

    @property
    def by_new(self) -> bool:
        """Whether the new device says it."""
        return self in {Step.HELLO, Step.OPENING, Step.AGREED, Step.ANSWER, Step.STOPPED_BY_NEW}


@dataclass(frozen=True, slots=True)
class PairingCode:
    """What the old device shows and the new one is given.

    Args:
        person: Whose devices (master key).
        public: The old device's one-time X25519 key, 32 bytes.
        secret: 16 random bytes.
        until_ns: Until when it holds (a Mosaic timestamp).
        servers: Over which both can speak, the best first.
    """

    person: PublicKey
    public: bytes
    secret: bytes = field(repr=False)
    until_ns: int
    servers: tuple[NamedServer, ...] = ()

    @classmethod
    def parse(cls, text: str) -> PairingCode:
        """Reads a code.

        Raises:
            InvalidText: it is none, or of another version.
            InvalidKey: it names no acceptable key of a person.
        """
        text = text.strip()
        found = _PAIR.search(text)
        if found is None:
            raise InvalidText("this is no code for pairing", hint=_HINT)
        link = InviteLink.parse(text)
        if link.is_server:
            raise InvalidText("this code names a server, and no person", hint=_HINT)
        try:
            data = human.decode("", found[1], _CODE_BYTES)
        except InvalidText as error:
            raise InvalidText(f"the code is not whole: {error}", hint=_HINT) from None
        if data[0] != VERSION:
            raise InvalidText(
                f"the code is of version {data[0]}, this software knows version {VERSION}",
                hint="Use the same version of Mosaic on both devices.",
            )
        public, secret = data[1:33], data[33:49]
        return cls(link.key, public, secret, int.from_bytes(data[49:], "little"), link.servers)

    @property
    def text(self) -> str:
        """The code as it is shown. Who has it can try to join: it is a secret for ten minutes."""
        data = bytes((VERSION,)) + self.public + self.secret + self.until_ns.to_bytes(8, "little")
        link = InviteLink(self.person, self.servers).text
        return f"{link}{'&' if '?' in link else '?'}pair={human.z_base_32(data)}"

    @property
    def pairing(self) -> bytes:
        """Which pairing it begins (16 bytes); tells nothing of the secret."""
        return self._hash(b"Mosaic pairing")[:16]

    def _hash(self, context: bytes, more: bytes = b"") -> bytes:
        until = self.until_ns.to_bytes(8, "little")
        return kernel.blake3(
            context + b"\0" + self.person.bytes + self.public + self.secret + until + more, 32
        )

    def transcript(self, new_public: bytes, speaker: PublicKey) -> bytes:
        """What both sides have in common before anything is sealed (32 bytes).

        Args:
            new_public: The new device's one-time X25519 key, 32 bytes.
            speaker: The one-time key that signs its records.
        """
        return self._hash(b"Mosaic pairing session", new_public + speaker.bytes)


def pairing_of(payload: bytes) -> bytes | None:
    """Which pairing a message is of (16 bytes), or None if it is no message of one."""
    if len(payload) < HEAD_BYTES or payload[0] != VERSION:
        return None
    return payload[4:HEAD_BYTES]


def step_of(payload: bytes) -> Step:
    """What a message is. Raises InvalidMessage."""
    try:
        return Step(payload[1])
    except (ValueError, IndexError):
        raise InvalidMessage("a message of a pairing has an unknown step") from None


def new_public_of(hello: bytes) -> bytes:
    """The new device's X25519 key in a HELLO (32 bytes). Raises InvalidMessage."""
    if len(hello) < HEAD_BYTES + KEY_BYTES:
        raise InvalidMessage("the first message of a pairing is cut short")
    return hello[HEAD_BYTES : HEAD_BYTES + KEY_BYTES]


class Session:
    """What two devices share once they know each other's one-time keys.

    Args:
        code: The code.
        own: The one-time secret of this side.
        other: The one-time key of the other side, 32 bytes.
        new_public: The one-time key of the new device, 32 bytes.
        speaker: The key that signs the new device's records.

    Raises:
        InvalidMessage: the other side's key is one with which nothing can be agreed on.
    """

    __slots__ = ("_new_public", "_pairing", "_to_new", "_to_old", "_transcript")

    def __init__(
        self, code: PairingCode, own: X25519Secret, other: bytes, new_public: bytes, speaker: PublicKey
    ) -> None:
        self._pairing = code.pairing
        self._new_public = new_public
        self._transcript = code.transcript(new_public, speaker)
        private = X25519PrivateKey.from_private_bytes(own.reveal())
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise InvalidMessage("the other device's key is no usable one") from None
        derive = HKDF(
            algorithm=SHA256(), length=64, salt=code.secret, info=b"Mosaic pairing keys" + self._transcript
        )
        keys = derive.derive(shared)
        self._to_old, self._to_new = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])

    def __repr__(self) -> str:
        return "Session(hidden)"

    def seal(self, step: Step, content: bytes, part: int = 0, parts: int = 1) -> bytes:
        """A message. Each step and part is sealed once only: its nonce is made of them."""
        head = bytes((VERSION, step, part, parts)) + self._pairing
        if step is Step.HELLO:
            head += self._new_public
        cipher = self._to_old if step.by_new else self._to_new
        return head + cipher.encrypt(_nonce(step, part), content, head)

    def open(self, payload: bytes) -> bytes:
        """What a message holds. Raises InvalidMessage if it is not of this session, or was changed."""
        step = step_of(payload)
        end = HEAD_BYTES + (KEY_BYTES if step is Step.HELLO else 0)
        cipher = self._to_old if step.by_new else self._to_new
        try:
            return cipher.decrypt(_nonce(step, payload[2]), payload[end:], payload[:end])
        except InvalidTag:
            raise InvalidMessage("a message of the pairing does not open") from None

    def number(self, attestation: bytes, random_old: bytes, random_new: bytes) -> str:
        """The six digits that both devices show.

        Args:
            attestation: Of the new device's signing key.
            random_old: What the old device chose, 32 bytes.
            random_new: What the new device had committed to, 32 bytes.
        """
        data = b"Mosaic pairing number\0" + self._transcript + random_old + random_new + attestation
        return f"{int.from_bytes(kernel.blake3(data, 32), 'big') % 1_000_000:06}"


def commitment(random: bytes) -> bytes:
    """What binds the new device to its random bytes before it has seen the other's (32 bytes)."""
    return kernel.blake3(b"Mosaic pairing commitment\0" + random, 32)


def _nonce(step: Step, part: int) -> bytes:
    return bytes((step, part)) + bytes(10)
