from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import keys, targets, texts

from mosaic.core import core_tags
from mosaic.core.core_tags import TagType, Target
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidKey, InvalidKind, InvalidReference, InvalidTag

KEY = SecretKey.from_seed(bytes(32)).public
OTHER = SecretKey.from_seed(bytes(31) + b"\1").public
offsets = st.integers(0, 2**32 - 1)


@dataclass
class Carrier:
    tags: tuple[Tag, ...]


@pytest.mark.claim("C35")
def test_the_types() -> None:
    assert {kind.name: int(kind) for kind in TagType} == {
        "NOTIFY": 0x1,
        "REPLY": 0x2,
        "ROOT": 0x3,
        "NOSTR_SISTER": 0x8,
        "SUBKEY": 0x10,
        "USER_MENTION": 0x20,
        "SERVER_MENTION": 0x21,
        "QUOTE": 0x22,
        "URL": 0x24,
        "IMAGE": 0x25,
        "VIDEO": 0x26,
    }


@pytest.mark.claim("C35")
@given(keys, offsets)
def test_tags_of_keys(key: PublicKey, offset: int) -> None:
    for made, number in ((core_tags.notify(key), 1), (core_tags.subkey(key), 0x10)):
        assert made.encode() == b"\x28\0" + number.to_bytes(2, "little") + bytes(4) + key.bytes
        assert core_tags.key_of(made) == key
        assert core_tags.offset_of(made) is None
    for made, number in (
        (core_tags.user_mention(key, offset), 0x20),
        (core_tags.server_mention(key, offset), 0x21),
    ):
        head = b"\x28\0" + number.to_bytes(2, "little") + offset.to_bytes(4, "little")
        assert made.encode() == head + key.bytes
        assert (core_tags.key_of(made), core_tags.offset_of(made)) == (key, offset)


@pytest.mark.claim("C35", "C36")
@given(targets, offsets)
def test_tags_of_references_carry_the_kind(target: Target, offset: int) -> None:
    for made, number in ((core_tags.reply(*target), 2), (core_tags.root(*target), 3)):
        head = b"\x40\0" + number.to_bytes(2, "little") + bytes(4)
        assert made.encode() == head + target.kind.bytes + target.reference.bytes
        assert core_tags.target_of(made) == target
    made = core_tags.quote(*target, offset)
    assert made.encode()[4:8] == offset.to_bytes(4, "little")
    assert (core_tags.target_of(made), core_tags.offset_of(made)) == (target, offset)


@pytest.mark.claim("C35")
@given(texts, offsets)
def test_tags_of_urls(text: str, offset: int) -> None:
    for build in (core_tags.url, core_tags.image, core_tags.video):
        made = build(text, offset)
        assert made.value == offset.to_bytes(4, "little") + text.encode()
        assert (core_tags.url_of(made), core_tags.offset_of(made)) == (text, offset)
        assert core_tags.key_of(made) is None
        assert core_tags.target_of(made) is None


@pytest.mark.claim("C35")
def test_the_nostr_sister() -> None:
    made = core_tags.nostr_sister(bytes(range(32)))
    assert made.encode() == b"\x28\0\x08\0" + bytes(4) + bytes(range(32))
    assert core_tags.nostr_id_of(made) == bytes(range(32))
    assert core_tags.nostr_id_of(core_tags.notify(KEY)) is None
    with pytest.raises(InvalidTag):
        core_tags.nostr_sister(bytes(31))


@pytest.mark.claim("C35")
@pytest.mark.parametrize("build", [core_tags.image, core_tags.video])
def test_urls_of_pictures_have_248_bytes(build) -> None:  # type: ignore[no-untyped-def]
    assert core_tags.url_of(build("é" * 124, 0)) == "é" * 124
    with pytest.raises(InvalidTag):
        build("é" * 124 + "x", 0)
    made = build("x" * 248, 0)
    with pytest.raises(InvalidTag):
        core_tags.url_of(Tag(made.type, made.value + b"x"))
    assert len(core_tags.url("x" * 65_527, 0).encode()) == 65_535
    with pytest.raises(InvalidTag):
        core_tags.url("x" * 65_528, 0)


@pytest.mark.parametrize("offset", [-1, 2**32])
def test_offsets_have_32_bits(offset: int) -> None:
    with pytest.raises(InvalidTag):
        core_tags.url("https://a.example", offset)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidTag):
        core_tags.url("https://a.example/\ud800", 0)


@given(st.sampled_from([*TagType, 0x300]), st.binary(max_size=80))
def test_any_value_is_read_or_refused(number: int, value: bytes) -> None:
    made = Tag(number, value)
    for read in (
        core_tags.key_of,
        core_tags.target_of,
        core_tags.url_of,
        core_tags.nostr_id_of,
        core_tags.offset_of,
    ):
        try:
            read(made)
        except FormatError:
            continue
    carrier = Carrier((made,))
    core_tags.notify_keys(carrier)
    core_tags.reply_target(carrier)
    core_tags.root_target(carrier)
    core_tags.quote_targets(carrier)
    core_tags.mentioned_users(carrier)
    core_tags.subkeys(carrier)


def test_readers_name_what_is_wrong() -> None:
    address = b"\x80" + bytes(7) + bytes.fromhex("000000630001001c")
    with pytest.raises(InvalidKey):
        core_tags.key_of(Tag(1, bytes(36)))
    with pytest.raises(InvalidTag):
        core_tags.key_of(Tag(1, bytes(35)))
    with pytest.raises(InvalidKind):
        core_tags.target_of(Tag(2, b"\xff" * 60))
    with pytest.raises(InvalidReference):
        core_tags.target_of(Tag(2, bytes(4) + bytes.fromhex("000000630001001c") + address + bytes(32)))
    with pytest.raises(InvalidTag):
        core_tags.url_of(Tag(0x24, bytes(4) + b"\xff\xfe"))
    with pytest.raises(InvalidTag):
        core_tags.offset_of(Tag(0x24, b"abc"))


@pytest.mark.claim("C36")
def test_a_record_tells_whom_it_notifies_once_each_in_order() -> None:
    bad = Tag(TagType.NOTIFY, b"short")
    carrier = Carrier(
        (bad, core_tags.notify(OTHER), core_tags.notify(KEY), core_tags.subkey(KEY), core_tags.notify(OTHER))
    )
    assert core_tags.notify_keys(carrier) == (OTHER, KEY)
    assert core_tags.subkeys(carrier) == (KEY.bytes,)


@pytest.mark.claim("C36")
@given(targets, targets)
def test_the_first_readable_reply_and_root_count(first: Target, second: Target) -> None:
    carrier = Carrier(
        (
            Tag(TagType.REPLY, b""),
            core_tags.root(*second),
            core_tags.reply(*first),
            core_tags.reply(*second),
            core_tags.quote(*first, 1),
            core_tags.quote(*second, 0),
        )
    )
    assert core_tags.reply_target(carrier) == first
    assert core_tags.root_target(carrier) == second
    assert core_tags.quote_targets(carrier) == (first, second)
    assert core_tags.reply_target(Carrier(())) is None
