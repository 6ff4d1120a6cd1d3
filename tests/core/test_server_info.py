from __future__ import annotations

import contextlib
from types import MappingProxyType

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, OTHER

from mosaic.core import builder, nonce, server_info
from mosaic.core.community_kinds import SERVER_ACT, SERVER_INFO
from mosaic.core.kind import Duplicates, Readers
from mosaic.core.server_info import ServerInfo
from mosaic.errors import InvalidContent

SERVER = MASTER
NOW = 1_700_000_000_000_000_000

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
lists = st.lists(texts, max_size=4).map(tuple)
infos = st.builds(
    ServerInfo,
    name=texts,
    serves=texts,
    roles=lists,
    inbox=texts,
    work=st.dictionaries(texts, st.integers(0, 255), max_size=4).map(MappingProxyType),
    limits=st.dictionaries(texts, st.integers(0, 2**64 - 1), max_size=4).map(MappingProxyType),
    rules=lists,
    contact=texts,
    terms=texts,
    service_url=texts,
)


@given(infos)
def test_what_is_written_is_read_again_and_always_the_same_bytes(info: ServerInfo) -> None:
    record = server_info.build(SERVER, info, NOW)
    assert server_info.read(record) == info
    assert info.payload() == server_info.read(record).payload()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        info = server_info.from_payload(data)
    except InvalidContent:
        return
    assert server_info.from_payload(info.payload()) == info


@given(infos, st.data())
def test_a_damaged_one_is_read_or_refused(info: ServerInfo, data: st.DataObject) -> None:
    damaged = bytearray(info.payload())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidContent):
        server_info.from_payload(bytes(damaged))


@given(
    st.sampled_from(["name", "roles", "rules", "work", "limits", "contact"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.integers(),
        st.just({"inbox": -1}),
        st.just({"inbox": True}),
        st.just({"inbox": 1.5}),
        st.just({1: 1}),
        st.just([1]),
        st.just(b"text"),
    ),
)
def test_a_field_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidContent, match=name):
        server_info.from_payload(cbor2.dumps({name: value}))


def test_everybody_reads_the_one_of_a_server_and_a_later_one_replaces_it() -> None:
    record = server_info.build(SERVER, ServerInfo(name="Harbour"), NOW)
    assert record.kind == SERVER_INFO
    assert (record.kind.duplicates, record.kind.readers) == (Duplicates.REPLACEABLE, Readers.EVERYBODY)
    later = server_info.build(SERVER, ServerInfo(), NOW + 1)
    assert later.address == record.address


def test_fields_that_nobody_knows_are_passed_over() -> None:
    payload = cbor2.dumps({"name": "Harbour", "pets": {"cats": [1, 2]}})
    assert server_info.from_payload(payload) == ServerInfo(name="Harbour")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        cbor2.dumps([]),
        cbor2.dumps({1: "name"}),
        b"\xa2\x64name\x61a\x64name\x61b",
        cbor2.dumps({"work": {"inbox": 256}}),
        cbor2.dumps({"limits": {"record_bytes": 1 << 64}}),
        cbor2.dumps({"limits": {"record_bytes": 1 << 40_000}}),  # more digits than Python writes
        cbor2.dumps({"rules": [[["deep"]]]}),
    ],
)
def test_what_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidContent):
        server_info.from_payload(payload)


def test_nobody_else_speaks_for_a_server() -> None:
    record = builder.build(
        OTHER, author=SERVER.public, kind=SERVER_INFO, nonce=nonce.FIXED, timestamp=NOW, payload=b"\xa0"
    )
    with pytest.raises(InvalidContent, match="own key"):
        server_info.read(record)
    other = builder.build(SERVER, kind=SERVER_ACT, nonce=nonce.FIXED, timestamp=NOW, payload=b"\xa0")
    with pytest.raises(InvalidContent, match="no Server Info"):
        server_info.read(other)


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(InvalidContent):
        ServerInfo(name="\ud800").payload()


def test_who_does_what_the_strictest_role_asks_is_let_in_by_all() -> None:
    assert ServerInfo(work={"inbox": 12, "encryption": 20}).work_bits == 20
    assert ServerInfo().work_bits == 0
