"""Server Acts: what was done, signed; what strangers write in their place is refused."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import builder, kinds, server_act, validation
from mosaic.core.community_kinds import SERVER_ACT
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.server_act import Link, ServerAct
from mosaic.errors import InvalidContent

SECRET = SecretKey.from_seed(bytes(32))
NOW = 1_700_000_000_000_000_000
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=8), _VALUES, max_size=4), st.text(max_size=50))
def test_an_act_is_read_as_it_was_written(act: str, arguments: dict[str, object], reason: str) -> None:
    told = ServerAct(act, arguments, reason)  # type: ignore[arg-type]
    record = server_act.build(SECRET, SECRET.public, told, NOW)
    validation.validate(record.data)
    assert server_act.read(record) == told
    assert record.payload == server_act.build(SECRET, SECRET.public, told, NOW + 1).payload


@pytest.mark.parametrize("before", [None, Id(bytes(48))])
def test_an_act_names_its_server_and_the_act_before_it(before: Id | None) -> None:
    told = ServerAct("ban", {}, "", Link(SECRET.public, before))
    assert server_act.read(server_act.build(SECRET, SECRET.public, told, NOW)) == told


def with_payload(payload: bytes, kind: object = SERVER_ACT) -> Record:
    return builder.build(
        SECRET,
        kind=kind,  # type: ignore[arg-type]
        nonce=b"\x80" + bytes(7),
        timestamp=NOW,
        payload=payload,
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        cbor2.dumps([1]),
        cbor2.dumps({"act": "x"}),
        cbor2.dumps({"act": 1, "arguments": {}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": [], "reason": ""}),
        b"\xa4" + cbor2.dumps({"act": "x", "arguments": {}, "reason": ""})[1:] + b"\x81\x01\x01",
        b"\xa4" + cbor2.dumps({"act": "x", "arguments": {}, "reason": ""})[1:] + b"\xa0\x01",
        b"\xa4" + cbor2.dumps({"act": "x", "arguments": {}, "reason": ""})[1:] + b"\x63act\x61y",
        cbor2.dumps({"act": "x", "arguments": {"a": b"bytes"}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": {"a": [1.5]}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": {"a": 1 << 64}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": {"a": {1: 2}}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": {"a": cbor2.CBORTag(100, 1)}, "reason": ""}),
        b"\xa3\x63act\x61x\x69arguments\xa1\x61a\xd8\x1c\x81\xd8\x1d\x00\x66reason\x60",  # a list in itself
        cbor2.dumps({"act": "x", "arguments": {1: 2}, "reason": ""}),
        cbor2.dumps({"act": "x", "arguments": {}, "reason": None}),
        cbor2.dumps({"act": "x", "arguments": {}, "reason": "", "before": None}),
        cbor2.dumps({"act": "x", "arguments": {}, "reason": "", "server": bytes(31), "before": None}),
        cbor2.dumps({"act": "x", "arguments": {}, "reason": "", "server": SECRET.public.bytes, "before": 1}),
        cbor2.dumps(
            {
                "act": "x",
                "arguments": {},
                "reason": "",
                "server": SECRET.public.bytes,
                "before": b"\x80" + bytes(47),
            }
        ),
        b"\xa1" + b"\x81" * 10_000,
        cbor2.dumps({"act": "x", "arguments": {}, "reason": ""}) + b"\0",
        b"\xa3\x63act\x61x\x66reason\x60\x69arguments\xa1\x61a" + b"\x81" * 12 + b"\x00",
    ],
)
def test_what_is_no_act_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidContent):
        server_act.read(with_payload(payload))


def test_another_kind_is_no_act() -> None:
    payload = cbor2.dumps({"act": "x", "arguments": {}, "reason": ""})
    assert server_act.read(with_payload(payload)).act == "x"
    with pytest.raises(InvalidContent):
        server_act.read(with_payload(payload, kinds.PROFILE))
