from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, SUBKEY, plain, post

from mosaic._kernel import _rust
from mosaic.core import human, kinds, nonce, record_json
from mosaic.core.builder import build
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidJson, InvalidRecord, RecordHash, RecordSignature


def fields(record: Record | None = None) -> dict[str, Any]:
    return record_json.to_json(record or plain())


@pytest.mark.claim("C32")
@given(
    st.lists(st.builds(Tag, st.integers(1, 0xFFFF), st.binary(max_size=20)), max_size=4),
    st.one_of(st.binary(max_size=60), st.text(max_size=30).map(str.encode)),
    st.sampled_from(sorted(kinds.NAMES)),
    st.booleans(),
)
def test_json_comes_back(tags: list[Tag], payload: bytes, kind: Any, from_author: bool) -> None:
    record = build(
        SUBKEY,
        author=MASTER.public,
        kind=kind,
        nonce=nonce.FIXED,
        timestamp=NOW,
        tags=tags,
        payload=payload,
        from_author=from_author,
    )
    for text in (record_json.to_text(record), record_json.to_text(record, pretty=True)):
        assert record_json.from_json(text) == record
    assert record_json.from_json(fields(record)) == record
    assert record_json.from_json(json.dumps(fields(record))) == record


@pytest.mark.claim("C32")
def test_the_form() -> None:
    record = plain()
    form = fields(record)
    assert tuple(form) == record_json.FIELDS
    assert form["id"] == record.id.text
    assert form["address"] == record.address.text
    assert form["author_key"] == MASTER.public.user_text
    assert form["signing_key"] == SUBKEY.public.user_text
    assert form["kind"] == {
        "as_number": 0x1_0001_001C,
        "as_bytes": [0, 0, 0, 1, 0, 1, 0, 0x1C],
        "application_id": 1,
        "application_kind": 1,
        "duplicate_handling": "Unique",
        "read_access": "Everybody",
        "content_is_printable": True,
    }
    assert form["timestamp"] == NOW
    assert form["flags"] == 0
    assert form["tags"] == list(record.tags_section)
    assert (form["payload"], form["z32_payload"]) == ("text", None)
    assert form["signature"] == human.z_base_32(record.signature)


@pytest.mark.claim("C32")
def test_what_is_not_utf_8_is_z_base_32() -> None:
    record = post(payload=b"\xff\x00")
    assert (fields(record)["payload"], fields(record)["z32_payload"]) == (None, human.z_base_32(b"\xff\x00"))
    assert record_json.from_json(fields(record)) == record


@pytest.mark.claim("C32")
def test_padding_that_is_not_zero_is_kept() -> None:
    data = bytearray(plain().data)
    data[167] = data[175] = 0xAA
    record = Record(_rust.seal_record(SUBKEY.reveal(), bytes(data[48:-64])))
    form = fields(record)
    assert record_json.from_json(form) == record
    del form["padding"]
    with pytest.raises(RecordHash):
        record_json.from_json(form)
    form["padding"] = human.z_base_32(bytes(6))
    with pytest.raises(InvalidJson, match="padding"):
        record_json.from_json(form)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], type[FormatError]]] = {
    "id of another record": (lambda f: f.update(id=post().id.text), RecordHash),
    "signature of another record": (
        lambda f: f.update(signature=fields(post())["signature"]),
        RecordSignature,
    ),
    "another payload": (lambda f: f.update(payload="Text"), RecordHash),
    "another signer": (lambda f: f.update(signing_key=OTHER.public.user_text), InvalidRecord),
    "timestamp + 1": (lambda f: f.update(timestamp=NOW + 1), InvalidRecord),
    "timestamp beyond 64 bits": (lambda f: f.update(timestamp=2**64), InvalidJson),
    "timestamp beyond 2262": (lambda f: f.update(timestamp=2**63), InvalidRecord),
    "timestamp negative": (lambda f: f.update(timestamp=-1), InvalidJson),
    "timestamp as text": (lambda f: f.update(timestamp=str(NOW)), InvalidJson),
    "timestamp as a fraction": (lambda f: f.update(timestamp=float(NOW)), InvalidJson),
    "timestamp true": (lambda f: f.update(timestamp=True), InvalidJson),
    "reserved flag": (lambda f: f.update(flags=2), InvalidRecord),
    "no tags": (lambda f: f.update(tags=[]), InvalidRecord),
    "tags with 256": (lambda f: f.update(tags=[256]), InvalidJson),
    "tags with true": (lambda f: f.update(tags=[True]), InvalidJson),
    "too many tags": (lambda f: f.update(tags=[0] * 65_536), InvalidJson),
    "tags null": (lambda f: f.update(tags=None), InvalidJson),
    "id missing": (lambda f: f.pop("id"), InvalidJson),
    "kind missing": (lambda f: f.pop("kind"), InvalidJson),
    "no payload at all": (lambda f: f.update(payload=None), RecordHash),
    "payload a number": (lambda f: f.update(payload=1), InvalidJson),
    "half a surrogate": (lambda f: f.update(payload="\ud800"), InvalidJson),
    "z32 of the wrong alphabet": (lambda f: f.update(payload=None, z32_payload="l"), InvalidJson),
    "short signature": (lambda f: f.update(signature=f["signature"][:-2]), InvalidJson),
    "address is an id": (lambda f: f.update(address=f["id"]), InvalidJson),
    "secret instead of a key": (lambda f: f.update(signing_key="mosec0y"), InvalidJson),
}


@pytest.mark.claim("C32")
@pytest.mark.parametrize(("change", "error"), CHANGES.values(), ids=CHANGES.keys())
def test_importing_verifies_everything(
    change: Callable[[dict[str, Any]], object], error: type[FormatError]
) -> None:
    form = fields()
    change(form)
    with pytest.raises(error):
        record_json.from_json(form)


def test_what_is_for_people_does_not_decide() -> None:
    form = fields()
    form["kind"]["as_number"] = 1
    form["author_key"] = "somebody"
    form["more"] = [1, 2]
    assert record_json.from_json(form) == plain()


HOSTILE = {
    "empty": "",
    "cut": "{",
    "a list": "[]",
    "a number": "1",
    "deep": "[" * 100_000,
    "twice": '{"id":"a","id":"b"}',
    "huge number": '{"timestamp":' + "9" * 10_000 + "}",
    "long": " " * (8 * 1_048_576 + 1),
}


def test_a_field_that_stands_twice_is_refused_even_if_both_agree() -> None:
    text = record_json.to_text(plain())
    with pytest.raises(InvalidJson, match="twice"):
        record_json.from_json(text[:-1] + ',"flags":0}')


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        record_json.from_json(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*record_json.FIELDS, "padding"]), json_values)
def test_any_value_in_any_field_raises_format_errors_only(name: str, value: Any) -> None:
    form = fields()
    form[name] = value
    try:
        record = record_json.from_json(form)
    except FormatError:
        return
    assert record == plain()


@given(st.data())
def test_changed_text_never_becomes_another_record(data: st.DataObject) -> None:
    text = record_json.to_text(plain())
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    try:
        record = record_json.from_json(changed)
    except FormatError:
        return
    assert record == plain()
