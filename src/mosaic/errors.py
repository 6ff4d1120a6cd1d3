"""Every error that Mosaic raises, as one tree.

The first level says whose doing it is, which decides who has to act:

    MosaicError
    ├── FormatError             bytes or text break a rule of the specification
    │   ├── InvalidText         a human encoding (mopub0, mosrv0, moref0 …)
    │   ├── InvalidKey          not an acceptable Ed25519 public key, or not 32 bytes
    │   ├── InvalidSecretKey    not a secret key
    │   ├── InvalidTimestamp    outside 1970 to 2262
    │   ├── InvalidKind         reserved bits or read access 10
    │   ├── InvalidTag          a tag or a tags section
    │   ├── InvalidReference    an id, address or reference
    │   ├── InvalidRecord       a record; one subclass for each rule of validation
    │   │   ├── RecordTooShort, RecordTooLong, RecordLengthMismatch
    │   │   ├── RecordSignatureLength, RecordSignatureScheme, RecordReservedFlags
    │   │   ├── RecordTimestampRange, RecordIdTimestamp, RecordNonce, RecordKind
    │   │   ├── RecordTags, RecordSigningKey, RecordAuthorKey
    │   │   └── RecordHash, RecordSignature
    │   ├── InvalidJson         a record's JSON form
    │   ├── InvalidFilter       a filter or filter element
    │   ├── InvalidKeySchedule  (ForeignKeySchedule: the 48-byte entries of the reference library)
    │   ├── InvalidProfile
    │   ├── InvalidBootstrap
    │   ├── InvalidUrl
    │   ├── InvalidContent      a payload that its kind or flags do not allow
    │   └── InvalidMessage      a protocol message (LengthRefused: refused from its header)
    ├── WrongPassword           an encrypted secret key did not open
    ├── Undecryptable           an encrypted message did not open
    ├── SealingError            something can't be encrypted to somebody now
    │   ├── NoEncryptionKey     the person has published no key for it
    │   └── ScheduleStale       the person's keys were last looked up too long ago
    ├── PeerError               the other side of a connection
    │   ├── Unreachable         nobody answered
    │   ├── WrongServerKey      somebody else answered
    │   ├── Disconnected        the connection ended before the answer
    │   ├── ProtocolViolation   the peer broke the protocol
    │   └── Refused             the peer answered with a result code that is no success (Banned: with 48 to 51)
    ├── LocalError              this machine or this home
    │   ├── HomeMissing, HomeExists, HomeInUse, HomeNewer, HomeDamaged
    │   ├── UnknownPerson       no such person in this home
    │   ├── StoreError          (StoreFull: no room, StoreCrowded: too much at once, StoreDamaged: the log is not whole)
    │   ├── BlobRefused         (BlobTooLarge, BlobMismatch)
    │   ├── ListenFailed        an address could not be listened on
    │   ├── DhtBusy             too many look-ups are under way
    │   ├── SettingsInvalid     the settings file has faults
    │   ├── BackupDamaged       a backup or an exported file is not whole
    │   └── KernelOutdated      the compiled module does not fit the Python beside it
    └── UsageError              a command or function was called wrongly

Every error has a `code` (stable, in snake case, for programs) and a `hint`
(what to do next, for people). The one table from errors to the protocol's
result codes is `mosaic.wire.result_code`.

Source: this project's own design, docs/architecture.md "Where to find a rule"; validation's order is that of
record.md and edition §5.
"""

from __future__ import annotations

import re
from typing import ClassVar


class MosaicError(Exception):
    """Base of all errors of this project.

    Args:
        message: What happened, as one sentence without a final stop.
        hint: What to do next; the class's own hint if not given.
    """

    default_hint: ClassVar[str] = "Please report this with the command that led to it."

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message or type(self).summary())
        self.hint = self.default_hint if hint is None else hint

    @classmethod
    def summary(cls) -> str:
        """The first line of the class's docstring, without its final stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    @property
    def code(self) -> str:
        """The error's stable name for programs, for example `wrong_server_key`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


# --- bytes and text that break the specification ---------------------------------------------


class FormatError(MosaicError):
    """Bytes or text break a rule of the specification."""

    default_hint = "Check where the data comes from: it is damaged or made by faulty software."


class InvalidText(FormatError):
    """The text is not a valid human encoding."""

    default_hint = "Copy the whole text again, from its prefix (mopub0, mosrv0 …) to its last character."


class InvalidKey(FormatError):
    """The bytes are not an acceptable Ed25519 public key."""


class InvalidSecretKey(FormatError):
    """The bytes or text are not a secret key."""


class InvalidTimestamp(FormatError):
    """The time lies outside of what a timestamp can hold (1970 to 2262)."""


class InvalidKind(FormatError):
    """The kind has reserved bits set or the reserved read access 10."""


class InvalidTag(FormatError):
    """The tag or tags section is malformed."""


class InvalidReference(FormatError):
    """The bytes or text are not an id, an address or a reference."""


class InvalidRecord(FormatError):
    """The record breaks a rule of validation."""

    default_hint = "Ask another server for it: a valid record never changes, this copy is damaged or forged."


class RecordTooShort(InvalidRecord):
    """The record is shorter than 216 bytes."""


class RecordTooLong(InvalidRecord):
    """The record is longer than 1,048,576 bytes."""


class RecordSignatureLength(InvalidRecord):
    """The signature length (LenS) is not 64."""


class RecordLengthMismatch(InvalidRecord):
    """The record's length is not the sum of its sections."""


class RecordSignatureScheme(InvalidRecord):
    """The signature scheme is not Ed25519."""


class RecordReservedFlags(InvalidRecord):
    """Reserved bits are set in flag bytes 0, 1 or 2."""


class RecordTimestampRange(InvalidRecord):
    """The timestamp's top bit is set."""


class RecordIdTimestamp(InvalidRecord):
    """The timestamp in the id is not the record's timestamp."""


class RecordNonce(InvalidRecord):
    """The address nonce does not begin with a 1 bit."""


class RecordKind(InvalidRecord):
    """The kind has reserved bits set or the reserved read access 10."""


class RecordTags(InvalidRecord):
    """The tags section is malformed."""


class RecordSigningKey(InvalidRecord):
    """The signing key is not an acceptable public key."""


class RecordAuthorKey(InvalidRecord):
    """The author key is not an acceptable public key."""


class RecordHash(InvalidRecord):
    """The hash in the id is not the hash of the signed data."""


class RecordSignature(InvalidRecord):
    """The signature does not verify."""


class InvalidJson(FormatError):
    """The text is not the JSON form of a valid record."""


class InvalidFilter(FormatError):
    """The filter or one of its elements is malformed."""


class InvalidKeySchedule(FormatError):
    """The key schedule breaks a rule of its kind."""


class ForeignKeySchedule(InvalidKeySchedule):
    """The key schedule has the 48-byte entries of an older format."""

    default_hint = "Ask its author to publish it again with current software; it is not forged."


class InvalidProfile(FormatError):
    """The profile breaks a rule of its kind."""


class InvalidBootstrap(FormatError):
    """The bootstrap text is malformed."""


class InvalidUrl(FormatError):
    """The text is not the URL of a Mosaic server."""

    default_hint = "Write it as mosaic://HOST:PORT, mosaictcp://HOST:PORT or mosaicwss://HOST:PORT."


class InvalidContent(FormatError):
    """The payload is not what the record's kind or flags ask for."""


class InvalidMessage(FormatError):
    """The protocol message is malformed."""


class LengthRefused(InvalidMessage):
    """The message's header announces a length that its type does not allow."""


class WrongPassword(MosaicError):
    """The password does not open the secret key."""

    default_hint = "Try again; mind upper and lower case and the keyboard's layout."


class Undecryptable(MosaicError):
    """The message does not open with the keys of this device."""

    default_hint = "A new device gets the older keys when it is paired with one that has them."


class SealingError(MosaicError):
    """Nothing can be encrypted to this person now."""


class NoEncryptionKey(SealingError):
    """This person has published no key that anything could be encrypted to."""

    default_hint = "Ask for it in public: newer software publishes one when the key schedule changes."


class ScheduleStale(SealingError):
    """The keys of this person were last looked up more than an hour ago."""

    default_hint = "Try again as soon as one of the person's outboxes is reached."


# --- the other side of a connection ------------------------------------------------------------


class PeerError(MosaicError):
    """The other side of a connection did not do what was asked.

    Attributes:
        tried: Each URL that was tried and why it failed, where a server was to be reached.
    """

    default_hint = "Try again later, or another server of the same person."
    tried: tuple[tuple[str, str], ...] = ()


class Unreachable(PeerError):
    """Nobody answered at the address."""

    default_hint = "Check the address and that the server runs; `mosaic serve` prints its addresses."


class WrongServerKey(PeerError):
    """The server that answered has another key than the one expected."""

    default_hint = "Do not go on: ask the server's operator for its key, somebody may be in between."


class Disconnected(PeerError):
    """The connection ended before the answer came."""


class ProtocolViolation(PeerError):
    """The peer sent something that the protocol does not allow."""


class Refused(PeerError):
    """The server refused the request.

    Args:
        message: What was refused.
        result: The protocol's result code (0 to 255).
        hint: What to do next.
    """

    def __init__(self, message: str = "", *, result: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class Banned(Refused):
    """The server has banned this machine's address or the key that was proven."""

    default_hint = (
        "Ask the server's operator, or wait if the ban is for a time; move to another server meanwhile."
    )


# --- this machine, this home ----------------------------------------------------------------------


class LocalError(MosaicError):
    """Something on this machine stands in the way."""


class HomeMissing(LocalError):
    """There is no Mosaic home in this folder."""

    default_hint = "Make one with `mosaic init --name NAME`, or name another with --home DIR."


class HomeExists(LocalError):
    """There is a Mosaic home in this folder already."""

    default_hint = "Use it as it is, or name another folder with --home DIR."


class HomeInUse(LocalError):
    """Another process holds this home and does not answer."""

    default_hint = "Stop the other process, or wait until it has finished."


class HomeNewer(LocalError):
    """This home was written by a newer version of Mosaic."""

    default_hint = "Install the newer version again; this one would damage what it does not know."


class HomeDamaged(LocalError):
    """A file of this home can't be read."""


class UnknownPerson(LocalError):
    """Nobody of that name lives in this home."""

    default_hint = "`mosaic key list` shows who does; make a person with `mosaic init --name NAME`."


class StoreError(LocalError):
    """The store could not do what was asked."""


class StoreFull(StoreError):
    """The disk is full; nothing was lost, nothing more can be written."""

    default_hint = "Free some space; the store goes on by itself."


class StoreCrowded(StoreError):
    """More records match than this server handles at once."""

    default_hint = "Ask for less at once: narrow the filter, or take a shorter time."


class StoreDamaged(StoreError):
    """The record log is damaged before its end."""

    default_hint = "Restore a backup; keep the damaged folder, most of it can be read."


class BlobRefused(LocalError):
    """The blob was not stored."""


class BlobTooLarge(BlobRefused):
    """The blob is larger than this server takes."""


class BlobMismatch(BlobRefused):
    """The blob's bytes do not have the hash they were announced with."""


class ListenFailed(LocalError):
    """The address could not be listened on."""

    default_hint = "Another program may use the port: name another with --tcp HOST:PORT, or port 0 for any."


class DhtBusy(LocalError):
    """Too many look-ups are under way in the DHT."""

    default_hint = "Wait a moment and try again."


class SettingsInvalid(LocalError):
    """The settings file has faults."""

    default_hint = "Mend what is named; `mosaic config --check` looks at it again."


class BackupDamaged(LocalError):
    """The file is not whole, or was changed."""

    default_hint = "Take an older backup, or copy this one again from where it came."


class KernelOutdated(LocalError):
    """The compiled kernel does not fit the Python code beside it."""

    default_hint = "Build it again with `make setup`."


class UsageError(MosaicError):
    """The command or function was called wrongly."""

    default_hint = "See --help."
