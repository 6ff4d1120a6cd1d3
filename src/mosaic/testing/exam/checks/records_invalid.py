"""Records that break one rule each: a server must refuse every one, and keep what is good beside it.

Source: record.md (Validation), kind.md, tags.md, cryptography.md, edition §3 and §5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import hash_of
from mosaic.testing.exam import forge
from mosaic.testing.exam.check import Need, Run, Who, check
from mosaic.testing.exam.scenes import drafted
from mosaic.testing.exam.stage import Stage
from mosaic.wire.result_code import ResultCode

_RECORD = "record.md (Validation)"


class _Fault(NamedTuple):
    name: str
    rule: str
    spoil: Callable[[Stage], bytes]
    claims: str = "C25"
    source: str = _RECORD


def _with(at: int, data: bytes) -> Callable[[Stage], bytes]:
    return lambda stage: drafted(stage, stage.kind(), payload=b"payload!").put(at, data).finish()


def _flag(at: int, bit: int) -> Callable[[Stage], bytes]:
    return _with(136 + at, bytes((bit,)))


def _tagged(section: bytes) -> Callable[[Stage], bytes]:
    return lambda stage: drafted(stage, stage.kind(), tags=section).finish()


def _false_hash(stage: Stage) -> bytes:
    record = bytearray(drafted(stage, stage.kind()).finish())
    record[30] ^= 1
    return bytes(record)


def _false_signature(stage: Stage) -> bytes:
    record = bytearray(drafted(stage, stage.kind()).finish())
    record[-40] ^= 1
    return bytes(record)


def _anothers_signature(stage: Stage) -> bytes:
    record = drafted(stage, stage.kind()).finish()
    return record[:-64] + forge.sign(SecretKey.from_seed(bytes(32)), hash_of(record[48:-64]))


def _other_time_in_id(stage: Stage) -> bytes:
    return drafted(stage, stage.kind()).finish(id_time=(stage.now_ns - 5).to_bytes(8, "big"))


def _late_timestamp(stage: Stage) -> bytes:
    draft = drafted(stage, stage.kind())
    time = stage.now_ns.to_bytes(8, "big")
    return draft.put(128, bytes((time[0] | 0x80,)) + time[1:]).finish(id_time=time)


def _small_order_signer(stage: Stage) -> bytes:
    # With such a key R = S·B holds for many messages: whoever takes the key takes forgeries.
    draft = drafted(stage, stage.kind(), author=stage.member.public.bytes).put(96, forge.ORDER_EIGHT)
    return draft.finish()


def _small_order_author(stage: Stage) -> bytes:
    return drafted(stage, stage.kind(), author=forge.ORDER_EIGHT).finish()


def _identity_signer(stage: Stage) -> bytes:
    # The neutral point as key: R = B, S = 1 satisfies the equation for every message.
    draft = drafted(stage, stage.kind(), author=stage.member.public.bytes)
    record = draft.put(96, b"\x01" + bytes(31)).finish()
    return record[:-64] + forge.BASE.encode() + b"\x01" + bytes(31)


def _not_canonical_signer(stage: Stage) -> bytes:
    # y = p + 1 stands for the neutral point again.
    number = 2**255 - 19 + 1
    draft = drafted(stage, stage.kind(), author=stage.member.public.bytes)
    record = draft.put(96, number.to_bytes(32, "little")).finish()
    return record[:-64] + forge.BASE.encode() + b"\x01" + bytes(31)


def _longer(stage: Stage) -> bytes:
    draft = drafted(stage, stage.kind(), payload=b"payload!")
    draft.signed += bytes(8)
    return draft.finish()


_FAULTS = (
    _Fault("false_hash", "A record whose id is not the hash of its data", _false_hash, "C9 C25"),
    _Fault("false_signature", "A record whose signature does not hold", _false_signature, "C9 C25"),
    _Fault(
        "anothers_signature",
        "A record that another key has signed than it names",
        _anothers_signature,
        "C9 C25",
    ),
    _Fault(
        "high_s",
        "A signature whose S is L or more",
        lambda stage: drafted(stage, stage.kind()).finish(high_s=True),
        "C9",
        "cryptography.md",
    ),
    _Fault(
        "small_order_signer", "A signing key of small order", _small_order_signer, "C9", "cryptography.md"
    ),
    _Fault(
        "small_order_author", "An author key of small order", _small_order_author, "C9", "cryptography.md"
    ),
    _Fault(
        "identity_as_signer", "The neutral point as signing key", _identity_signer, "C9", "cryptography.md"
    ),
    _Fault(
        "not_canonical_signer",
        "A signing key that is not in its canonical form",
        _not_canonical_signer,
        "C9",
        "cryptography.md",
    ),
    _Fault("other_time_in_the_id", "A record whose id has another time than it", _other_time_in_id),
    _Fault("late_timestamp", "A timestamp with its top bit set", _late_timestamp, "C25 C31", "timestamps.md"),
    _Fault(
        "nonce_without_its_bit",
        "An address nonce that does not begin with a 1 bit",
        _with(48, b"\x7f"),
        "C23 C25",
    ),
    _Fault("kind_reserved_bits", "A kind with reserved bits", _with(62, b"\x01"), "C25 C27", "kind.md"),
    _Fault("kind_high_flag_bits", "A kind with bit 5 set", _with(63, b"\x2c"), "C25 C27", "kind.md"),
    _Fault(
        "read_access_ten", "A kind with the reserved read access 10", _with(63, b"\x08"), "C25 C27", "kind.md"
    ),
    _Fault("signature_scheme", "A record of a reserved signature scheme", _flag(0, 0x40), "C25 C26"),
    _Fault("signature_scheme_high", "A record of the other reserved scheme", _flag(0, 0x80), "C25 C26"),
    _Fault("flag_byte_0", "A reserved bit in flag byte 0", _flag(0, 0x02), "C25 C26"),
    _Fault("flag_byte_1", "A reserved bit in flag byte 1", _flag(1, 0x10), "C25 C26"),
    _Fault("flag_byte_2", "A reserved bit in flag byte 2", _flag(2, 0x01), "C25 C26"),
    _Fault("signature_length", "A signature length (LenS) other than 64", _with(146, b"\x48\x00")),
    _Fault("payload_length", "A payload length that is not that of the record", _with(148, b"\x20")),
    _Fault("left_over_bytes", "Bytes between payload and signature that no length covers", _longer),
    _Fault(
        "tag_too_short",
        "A tag that announces 3 bytes",
        _tagged(b"\x03\x00\x09\x00" + bytes(4)),
        "C25 C34",
        "tags.md",
    ),
    _Fault("tag_of_nothing", "A tag that announces no bytes", _tagged(bytes(8)), "C25 C34", "tags.md"),
    _Fault(
        "tag_too_long",
        "A tag that runs over the end of its section",
        _tagged(b"\x10\x00\x09\x00" + bytes(4)),
        "C25 C34",
        "tags.md",
    ),
    _Fault(
        "part_of_a_tag",
        "Two bytes after the last tag",
        _tagged(b"\x06\x00\x09\x00ab" + b"\x00\x00"),
        "C25 C34",
        "tags.md",
    ),
)


def _registered(fault: _Fault) -> Run:
    async def run(stage: Stage) -> None:
        wire = await stage.as_member()
        record = fault.spoil(stage)
        await wire.refused(record, ResultCode.INVALID)
        good = stage.record(stage.member, Kind(record[56:62] + b"\x00\x0c"))
        await wire.keep(good)
        wanted = stage.of(good.kind, stage.member.public)
        stage.records_are(await wire.query(wanted), [good], "what is served beside it")

    return check(
        f"records.{fault.name}",
        claims=fault.claims,
        rule=f"{fault.rule} is INVALID, and nothing is kept of it.",
        source=fault.source,
        who=Who.MEMBER,
        needs=Need.OUTBOX,
    )(run)


for _fault in _FAULTS:
    _registered(_fault)
