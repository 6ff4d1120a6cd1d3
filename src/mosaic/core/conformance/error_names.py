"""The library's names of errors, and which of our errors each may be.

Several of ours stand under one name where the library is less precise, where
it checks the rules in another order, or where the same name is used for a key,
a record and a message.

Source: edition §5; the names are those in the vector files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mosaic import errors

_ANY = (errors.FormatError,)
_TEXT = (
    errors.InvalidText,
    errors.InvalidSecretKey,
    errors.InvalidReference,
    errors.InvalidJson,
    errors.InvalidBootstrap,
)
_KEY = (
    errors.InvalidKey,
    errors.InvalidTag,
    errors.InvalidReference,
    errors.InvalidFilter,
    errors.InvalidMessage,
    errors.InvalidKeySchedule,
    errors.InvalidRecord,
)
_TIME = (
    errors.InvalidTimestamp,
    errors.InvalidFilter,
    errors.InvalidJson,
    errors.InvalidKeySchedule,
    errors.RecordTimestampRange,
    errors.RecordIdTimestamp,
)
_LENGTH = (
    errors.InvalidTag,
    errors.InvalidFilter,
    errors.InvalidMessage,
    errors.InvalidKey,
    errors.RecordTooShort,
    errors.RecordLengthMismatch,
)

ERROR_NAMES: Mapping[str, tuple[type[errors.MosaicError], ...]] = MappingProxyType(
    {
        # Texts
        "InvalidPrintable": _TEXT,
        "Z32": _TEXT,
        "KeyLength": (*_TEXT, errors.InvalidKey),
        "ReferenceLength": _TEXT,
        "NotAnId": (errors.InvalidReference,),
        "NotAnAddress": (errors.InvalidReference,),
        "InvalidIdBytes": (errors.InvalidReference,),
        "InvalidAddressBytes": (errors.InvalidReference, errors.InvalidJson),
        "BadPassword": (errors.WrongPassword,),
        "BadEncryptedSecretKey": _TEXT,
        "ExcessiveScryptLogNParameter": _TEXT,
        "UnsupportedEncryptedSecretKeyVersion": _TEXT,
        "BadScheme": (errors.InvalidUrl, errors.InvalidBootstrap),
        "InvalidUri": (errors.InvalidUrl, errors.InvalidBootstrap),
        "MissingScheme": (errors.InvalidUrl, errors.InvalidBootstrap),
        "InvalidServerBootstrapString": (errors.InvalidBootstrap,),
        "InvalidUserBootstrapString": (errors.InvalidBootstrap,),
        # Values
        "Ed25519": _KEY,
        "TimeOutOfRange": _TIME,
        "TimeIsBeyondLeapSecondData": (errors.InvalidTimestamp,),
        "TagTooLong": (errors.InvalidTag,),
        "IntTooBig": (errors.InvalidTag,),
        "Padding": (errors.InvalidTag,),
        "CborDecode": (errors.InvalidProfile,),
        "WrongKind": (errors.InvalidProfile, errors.InvalidKeySchedule),
        "General": (errors.InvalidKeySchedule,),
        "UndefinedSubkeyMarker": (errors.InvalidKeySchedule,),
        "SubkeyMarkerRequiresATimestamp": (errors.InvalidKeySchedule,),
        # Records
        "RecordTooShort": (errors.RecordTooShort,),
        "RecordTooLong": (errors.RecordTooLong, errors.InvalidTag),
        "RecordSectionLengthMismatch": (
            errors.RecordLengthMismatch,
            errors.RecordTooShort,
            errors.RecordSignatureLength,
        ),
        "ReservedFlagsUsed": (errors.RecordReservedFlags, errors.RecordSignatureScheme),
        "TimestampMismatch": (errors.RecordIdTimestamp,),
        "HashMismatch": (errors.InvalidRecord, errors.InvalidMessage),
        "Json": (errors.InvalidJson,),
        "JsonIdIsIncorrect": (errors.InvalidJson, errors.RecordHash, errors.RecordIdTimestamp),
        "SliceError": (errors.InvalidJson,),
        # Filters and messages
        "EndOfInput": _LENGTH,
        "DataTooShort": _LENGTH,
        "InvalidLength": _LENGTH,
        "WrongLength": _LENGTH,
        "InvalidFilterElement": (errors.InvalidFilter,),
        "UnknownFilterElement": (errors.InvalidFilter,),
        "FilterElementTooLong": (errors.InvalidFilter,),
        "TooManyDataElements": (errors.InvalidFilter,),
        "InvalidMessage": (errors.InvalidMessage,),
        "InvalidResultCode": (errors.InvalidMessage,),
        # Encrypted payloads, which the library does not know
        "InvalidEncryption": (errors.InvalidContent,),
        "Undecryptable": (errors.Undecryptable,),
        # The library panics: any refusal is right.
        "(panic)": _ANY,
    }
)
