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
    ├── PairingFailed           two devices could not be paired
    ├── PeerError               the other side of a connection
    │   ├── Unreachable         nobody answered
    │   ├── WrongServerKey      somebody else answered
    │   ├── Disconnected        the connection ended before the answer
    │   ├── ProtocolViolation   the peer broke the protocol
    │   └── Refused             the peer answered with a result code that is no success (Banned: with 48 to 51)
    ├── LocalError              this machine or this home
    │   ├── HomeMissing, HomeExists, HomeInUse, HomeNewer, HomeDamaged
    │   ├── UnknownPerson       no such person in this home
    │   ├── UnknownKey          the person has no such key
    │   ├── MasterAway          the master key is not on this machine
    │   ├── PasswordNeeded      it is, but under a password of the person's own
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

from mosaic.errors.base import (
    MosaicError,
    UsageError,
)
from mosaic.errors.encryption import (
    NoEncryptionKey,
    PairingFailed,
    ScheduleStale,
    SealingError,
    Undecryptable,
    WrongPassword,
)
from mosaic.errors.format import (
    ForeignKeySchedule,
    FormatError,
    InvalidBootstrap,
    InvalidContent,
    InvalidFilter,
    InvalidJson,
    InvalidKey,
    InvalidKeySchedule,
    InvalidKind,
    InvalidMessage,
    InvalidProfile,
    InvalidRecord,
    InvalidReference,
    InvalidSecretKey,
    InvalidTag,
    InvalidText,
    InvalidTimestamp,
    InvalidUrl,
    LengthRefused,
    RecordAuthorKey,
    RecordHash,
    RecordIdTimestamp,
    RecordKind,
    RecordLengthMismatch,
    RecordNonce,
    RecordReservedFlags,
    RecordSignature,
    RecordSignatureLength,
    RecordSignatureScheme,
    RecordSigningKey,
    RecordTags,
    RecordTimestampRange,
    RecordTooLong,
    RecordTooShort,
)
from mosaic.errors.local import (
    BackupDamaged,
    BlobMismatch,
    BlobRefused,
    BlobTooLarge,
    DhtBusy,
    HomeDamaged,
    HomeExists,
    HomeInUse,
    HomeMissing,
    HomeNewer,
    KernelOutdated,
    ListenFailed,
    LocalError,
    MasterAway,
    PasswordNeeded,
    SettingsInvalid,
    StoreCrowded,
    StoreDamaged,
    StoreError,
    StoreFull,
    UnknownKey,
    UnknownPerson,
)
from mosaic.errors.peer import (
    Banned,
    Disconnected,
    PeerError,
    ProtocolViolation,
    Refused,
    Unreachable,
    WrongServerKey,
)

__all__ = [
    "BackupDamaged",
    "Banned",
    "BlobMismatch",
    "BlobRefused",
    "BlobTooLarge",
    "DhtBusy",
    "Disconnected",
    "ForeignKeySchedule",
    "FormatError",
    "HomeDamaged",
    "HomeExists",
    "HomeInUse",
    "HomeMissing",
    "HomeNewer",
    "InvalidBootstrap",
    "InvalidContent",
    "InvalidFilter",
    "InvalidJson",
    "InvalidKey",
    "InvalidKeySchedule",
    "InvalidKind",
    "InvalidMessage",
    "InvalidProfile",
    "InvalidRecord",
    "InvalidReference",
    "InvalidSecretKey",
    "InvalidTag",
    "InvalidText",
    "InvalidTimestamp",
    "InvalidUrl",
    "KernelOutdated",
    "LengthRefused",
    "ListenFailed",
    "LocalError",
    "MasterAway",
    "MosaicError",
    "NoEncryptionKey",
    "PairingFailed",
    "PasswordNeeded",
    "PeerError",
    "ProtocolViolation",
    "RecordAuthorKey",
    "RecordHash",
    "RecordIdTimestamp",
    "RecordKind",
    "RecordLengthMismatch",
    "RecordNonce",
    "RecordReservedFlags",
    "RecordSignature",
    "RecordSignatureLength",
    "RecordSignatureScheme",
    "RecordSigningKey",
    "RecordTags",
    "RecordTimestampRange",
    "RecordTooLong",
    "RecordTooShort",
    "Refused",
    "ScheduleStale",
    "SealingError",
    "SettingsInvalid",
    "StoreCrowded",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "Undecryptable",
    "UnknownKey",
    "UnknownPerson",
    "Unreachable",
    "UsageError",
    "WrongPassword",
    "WrongServerKey",
]
