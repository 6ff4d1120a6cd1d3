from __future__ import annotations

import inspect

import pytest

from mosaic import errors
from mosaic.errors import InvalidMessage, MosaicError
from mosaic.wire import result_code
from mosaic.wire.result_code import CODES, ResultCode, defined, for_error

ALL_ERRORS: set[type[MosaicError]] = {
    value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, MosaicError)
}


@pytest.mark.claim("C46")
def test_the_codes_are_those_of_the_specification() -> None:
    assert {code.name: int(code) for code in ResultCode} == {
        "SUCCESS": 1, "ACCEPTED": 2, "DUPLICATE": 3, "NO_CONSUMERS": 4, "NOT_FOUND": 16,
        "REQUIRES_AUTHENTICATION": 32, "UNAUTHORIZED": 33, "INVALID": 36, "TOO_OPEN": 37, "TOO_LARGE": 38,
        "TOO_FAST": 39, "IP_TEMP_BANNED": 48, "IP_PERM_BANNED": 49, "PUBKEY_TEMP_BANNED": 50,
        "PUBKEY_PERM_BANNED": 51, "SHUTTING_DOWN": 64, "TEMPORARY_ERROR": 65, "PERSISTENT_ERROR": 66,
        "GENERAL_ERROR": 67,
    }  # fmt: skip


def test_a_code_belongs_to_one_class_at_most() -> None:
    for code in ResultCode:
        classes = (code.is_success, code.is_user_error, code.is_user_rejection, code.is_server_error)
        assert sum(classes) == (0 if code is ResultCode.NOT_FOUND else 1)


def test_undefined_codes_are_refused() -> None:
    for number in range(256):
        if number in {int(code) for code in ResultCode}:
            assert defined(number) is ResultCode(number)
        else:
            with pytest.raises(InvalidMessage, match=str(number)):
                defined(number)


def test_every_error_stands_in_the_table_once() -> None:
    listed = [error for group in result_code._ERRORS.values() for error in group]
    assert len(listed) == len(set(listed))
    assert set(listed) == ALL_ERRORS == set(CODES)


@pytest.mark.parametrize("error", sorted(ALL_ERRORS, key=str), ids=str)
def test_no_error_is_told_as_a_success(error: type[MosaicError]) -> None:
    instance = error("it", result=33) if issubclass(error, errors.Refused) else error("it")
    assert for_error(instance) is CODES[error]
    assert not for_error(instance).is_success


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RecordSignature(), ResultCode.INVALID),
        (errors.RecordTooLong(), ResultCode.TOO_LARGE),
        (errors.BlobTooLarge(), ResultCode.TOO_LARGE),
        (errors.BlobMismatch(), ResultCode.INVALID),
        (errors.StoreFull(), ResultCode.TEMPORARY_ERROR),
        (errors.StoreDamaged(), ResultCode.PERSISTENT_ERROR),
        (KeyError("a bug"), ResultCode.GENERAL_ERROR),
    ],
)
def test_what_a_peer_is_told(error: BaseException, code: ResultCode) -> None:
    assert for_error(error) is code


def test_a_class_that_nobody_listed_counts_as_its_nearest_base() -> None:
    class NewRule(errors.InvalidRecord):
        """A rule of tomorrow."""

    assert for_error(NewRule()) is ResultCode.INVALID
