"""The crypto door's face: published values, single rules, errors, and what it may do with its arguments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mosaic import errors
from mosaic._kernel import _rust
from tests.kernel import samples
from tests.kernel.samples import draft
from tests.kernel.twins import ed25519ph, edwards, record_check
from tests.kernel.twins.blake3 import blake3

RECORD = samples.record(0, 1, tags=samples.tag(1, bytes(32)), payload=b"hello")


def resealed(signed_data: bytes) -> int:
    """The verdict on signed data with the right id and a signature by secret 1."""
    return _rust.check([ed25519ph.seal(samples.secret(1), signed_data)])[0]


# --- hashes ---------------------------------------------------------------------------------------


@pytest.mark.claim("C10")
def test_published_hashes() -> None:
    # From the test vectors of BLAKE3: input bytes 0, 1, … 250, 0, 1, …; the first 32 bytes of output.
    published = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    }
    for length, expected in published.items():
        data = bytes(i % 251 for i in range(length))
        assert _rust.blake3(data).hex() == expected
        assert blake3(data).hex() == expected


@pytest.mark.claim("C10")
def test_longer_output_begins_with_the_shorter() -> None:
    assert _rust.blake3(b"Mosaic", 0) == b""
    assert _rust.blake3(b"Mosaic", 64)[:40] == _rust.blake3(b"Mosaic", 40)


@pytest.mark.claim("C10")
def test_piecewise_hashing_may_go_on_after_a_digest() -> None:
    hasher = _rust.Blake3()
    hasher.update(b"Mo")
    assert hasher.digest() == _rust.blake3(b"Mo")
    hasher.update(b"saic" * 100_000)
    assert hasher.digest(100) == _rust.blake3(b"Mo" + b"saic" * 100_000, 100)


@pytest.mark.claim("C60")
@pytest.mark.parametrize("length", [8, 300, 1_024, 1_025, 3_000, 40_000])
def test_what_a_search_for_work_finds_shows_in_the_hash(length: int) -> None:
    for at in {0, length // 2 & ~7, length - 8}:
        data = bytes(i % 251 for i in range(length))
        found = _rust.search_work(data, at, 7, 5, 1 << 20)
        assert found is not None
        worked = data[:at] + found + data[at + 8 :]
        assert blake3(worked)[0] < 2
        number = int.from_bytes(found, "big")
        assert number >= 5
        assert _rust.search_work(data, at, 7, 5, number - 5) is None


def test_a_search_for_work_outside_of_the_data_is_refused() -> None:
    for at, bits in ((0, 65), (1, 8), (2**63, 8)):
        with pytest.raises(errors.UsageError):
            _rust.search_work(bytes(8), at, bits, 0, 1)


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.claim("C9")
def test_small_order_and_non_canonical_keys_are_refused() -> None:
    for key in samples.small_order_keys() + samples.not_canonical() + samples.off_curve():
        assert not _rust.key_is_acceptable(key), key.hex()
    for torsion in range(1, 8):
        assert _rust.key_is_acceptable(samples.mixed_order_key(1, torsion))
    assert not _rust.key_is_acceptable(samples.public(1)[:31])
    assert not _rust.key_is_acceptable(b"")


def test_a_seed_has_32_bytes() -> None:
    assert _rust.public_key(samples.secret(1)) == samples.public(1)
    for length in (0, 31, 33, 64):
        with pytest.raises(errors.InvalidSecretKey, match="32 bytes"):
            _rust.public_key(bytes(length))


# --- signatures -----------------------------------------------------------------------------------


@pytest.mark.claim("C9")
def test_only_the_context_that_was_signed_verifies() -> None:
    digest = _rust.blake3(b"something", 64)
    signature = ed25519ph.sign(samples.secret(1), digest, b"Mosaic auth")
    assert _rust.verify(samples.public(1), digest, signature, b"Mosaic auth")
    assert not _rust.verify(samples.public(1), digest, signature, b"Mosaic")
    assert not _rust.verify(samples.public(2), digest, signature, b"Mosaic auth")
    with pytest.raises(errors.UsageError, match="255"):
        _rust.verify(samples.public(1), digest, signature, bytes(256))


def test_arguments_of_other_lengths_never_verify() -> None:
    digest = _rust.blake3(b"something", 64)
    signature = ed25519ph.sign(samples.secret(1), digest)
    key = samples.public(1)
    assert _rust.verify(key, digest, signature, b"Mosaic")
    assert not _rust.verify(key[:31], digest, signature, b"Mosaic")
    assert not _rust.verify(key, digest[:32], signature, b"Mosaic")
    assert not _rust.verify(key, digest, signature + b"\0", b"Mosaic")
    assert not _rust.verify(key, digest, signature[:63], b"Mosaic")


@pytest.mark.claim("C9")
def test_s_is_under_the_order_and_points_are_canonical() -> None:
    digest = _rust.blake3(b"something", 64)
    key = samples.public(1)
    signature = ed25519ph.sign(samples.secret(1), digest)
    for times in range(1, 16):
        assert not _rust.verify(key, digest, samples.with_s_raised(signature, times), b"Mosaic")
    for r in samples.not_canonical() + samples.off_curve():
        assert not _rust.verify(key, digest, r + signature[32:], b"Mosaic")
        lenient = samples.lenient_signature(1, key, digest, r)
        assert not _rust.verify(key, digest, lenient, b"Mosaic")


@pytest.mark.claim("C9")
def test_the_equation_is_the_cofactored_one() -> None:
    digest = _rust.blake3(b"something", 64)
    for torsion_of_key in range(8):
        key = samples.mixed_order_key(1, torsion_of_key)
        for torsion in range(8):
            for nonce in (0, 77):
                signature = samples.odd_signature(1, key, digest, nonce, torsion)
                assert _rust.verify(key, digest, signature, b"Mosaic")


# --- records --------------------------------------------------------------------------------------


def broken() -> Iterator[tuple[int, bytes]]:
    """One record for each rule that can be broken by its signed data alone."""
    good = draft(0, 1)
    yield record_check.SIGNATURE_LENGTH, replace(good, signature_length=72).signed_data()
    yield record_check.LENGTH_MISMATCH, replace(good, payload_length=1).signed_data()
    yield record_check.LENGTH_MISMATCH, replace(good, payload_length=0xFFFFFFFF).signed_data()
    for bits in (0x40, 0x80, 0xC0):
        yield record_check.SIGNATURE_SCHEME, replace(good, flags=bytes([bits]) + bytes(7)).signed_data()
    for bits in (0x02, 0x08, 0x10, 0x20):
        yield record_check.RESERVED_FLAGS, replace(good, flags=bytes([bits]) + bytes(7)).signed_data()
    for flags in (bytes([0, 1]), bytes([0, 0, 0x80])):
        yield record_check.RESERVED_FLAGS, replace(good, flags=flags.ljust(8, b"\0")).signed_data()
    yield record_check.TIMESTAMP_RANGE, replace(good, timestamp=1 << 63).signed_data()
    yield record_check.NONCE, replace(good, nonce=bytes([0x7F]) * 8).signed_data()
    for kind in ("000000010001003c", "000000010001801c", "0000000100010018", "0000000100010008"):
        yield record_check.KIND, replace(good, kind=bytes.fromhex(kind)).signed_data()
    whole = samples.tag(1, b"")
    short = [bytes([length, 0, 1])[:length] + whole for length in (1, 2, 3)]
    for tags in (*short, bytes(8), bytes([3, 0, 1, 0]), bytes([9, 0, 1, 0]), whole + bytes(3)):
        yield record_check.TAGS, replace(good, tags=tags).signed_data()
    for key in samples.small_order_keys() + samples.not_canonical() + samples.off_curve():
        yield record_check.SIGNING_KEY, replace(good, signer=key).signed_data()
        yield record_check.AUTHOR_KEY, replace(good, author=key).signed_data()


@pytest.mark.claim("C23", "C25", "C26", "C27")
def test_each_rule_has_its_verdict() -> None:
    for verdict, signed_data in broken():
        assert resealed(signed_data) == verdict, (verdict, signed_data.hex())


@pytest.mark.claim("C23", "C26")
def test_what_is_allowed_passes() -> None:
    good = draft(0, 1)
    for flags in (b"\1", b"\4", b"\5", bytes([0, 0, 0, 255, 255, 255, 255, 255])):
        assert resealed(replace(good, flags=flags.ljust(8, b"\0")).signed_data()) == _rust.RECORD_OK
    assert resealed(replace(good, tags=samples.tag(0, b"skipped")).signed_data()) == _rust.RECORD_OK
    padding = replace(good, payload=b"seven77\xff", payload_length=7)
    assert resealed(padding.signed_data()) == _rust.RECORD_OK


@pytest.mark.claim("C23", "C24")
def test_the_smallest_and_the_largest_record() -> None:
    smallest = samples.record(0, 1)
    assert len(smallest) == 216
    assert _rust.check([smallest, smallest[:215]]) == bytes([record_check.OK, record_check.TOO_SHORT])
    seed = samples.secret(1)
    largest = _rust.seal_record(seed, draft(0, 1, payload=bytes(1_048_576 - 216)).signed_data())
    assert len(largest) == 1_048_576
    assert _rust.check([largest, largest + bytes(8)]) == bytes([record_check.OK, record_check.TOO_LONG])
    tags = samples.tag(1, bytes(65_531))
    longest_tags = _rust.seal_record(seed, draft(0, 1, tags=tags).signed_data())
    assert _rust.check([longest_tags]) == bytes([record_check.OK])
    with pytest.raises(errors.RecordTooLong):
        _rust.seal_record(seed, draft(0, 1, payload=bytes(1_048_576 - 215)).signed_data())


@pytest.mark.claim("C25")
def test_every_byte_of_a_record_is_guarded() -> None:
    changed = []
    for position in range(len(RECORD)):
        data = bytearray(RECORD)
        data[position] ^= 0x01
        changed.append(bytes(data))
    verdicts = _rust.check(changed)
    assert _rust.RECORD_OK not in verdicts
    assert all(
        verdict == record_check.check(record) for record, verdict in zip(changed, verdicts, strict=True)
    )


@pytest.mark.claim("C25")
def test_the_id_is_checked_before_the_signature() -> None:
    wrong_hash = RECORD[:8] + bytes([RECORD[8] ^ 1]) + RECORD[9:-1] + bytes([RECORD[-1] ^ 1])
    wrong_time = bytes([RECORD[0], RECORD[1] ^ 1]) + RECORD[2:]
    assert list(_rust.check([wrong_hash, wrong_time])) == [record_check.HASH, record_check.ID_TIMESTAMP]


def test_check_takes_any_sequence_of_bytes_and_nothing_else() -> None:
    assert _rust.check([]) == b""
    assert _rust.check((RECORD, b"")) == bytes([0, 1])
    with pytest.raises(TypeError, match="bytes objects"):
        _rust.check([RECORD, bytearray(RECORD)])  # type: ignore[list-item]
    for batch, threads in ((0, 1), (1, 0)):
        with pytest.raises(errors.UsageError, match="1 at least"):
            _rust.check([RECORD], batch=batch, threads=threads)


def test_check_keeps_no_reference() -> None:
    record = bytes(bytearray(RECORD))
    before = sys.getrefcount(record)
    _rust.check([record] * 10, threads=2)
    assert sys.getrefcount(record) == before


def test_check_frees_the_interpreter() -> None:
    """No thread is made to yield here, so the main thread only wakes if `check` lets it."""
    interval = sys.getswitchinterval()
    started, finished = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        _rust.check([RECORD] * 20_000, batch=1)
        finished.set()

    thread = threading.Thread(target=work)
    sys.setswitchinterval(3600)
    try:
        thread.start()
        started.wait()
        assert not finished.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()


# --- what is signed -------------------------------------------------------------------------------


@pytest.mark.claim("C25")
def test_a_sealed_record_is_that_of_the_twin() -> None:
    signed_data = draft(0, 1, tags=samples.tag(1, bytes(32)), payload=b"hello").signed_data()
    assert _rust.seal_record(samples.secret(1), signed_data) == RECORD
    assert _rust.check([RECORD]) == bytes([_rust.RECORD_OK])


@pytest.mark.claim("C25")
def test_what_breaks_a_rule_is_not_sealed() -> None:
    raised = {
        record_check.SIGNATURE_LENGTH: errors.RecordSignatureLength,
        record_check.LENGTH_MISMATCH: errors.RecordLengthMismatch,
        record_check.SIGNATURE_SCHEME: errors.RecordSignatureScheme,
        record_check.RESERVED_FLAGS: errors.RecordReservedFlags,
        record_check.TIMESTAMP_RANGE: errors.RecordTimestampRange,
        record_check.NONCE: errors.RecordNonce,
        record_check.KIND: errors.RecordKind,
        record_check.TAGS: errors.RecordTags,
        record_check.SIGNING_KEY: errors.InvalidSecretKey,
        record_check.AUTHOR_KEY: errors.RecordAuthorKey,
    }
    for verdict, signed_data in broken():
        with pytest.raises(raised[verdict]):
            _rust.seal_record(samples.secret(1), signed_data)
    with pytest.raises(errors.RecordTooShort):
        _rust.seal_record(samples.secret(1), b"")
    with pytest.raises(errors.InvalidSecretKey, match="not that of the key"):
        _rust.seal_record(samples.secret(2), draft(0, 1).signed_data())


@pytest.mark.claim("C5")
def test_attestations_are_signed_by_the_subkey_that_they_name() -> None:
    head = bytes.fromhex("2c2898f58b004000") + samples.public(1) + samples.public(0)
    signature = _rust.sign_attestation(samples.secret(1), head)
    assert _rust.verify(samples.public(1), _rust.blake3(head, 64), signature, b"Mosaic")
    with pytest.raises(errors.InvalidSecretKey):
        _rust.sign_attestation(samples.secret(0), head)
    not_heads = (b"", head[:71], head + b"\0", b"\x80" + head[1:], head[:5] + b"\1" + head[6:], bytes(72))
    for data in (*not_heads, head[:40] + samples.small_order_keys()[0]):
        with pytest.raises(errors.InvalidKeySchedule, match="first 72"):
            _rust.sign_attestation(samples.secret(1), data)


def test_the_verdicts_are_numbered_as_in_the_stub() -> None:
    for name, number in vars(record_check).items():
        if name.isupper():
            assert getattr(_rust, f"RECORD_{name}") == number
    assert edwards.ORDER.bit_length() == 253
