"""Result codes, and the one table from errors to them.

A code is one byte. 0 and every number that is not listed here is undefined: a
message that carries one is malformed.

Source: messages.md "Result Codes", edition §1.
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Final

from mosaic import errors
from mosaic.errors import InvalidMessage


class ResultCode(IntEnum):
    """Why a request ended as it did."""

    SUCCESS = 1
    """It was done."""
    ACCEPTED = 2
    """The submission was accepted."""
    DUPLICATE = 3
    """It was there already, or something that replaces it is."""
    NO_CONSUMERS = 4
    """An ephemeral record reached nobody."""
    NOT_FOUND = 16
    """There is no such record, blob, query or DHT item."""
    REQUIRES_AUTHENTICATION = 32
    """The client must prove a key first."""
    UNAUTHORIZED = 33
    """The proven key, or the record's signer, has no right to this."""
    INVALID = 36
    """The request breaks a rule of the protocol or of a format."""
    TOO_OPEN = 37
    """The filter could match too many records."""
    TOO_LARGE = 38
    """The record, blob or message is longer than the server takes."""
    TOO_FAST = 39
    """Requests come faster than the server takes them from this client."""
    IP_TEMP_BANNED = 48
    """The client's address is banned for a while."""
    IP_PERM_BANNED = 49
    """The client's address is banned."""
    PUBKEY_TEMP_BANNED = 50
    """The key is banned for a while."""
    PUBKEY_PERM_BANNED = 51
    """The key is banned."""
    SHUTTING_DOWN = 64
    """The server is going down; come back later."""
    TEMPORARY_ERROR = 65
    """The server failed; the same request may succeed later."""
    PERSISTENT_ERROR = 66
    """The server failed, and will until its operator acts."""
    GENERAL_ERROR = 67
    """The server failed for a reason that it does not tell."""

    @property
    def is_success(self) -> bool:
        """Whether what was asked for holds now (1 to 15)."""
        return self < 16

    @property
    def is_user_error(self) -> bool:
        """Whether the request itself must change before it can succeed (32 to 47)."""
        return 32 <= self < 48

    @property
    def is_user_rejection(self) -> bool:
        """Whether the server will not deal with this client (48 to 63)."""
        return 48 <= self < 64

    @property
    def is_server_error(self) -> bool:
        """Whether the server is at fault (64 to 79)."""
        return 64 <= self < 80


_BY_NUMBER: Final = {int(code): code for code in ResultCode}


def defined(code: int) -> ResultCode:
    """The result code of one byte (0 to 255).

    Raises:
        InvalidMessage: the code is undefined.
    """
    result = _BY_NUMBER.get(code)
    if result is None:
        raise InvalidMessage(
            f"result code {code} is undefined",
            hint="The other side is faulty or speaks a newer protocol: close the link.",
        )
    return result


# Every class of mosaic.errors stands here once, under the code that tells a peer about it.
# Errors which no peer can cause are GENERAL_ERROR: what goes on inside is not told.
_ERRORS: Final[dict[ResultCode, tuple[type[errors.MosaicError], ...]]] = {
    ResultCode.INVALID: (
        errors.FormatError,
        errors.InvalidText,
        errors.InvalidKey,
        errors.InvalidSecretKey,
        errors.InvalidTimestamp,
        errors.InvalidKind,
        errors.InvalidTag,
        errors.InvalidReference,
        errors.InvalidRecord,
        errors.RecordTooShort,
        errors.RecordSignatureLength,
        errors.RecordLengthMismatch,
        errors.RecordSignatureScheme,
        errors.RecordReservedFlags,
        errors.RecordTimestampRange,
        errors.RecordIdTimestamp,
        errors.RecordNonce,
        errors.RecordKind,
        errors.RecordTags,
        errors.RecordSigningKey,
        errors.RecordAuthorKey,
        errors.RecordHash,
        errors.RecordSignature,
        errors.InvalidJson,
        errors.InvalidFilter,
        errors.InvalidKeySchedule,
        errors.ForeignKeySchedule,
        errors.InvalidProfile,
        errors.InvalidBootstrap,
        errors.InvalidUrl,
        errors.InvalidContent,
        errors.InvalidMessage,
        errors.ProtocolViolation,
        errors.BlobMismatch,
    ),
    ResultCode.TOO_LARGE: (errors.RecordTooLong, errors.LengthRefused, errors.BlobTooLarge),
    # The server depends on another one, or on room that may come back.
    ResultCode.TEMPORARY_ERROR: (
        errors.PeerError,
        errors.Unreachable,
        errors.WrongServerKey,
        errors.Disconnected,
        errors.Refused,
        errors.Banned,
        errors.StoreError,
        errors.StoreFull,
        errors.StoreCrowded,
        errors.BlobRefused,
        errors.DhtBusy,
    ),
    # Somebody has to repair the server.
    ResultCode.PERSISTENT_ERROR: (
        errors.StoreDamaged,
        errors.HomeMissing,
        errors.HomeNewer,
        errors.HomeDamaged,
        errors.KernelOutdated,
    ),
    ResultCode.GENERAL_ERROR: (
        errors.MosaicError,
        errors.WrongPassword,
        errors.Undecryptable,
        errors.SealingError,
        errors.NoEncryptionKey,
        errors.ScheduleStale,
        errors.PairingFailed,
        errors.LocalError,
        errors.HomeExists,
        errors.HomeInUse,
        errors.UnknownPerson,
        errors.UnknownKey,
        errors.MasterAway,
        errors.PasswordNeeded,
        errors.ListenFailed,
        errors.SettingsInvalid,
        errors.BackupDamaged,
        errors.UsageError,
    ),
}

CODES: Final = MappingProxyType({error: code for code, group in _ERRORS.items() for error in group})
"""The result code of each class of `mosaic.errors`."""


def for_error(error: BaseException) -> ResultCode:
    """The code that tells a peer about an error.

    A class that is not in the table counts as the nearest base class that is;
    an exception that is no MosaicError is a fault of ours: GENERAL_ERROR.
    """
    for ancestor in type(error).__mro__:
        code = CODES.get(ancestor)
        if code is not None:
            return code
    return ResultCode.GENERAL_ERROR
