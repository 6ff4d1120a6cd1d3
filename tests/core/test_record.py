from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, SUBKEY, plain, post, rehashed

from mosaic._kernel import _rust
from mosaic.core import builder, compression, kinds, nonce
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.record import FLAG_FROM_AUTHOR, FLAG_ZSTD, Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidContent, InvalidRecord, InvalidText

tags = st.builds(Tag, st.integers(1, 0xFFFF), st.binary(max_size=40))
kind = st.builds(
    lambda application, number, duplicates, readers, printable: Kind.from_parts(
        application, number, duplicates=duplicates, readers=readers, printable=printable
    ),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from(Duplicates),
    st.sampled_from(Readers),
    st.booleans(),
)


@pytest.mark.claim("C23", "C25", "C32")
@given(
    st.lists(tags, max_size=6),
    st.binary(max_size=200),
    kind,
    st.binary(min_size=8, max_size=8),
    st.integers(0, 2**63 - 1),
    st.booleans(),
    st.booleans(),
)
def test_what_is_built_is_valid_and_reads_back(
    some_tags: list[Tag],
    payload: bytes,
    some_kind: Kind,
    entropy: bytes,
    timestamp: int,
    compress: bool,
    from_author: bool,
) -> None:
    record = builder.build(
        SUBKEY,
        author=MASTER.public,
        kind=some_kind,
        nonce=nonce.random(entropy),
        timestamp=timestamp,
        tags=some_tags,
        payload=payload,
        compress=compress,
        from_author=from_author,
    )
    assert Record.parse(record.data) == record
    assert record.tags == tuple(some_tags)
    assert record.content() == payload
    assert record.kind == some_kind
    assert record.timestamp == timestamp
    assert record.id.timestamp == timestamp
    assert (record.author, record.signer) == (MASTER.public, SUBKEY.public)
    assert record.nonce == record.address.nonce == bytes([entropy[0] | 0x80]) + entropy[1:]
    assert record.address.kind == some_kind
    assert record.address.author == MASTER.public
    assert record.from_author == from_author
    assert len(record) % 8 == 0
    assert len(record) >= 216
    assert not any(record.padding)


@pytest.mark.claim("C10", "C23")
def test_the_layout_is_the_one_of_the_page() -> None:
    record = plain()
    data = record.data
    digest = _rust.blake3(data[48:-64], 64)
    assert data[0:8] == data[128:136] == NOW.to_bytes(8, "big")
    assert data[8:48] == digest[:40]
    assert data[48] & 0x80
    assert data[56:64] == kinds.MICROBLOG.bytes
    assert data[64:96] == MASTER.public.bytes
    assert data[96:128] == SUBKEY.public.bytes
    assert data[136:144] == bytes(8)
    assert data[144:152] == bytes.fromhex("0d00 4000 04000000")
    assert data[152:168] == bytes.fromhex("0900 0003") + b"value" + bytes.fromhex("0400 0103") + bytes(3)
    assert data[168:176] == b"text" + bytes(4)
    assert _rust.verify(SUBKEY.public.bytes, digest, data[176:], b"Mosaic")
    assert len(data) == 240


@pytest.mark.claim("C23")
def test_the_smallest_record_has_216_bytes() -> None:
    assert len(post(payload=b"")) == 216


def test_signing_is_deterministic() -> None:
    assert plain().data == plain().data


@pytest.mark.claim("C26")
def test_flags_are_read_and_written() -> None:
    content = b"again and again " * 50
    record = builder.build(
        MASTER,
        kind=kinds.EXAMPLE,
        nonce=nonce.FIXED,
        timestamp=NOW,
        payload=content,
        compress=True,
        from_author=True,
    )
    assert record.flags[0] == FLAG_ZSTD | FLAG_FROM_AUTHOR
    assert record.compressed
    assert len(record.payload) < len(content)
    assert record.content() == compression.decompress(record.payload) == content


def test_what_does_not_shrink_is_not_compressed() -> None:
    record = builder.build(
        MASTER, kind=kinds.EXAMPLE, nonce=nonce.FIXED, timestamp=NOW, payload=b"short", compress=True
    )
    assert not record.compressed
    assert record.payload == b"short"


@pytest.mark.claim("C26")
def test_a_false_zstd_flag_is_found_when_reading_the_content_not_before() -> None:
    record = builder.seal(
        MASTER,
        author=MASTER.public,
        kind=kinds.EXAMPLE,
        nonce=nonce.FIXED,
        timestamp=NOW,
        flags=bytes([FLAG_ZSTD]) + bytes(7),
        section=b"",
        payload=b"no frame",
    )
    Record.parse(record.data)
    with pytest.raises(InvalidContent):
        record.content()


def test_records_sort_by_time_and_then_id() -> None:
    first, second = post(payload=b"a"), post(payload=b"b")
    later = post(timestamp=NOW + 1)
    assert sorted([later, second, first]) == [*sorted([first, second], key=lambda r: r.id.bytes), later]


@pytest.mark.claim("C12")
def test_the_text_form_comes_back() -> None:
    record = plain()
    assert record.text.startswith("morecord0")
    assert Record.parse_text(record.text) == record
    with pytest.raises(FormatError):
        Record.parse_text(record.text[:-1])
    with pytest.raises(InvalidText):
        Record.parse_text(record.id.text)


def test_tags_of_a_type_keep_their_order() -> None:
    record = post(tags=(Tag(7, b"a"), Tag(8, b"b"), Tag(7, b"c")))
    assert [tag.value for tag in record.tags_of(7)] == [b"a", b"c"]


def test_equality_is_that_of_the_bytes() -> None:
    assert plain() == Record.parse(bytes(bytearray(plain().data)))
    assert plain() != post()
    assert {plain(), plain()} == {plain()}
    assert plain() != plain().data


def test_the_timestamp_is_one() -> None:
    assert isinstance(plain().timestamp, Timestamp)


def test_repr_names_the_record() -> None:
    assert plain().id.text in repr(plain())


@pytest.mark.claim("C25")
@given(st.binary(max_size=400))
def test_random_bytes_are_no_record(data: bytes) -> None:
    with pytest.raises(InvalidRecord):
        Record.parse(data)


@pytest.mark.claim("C25")
@given(st.data())
def test_a_changed_record_is_refused_and_reads_without_a_crash(data: st.DataObject) -> None:
    original = plain().data
    place = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidRecord):
        Record.parse(bytes(changed))
    # Re-hashed it is at least as likely to get through the rules up to the signature.
    with pytest.raises(InvalidRecord):
        Record.parse(rehashed(bytes(changed)) if 48 <= place < len(original) - 64 else bytes(changed))


@given(st.data())
def test_cut_or_lengthened_records_are_refused(data: st.DataObject) -> None:
    original = plain().data
    cut = data.draw(st.integers(0, len(original) - 1))
    more = data.draw(st.binary(min_size=1, max_size=80))
    for changed in (original[:cut], original + more):
        with pytest.raises(FormatError):
            Record.parse(changed)


def test_another_key_cannot_sign_for_the_named_one() -> None:
    data = bytearray(plain().data)
    data[96:128] = OTHER.public.bytes
    with pytest.raises(InvalidRecord):
        Record.parse(rehashed(bytes(data)))
