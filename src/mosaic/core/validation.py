"""The rules that make bytes a record: one table, one precise error for each rule.

The kernel checks (all rules, signatures in batches) and answers with the
number of the first rule that is broken; `RULES` says what each number means.

Source: record.md (Validation), kind.md, tags.md, cryptography.md; edition §3, §5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mosaic import errors
from mosaic._kernel import _rust

MIN_RECORD_BYTES = 216
"""152 bytes of header and 64 of signature."""
MAX_RECORD_BYTES = 1_048_576
MAX_TAGS_BYTES = 65_535
"""What the two bytes of LenT can say."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of validation.

    Args:
        verdict: The kernel's number for a record that breaks it; rules are checked in this order.
        error: The error for it.
        sentence: What is wrong, for people.
        page: Where the specification says it.
    """

    verdict: int
    error: type[errors.InvalidRecord]
    sentence: str
    page: str


RULES: dict[int, Rule] = {
    rule.verdict: rule
    for rule in (
        Rule(
            _rust.RECORD_TOO_SHORT,
            errors.RecordTooShort,
            "the record is shorter than 216 bytes, the length of its header and signature",
            "record.md, Validation 1",
        ),
        Rule(
            _rust.RECORD_TOO_LONG,
            errors.RecordTooLong,
            "the record is longer than 1,048,576 bytes",
            "record.md, Validation 1",
        ),
        Rule(
            _rust.RECORD_SIGNATURE_LENGTH,
            errors.RecordSignatureLength,
            "the signature length (LenS) is not 64",
            "record.md, LenS",
        ),
        Rule(
            _rust.RECORD_LENGTH_MISMATCH,
            errors.RecordLengthMismatch,
            "the record's length is not the sum of its header, tags, payload and signature",
            "record.md, Validation 2",
        ),
        Rule(
            _rust.RECORD_SIGNATURE_SCHEME,
            errors.RecordSignatureScheme,
            "the flags name a signature scheme that is reserved",
            "record.md, Flag Byte 0",
        ),
        Rule(
            _rust.RECORD_RESERVED_FLAGS,
            errors.RecordReservedFlags,
            "reserved bits are set in flag bytes 0, 1 or 2",
            "record.md, Validation 11",
        ),
        Rule(
            _rust.RECORD_TIMESTAMP_RANGE,
            errors.RecordTimestampRange,
            "the timestamp's top bit is set: it lies after the year 2262",
            "timestamps.md",
        ),
        Rule(
            _rust.RECORD_ID_TIMESTAMP,
            errors.RecordIdTimestamp,
            "the timestamp in the id is not the record's timestamp",
            "record.md, Validation 8",
        ),
        Rule(
            _rust.RECORD_NONCE,
            errors.RecordNonce,
            "the address nonce does not begin with a 1 bit",
            "record.md, Unique Nonce",
        ),
        Rule(
            _rust.RECORD_KIND,
            errors.RecordKind,
            "the kind has reserved bits set or the reserved read access 10",
            "kind.md",
        ),
        Rule(
            _rust.RECORD_TAGS,
            errors.RecordTags,
            "the tags section holds a tag under 4 bytes, one that runs over its end, or bytes left over",
            "tags.md",
        ),
        Rule(
            _rust.RECORD_SIGNING_KEY,
            errors.RecordSigningKey,
            "the signing key is not canonical, not on the curve or of small order",
            "record.md, Validation 3",
        ),
        Rule(
            _rust.RECORD_AUTHOR_KEY,
            errors.RecordAuthorKey,
            "the author key is not canonical, not on the curve or of small order",
            "record.md, Validation 4",
        ),
        Rule(
            _rust.RECORD_HASH,
            errors.RecordHash,
            "the hash in the id is not the hash of the signed data",
            "record.md, Validation 7",
        ),
        Rule(
            _rust.RECORD_SIGNATURE,
            errors.RecordSignature,
            "the signature is not the signing key's over this data",
            "record.md, Validation 9",
        ),
    )
}
"""Every verdict but RECORD_OK, in the order in which the rules are checked."""


def error_for(verdict: int) -> errors.InvalidRecord | None:
    """The error (not raised) for a verdict of the kernel; None for RECORD_OK."""
    if verdict == _rust.RECORD_OK:
        return None
    rule = RULES[verdict]
    return rule.error(rule.sentence)


def validate(data: bytes) -> None:
    """Checks one record against all rules.

    Raises:
        InvalidRecord: the subclass of the first rule that it breaks.
    """
    error = error_for(_rust.check((data,))[0])
    if error is not None:
        raise error


def check_batch(records: Sequence[bytes], *, batch: int = 256, threads: int = 1) -> bytes:
    """Checks many records at once: one verdict each, a byte that `error_for` explains.

    The same verdicts as `validate`, at a third of the cost. Frees the GIL.

    Args:
        records: Whole records.
        batch: Signatures that are summed into one equation.
        threads: Over how many threads batches may be spread.
    """
    return _rust.check(records, batch=batch, threads=threads)


def invalid_in(records: Sequence[bytes]) -> Iterator[tuple[int, errors.InvalidRecord]]:
    """(index, error) for each of `records` that is no valid record."""
    for index, verdict in enumerate(check_batch(records)):
        error = error_for(verdict)
        if error is not None:
            yield index, error
