"""Who speaks: somebody, and the key that signs. Records that no master key signs are signed here alone.

A device signs for its person, a persona in the person's name as well; a server
signs for itself. What a master key signs is made in `mosaic.node.master`.

Source: identity.md (a master key stays away; each device has a signing subkey).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mosaic.core import builder, deletion, key_schedule, server_act, server_info
from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.proof_of_work import Search
from mosaic.core.record import Record
from mosaic.core.server_act import ServerAct
from mosaic.core.server_info import ServerInfo
from mosaic.core.tag import Tag


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs records in somebody's name.

    Args:
        author: The person (master key), or a server.
        secret: The key that signs: a device's or persona's subkey, or the server's own key.
    """

    author: PublicKey
    secret: SecretKey = field(repr=False)

    @property
    def key(self) -> PublicKey:
        """The public key under which it signs."""
        return self.secret.public

    def record(
        self, *, kind: Kind, nonce: bytes, timestamp: int, tags: Iterable[Tag] = (), payload: bytes = b""
    ) -> Record:
        """A signed record.

        Args:
            kind: What it is.
            nonce: 8 bytes that begin with a 1 bit.
            timestamp: When it is made, ns.
            tags: In the order in which they are written.
            payload: The content.

        Raises:
            InvalidRecord: it would break a rule.
        """
        return builder.build(
            self.secret,
            author=self.author,
            kind=kind,
            nonce=nonce,
            timestamp=timestamp,
            tags=tags,
            payload=payload,
        )

    def deletion(self, targets: Iterable[Target], timestamp: int, *, nonce: bytes) -> Record:
        """A Deletion of some of the author's records.

        Args:
            targets: Kind and reference of each.
            timestamp: When it is made, ns; of an address it covers what is not later.
            nonce: 8 bytes that begin with a 1 bit.

        Raises:
            RecordTooLong: too many at once.
        """
        return deletion.build(self.secret, targets, timestamp, nonce=nonce, author=self.author)

    def worked(self, search: Search) -> Record:
        """The record for which work was searched and found, signed.

        Raises:
            InvalidSecretKey: another key signed it.
            UsageError: nothing was found yet.
        """
        return search.sealed(self.secret)

    def attestation(self) -> bytes:
        """What says that the signing key belongs to the author (136 bytes)."""
        return key_schedule.attest(self.secret, self.author)

    def server_act(self, act: ServerAct, now_ns: int) -> Record:
        """The record of a moderator's act.

        Args:
            act: The act.
            now_ns: When it is done, ns; no two acts of an author may have the same.

        Raises:
            RecordTooLong: the arguments or the reason are too long.
        """
        return server_act.build(self.secret, self.author, act, now_ns)

    def server_info(self, info: ServerInfo, now_ns: int) -> Record:
        """What a server says about itself, signed by its own key.

        Args:
            info: What it says.
            now_ns: When it is made, ns; later than the one before.

        Raises:
            InvalidContent: it can't be written.
            RecordTooLong: its rules are over 1 MiB.
        """
        return server_info.build(self.secret, info, now_ns)
