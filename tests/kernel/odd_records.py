"""Records with odd keys and signatures, each with the verdict of a check on its own."""

from __future__ import annotations

import random
from functools import cache

from tests.kernel import samples
from tests.kernel.samples import Draft
from tests.kernel.twins import record_check
from tests.kernel.twins.blake3 import blake3

Case = tuple[bytes, int]  # a record and the verdict that it must get

NONCE = 123_456_789


def _record(draft: Draft, scalar_of: int, nonce: int, torsion: int) -> tuple[bytes, bytes]:
    """Signed data and a signature by the secret's scalar, whatever key the draft names."""
    signed_data = draft.signed_data()
    digest = blake3(signed_data, 64)
    return signed_data, samples.odd_signature(scalar_of, draft.signer, digest, nonce, torsion)


def _odd(draft: Draft, *, nonce: int = NONCE, torsion: int = 0) -> bytes:
    return samples.sealed_with(*_record(draft, 1, nonce, torsion))


@cache
def holding() -> tuple[Case, ...]:
    """Valid by the cofactored equation: points of small and mixed order in A and R, all combinations."""
    keys = [samples.public(1), *(samples.mixed_order_key(1, torsion) for torsion in range(1, 8))]
    return tuple(
        (_odd(Draft(samples.public(0), key), nonce=nonce, torsion=torsion), record_check.OK)
        for key in keys
        for torsion in range(8)
        for nonce in (NONCE, 0)
    )


@cache
def refused_at_once() -> tuple[Case, ...]:
    """Refused before any equation: odd keys, encodings that are not canonical, S not under the order."""
    good = samples.public(0)
    bad_keys = samples.small_order_keys() + samples.not_canonical() + samples.off_curve()[:4]
    cases = [(_odd(Draft(good, key)), record_check.SIGNING_KEY) for key in bad_keys]
    cases += [(_odd(Draft(key, samples.public(1))), record_check.AUTHOR_KEY) for key in bad_keys]
    signed_data, signature = _record(Draft(good, samples.public(1)), 1, NONCE, 0)
    signatures = [samples.with_s_raised(signature, times) for times in range(1, 16)]
    odd_points = samples.not_canonical() + samples.off_curve()[:4]
    signatures += [point + signature[32:] for point in odd_points]
    digest = blake3(signed_data, 64)
    signatures += [
        samples.lenient_signature(1, samples.public(1), digest, point) for point in samples.not_canonical()
    ]
    return (
        *cases,
        *((samples.sealed_with(signed_data, one), record_check.SIGNATURE) for one in signatures),
    )


@cache
def failing() -> tuple[Case, ...]:
    """Well-formed signatures whose equation is false, with plain, mixed-order and small-order points."""
    cases = []
    for key in (samples.public(1), samples.mixed_order_key(1, 1), samples.mixed_order_key(1, 4)):
        for torsion in (0, 1, 4):
            for nonce in (NONCE, 0):
                signed_data, signature = _record(Draft(samples.public(0), key), 1, nonce, torsion)
                s = (int.from_bytes(signature[32:], "little") ^ 1).to_bytes(32, "little")
                cases.append((samples.sealed_with(signed_data, signature[:32] + s), record_check.SIGNATURE))
    other, _ = _record(Draft(samples.public(0), samples.public(2)), 1, NONCE, 0)
    cases.append((samples.sealed_with(other, cases[0][0][-64:]), record_check.SIGNATURE))
    return tuple(cases)


@cache
def honest(count: int = 300) -> tuple[Case, ...]:
    """Plain valid records, each signed by another key."""
    return tuple(
        (samples.record(0, 100 + number, payload=bytes([number % 256])), record_check.OK)
        for number in range(count)
    )


def shuffled(cases: tuple[Case, ...]) -> list[Case]:
    mixed = list(cases)
    random.Random("odd records").shuffle(mixed)
    return mixed
