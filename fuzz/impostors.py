"""Records that are signed rightly and mean something odd: schedules, false signers, junk in good form."""

from __future__ import annotations

import time
from random import Random

from mosaic.core import builder, core_tags, nonce, tag
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.kinds import KEY_SCHEDULE, MICROBLOG, PROFILE
from mosaic.core.schedule_entry import Entry, Marker, attest
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp

_FLAGS = (0, 0, 0, 1, 4, 5)
_MARKERS = (
    Marker.ACTIVE_SIGNING_KEY,
    Marker.ACTIVE_SIGNING_KEY,
    Marker.REVOKED_ALL,
    Marker.REVOKED_PAST,
    Marker.OUT_OF_USE,
)


class Impostors:
    """A few people with a few devices who sign for each other, rightly and wrongly.

    Args:
        random: Where everything comes from.
        person: Whom some of the records notify, so that the server takes them.
    """

    def __init__(self, random: Random, person: PublicKey) -> None:
        self._random = random
        self._person = person
        self._masters = [SecretKey.generate(random.randbytes(32)) for _ in range(6)]
        self._devices = [SecretKey.generate(random.randbytes(32)) for _ in range(6)]
        self._addresses = [nonce.random(random.randbytes(8)) for _ in range(4)]

    def record(self) -> bytes:
        """The next one."""
        random = self._random
        author = random.choice(self._masters)
        signer = author if random.random() < 0.6 else random.choice(self._masters + self._devices)
        kind = random.choice((KEY_SCHEDULE, KEY_SCHEDULE, PROFILE, MICROBLOG, self._kind()))
        tags = [self._tag() for _ in range(random.choice((0, 0, 1, 3, 20)))]
        if random.random() < 0.1:
            tags.append(core_tags.notify(self._person))
        payload = random.randbytes(random.choice((0, 1, 40, 48, 152, 2000)))
        if kind == KEY_SCHEDULE and random.random() < 0.8:
            tags += [core_tags.subkey(device.public) for device in self._devices]
            payload = self._schedule(author.public)
        return builder.seal(
            signer,
            author=author.public,
            kind=kind,
            nonce=random.choice(self._addresses),
            timestamp=self._time(),
            flags=bytes((random.choice(_FLAGS), 0, 0, 0, 0, 0, 0, 0)),
            section=tag.section(tags),
            payload=payload,
        ).data

    def _kind(self) -> Kind:
        random = self._random
        return Kind.from_parts(
            random.choice((0, 1, 99, 0xDEF0843A)),
            random.randrange(40),
            duplicates=random.choice(list(Duplicates)),
            readers=random.choice(list(Readers)),
            printable=random.random() < 0.5,
        )

    def _tag(self) -> Tag:
        tag_type = self._random.choice((1, 2, 3, 8, 0x10, 0x20, 0x24, 0x4D00, 0xFFFF))
        return Tag(tag_type, self._random.randbytes(self._random.choice((0, 1, 32, 44, 60, 250))))

    def _time(self) -> Timestamp:
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        return Timestamp.from_unix(seconds - self._random.choice((0, 0, 0, 60, 86_400, -600, -3600)), rest)

    def _schedule(self, master: PublicKey) -> bytes:
        """The payload of a key schedule; a third of them are damaged."""
        entries = []
        for device in self._random.sample(self._devices, self._random.randrange(len(self._devices))):
            marker = self._random.choice(_MARKERS)
            attestation = attest(device, master if self._random.random() < 0.8 else device.public)
            entries.append(Entry(marker, self._time(), attestation).encode())
        payload = bytearray(b"".join(entries))
        if payload and self._random.random() < 0.33:
            payload[self._random.randrange(len(payload))] ^= 1 << self._random.randrange(8)
        return bytes(payload)
