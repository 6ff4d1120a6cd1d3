"""Errors about bytes and text that break the specification.

Source: this project's own design, docs/architecture.md "Where to find a rule"; validation's order is that of
record.md and edition §5.
"""

from __future__ import annotations

from mosaic.errors.base import MosaicError


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
