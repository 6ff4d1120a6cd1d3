"""People with keys, key schedules and records: deterministic, for tests and benchmarks.

Source: keyschedule.md, kinds.md; this project's own design, docs/architecture.md "Layers".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from mosaic.core import builder, core_tags, key_schedule
from mosaic.core.key_schedule import Entry, Marker
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp


def kind_of(
    *,
    duplicates: Duplicates = Duplicates.UNIQUE,
    readers: Readers = Readers.EVERYBODY,
    application: int = 99,
    number: int = 7,
) -> Kind:
    """A kind with the handling that a test needs, by default of the application for examples.

    Args:
        duplicates: What becomes of several at one address.
        readers: Who may read it.
        application: Its u32 id.
        number: Which of the application's kinds (u16).
    """
    return Kind.from_parts(application, number, duplicates=duplicates, readers=readers, printable=False)


class Person:
    """Somebody with a master key and any number of device keys, all made from a name.

    Args:
        name: Two people of one name are the same.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.master = SecretKey.from_seed(hashlib.sha256(f"person {name}".encode()).digest())
        self._written = 0

    @property
    def key(self) -> PublicKey:
        """The master key."""
        return self.master.public

    @property
    def key_bytes(self) -> bytes:
        """The master key's 32 bytes."""
        return self.master.public.bytes

    def device(self, name: str = "device") -> SecretKey:
        """A signing key of this person's; the same for the same name."""
        return SecretKey.from_seed(hashlib.sha256(f"person {self.name} {name}".encode()).digest())

    def schedule(
        self,
        timestamp: int,
        devices: Mapping[str, Marker] | Iterable[str] = ("device",),
        *,
        since: int = 0,
        nonce: bytes = FIXED,
    ) -> Record:
        """A key schedule that lists devices.

        Args:
            timestamp: When it is made, ns.
            devices: Names, each active, or each with its marker.
            since: The time of revocations, ns.
            nonce: The address's.
        """
        marked = (
            devices if isinstance(devices, Mapping) else dict.fromkeys(devices, Marker.ACTIVE_SIGNING_KEY)
        )
        entries = [
            Entry.signing(key_schedule.attest(self.device(name), self.key), marker, Timestamp(since))
            for name, marker in marked.items()
        ]
        return key_schedule.build(self.master, entries, timestamp, nonce=nonce)

    def record(  # noqa: PLR0913 - these are what a record is made of
        self,
        timestamp: int,
        *,
        kind: Kind | None = None,
        signer: SecretKey | None = None,
        notify: Iterable[PublicKey] = (),
        tags: Iterable[Tag] = (),
        payload: bytes = b"",
        nonce: bytes | None = None,
        from_author: bool = False,
    ) -> Record:
        """A record of this person's, each with a nonce of its own.

        Args:
            timestamp: When it is made, ns.
            kind: What it is; a unique one that everybody reads if not given.
            signer: The master key if not given.
            notify: Whom it notifies.
            tags: More tags.
            payload: The content.
            nonce: 8 bytes that begin with a 1 bit.
            from_author: Whether servers may take it on the author's own connection only.
        """
        self._written += 1
        return builder.build(
            signer or self.master,
            author=self.key,
            kind=kind or kind_of(),
            nonce=nonce or (1 << 63 | self._written).to_bytes(8, "big"),
            timestamp=timestamp,
            tags=[*(core_tags.notify(key) for key in notify), *tags],
            payload=payload,
            from_author=from_author,
        )
