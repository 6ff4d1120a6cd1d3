from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import texts
from tests.core.test_webp import LOSSY, PICTURES, resized

from mosaic.core import builder, cbor, kinds, nonce, profile
from mosaic.core.keys import SecretKey
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.errors import FormatError, InvalidProfile

MASTER = SecretKey.from_seed(b"m" * 32)
SUBKEY = SecretKey.from_seed(b"s" * 32)
NOW = 1_800_000_000 * 10**9

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
pictures = st.sampled_from(PICTURES)
profiles = st.builds(
    Profile,
    names,
    st.none() | texts,
    st.none() | texts,
    st.none() | pictures,
    st.none() | texts,
    st.none() | pictures,
    st.none() | st.booleans(),
    st.none() | st.booleans(),
    st.none() | texts,
    st.dictionaries(
        st.from_regex("x_[a-z]{1,5}", fullmatch=True),
        st.one_of(st.integers(), texts, st.lists(st.booleans()), st.dictionaries(texts, texts)).map(
            cbor2.dumps
        ),
        max_size=30,
    ),
)


def sealed(payload: bytes, *, kind=kinds.PROFILE, author=MASTER, signer=MASTER, compress=False) -> Record:  # type: ignore[no-untyped-def]
    return builder.build(
        signer,
        author=author.public,
        kind=kind,
        nonce=nonce.FIXED,
        timestamp=NOW,
        payload=payload,
        compress=compress,
    )


@pytest.mark.claim("C70")
@given(profiles)
def test_profiles_survive(made: Profile) -> None:
    payload = made.payload()
    assert Profile.from_payload(payload) == made
    assert Profile.from_payload(payload).payload() == payload
    known = cbor2.loads(payload)
    assert known["name"] == made.name
    assert known.get("org") is made.org


@pytest.mark.claim("C70")
@given(profiles)
def test_the_encoding_is_canonical(made: Profile) -> None:
    extra = {name: cbor2.dumps(cbor2.loads(value), canonical=True) for name, value in made.extra.items()}
    made = Profile(**{name: getattr(made, name) for name in profile._TYPES}, extra=extra)
    assert made.payload() == cbor2.dumps(cbor2.loads(made.payload()), canonical=True)


@pytest.mark.claim("C70")
def test_a_profile_is_a_record_of_the_master() -> None:
    made = Profile("ann", "Änn", avatar=LOSSY, bot=False)
    record = profile.build(MASTER, made, NOW)
    assert profile.parse(Record.parse(record.data)) == made
    assert (record.kind, record.nonce, record.timestamp) == (kinds.PROFILE, nonce.FIXED, NOW)
    assert record.author == record.signer == MASTER.public


@pytest.mark.claim("C70", "C3")
def test_another_signer_makes_it_invalid() -> None:
    with pytest.raises(InvalidProfile, match="master"):
        profile.parse(sealed(Profile("ann").payload(), signer=SUBKEY))


def test_another_kind_is_no_profile() -> None:
    with pytest.raises(InvalidProfile, match="kind"):
        profile.parse(sealed(Profile("ann").payload(), kind=kinds.KEY_SCHEDULE))


def test_a_compressed_profile_is_read() -> None:
    made = Profile("ann", about="x" * 1_000)
    record = sealed(made.payload(), compress=True)
    assert record.compressed
    assert profile.parse(record) == made


@pytest.mark.claim("C70")
@pytest.mark.parametrize("name", ["", " ann", "ann ", "änn", "ann\n", "a\u200bb", "ann\x7f"])
def test_names_that_are_not_written(name: str) -> None:
    with pytest.raises(InvalidProfile):
        Profile(name).payload()


@pytest.mark.claim("C70")
@pytest.mark.parametrize(
    ("field", "width", "height", "fits"),
    [
        ("avatar", 320, 320, True),
        ("avatar", 321, 1, False),
        ("avatar", 1, 321, False),
        ("banner", 1280, 720, True),
        ("banner", 1281, 720, False),
        ("banner", 1280, 721, False),
    ],
)
def test_pictures_have_a_greatest_size(field: str, width: int, height: int, fits: bool) -> None:
    for picture in PICTURES:
        data = resized(picture, width, height)
        made = Profile(name="ann", **{field: data})  # type: ignore[arg-type]
        if fits:
            assert Profile.from_payload(made.payload()) == made
        else:
            with pytest.raises(InvalidProfile, match=field):
                made.payload()
        # Whoever reads such a profile keeps the name and shows no picture.
        read = Profile.from_payload(cbor2.dumps({"name": "ann", field: data}))
        assert getattr(read, field) == data
        assert getattr(read, f"shown_{field}") == (data if fits else None)


def test_a_picture_that_is_none() -> None:
    with pytest.raises(InvalidProfile, match="avatar"):
        Profile("ann", avatar=b"GIF89a").payload()
    read = Profile.from_payload(cbor2.dumps({"name": "ann", "avatar": b"GIF89a"}))
    assert (read.name, read.shown_avatar, read.shown_banner) == ("ann", None, None)


@pytest.mark.claim("C70")
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x80",
        b"\xa0",
        b"\xff",
        cbor2.dumps({"about": "x"}),
        cbor2.dumps({"name": None}),
        cbor2.dumps({"name": b"ann"}),
        cbor2.dumps({"name": "änn"}),
        cbor2.dumps({"name": "n", "org": 1}),
        cbor2.dumps({"name": "n", "bot": "true"}),
        cbor2.dumps({"name": "n", "avatar": "text"}),
        cbor2.dumps({"name": "n", "avatar": [1, 2, 3]}),
        cbor2.dumps({"name": "n", "about": None}),
        cbor2.dumps({0: "n"}),
        cbor2.dumps({"name": "n", 99: "x"}),
        cbor2.dumps({"name": "n"}) + b"\0",
        cbor2.dumps({"name": "n"})[:-1],
        b"\xa2\x64name\x61a\x64name\x61b",
        b"\xa3\x64name\x61a\x61x\x01\x61x\x02",
        b"\xa1\x64name\x62\xff\xfe",
        b"\xa1\x64name\xc0\x61n",
        b"\xa1\x64name\xd9\xd9\xf7\x61n",
        b"\xa2\x64name\x61n\x61x\x7f\x41a\xff",
        b"\xa2\x64name\x61n\x61x\x7f\x7f\x61a\xff\xff",
        b"\xa2\x64name\x61n\x61x\xf8\x10",
        b"\xa2\x64name\x61n\x61x\x1c",
        b"\xa2\x64name\x61n\x61x\x1f",
        b"\xa2\x64name\x61n\x61x" + b"\x81" * 40 + b"\0",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x64name\x61a",
        b"\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xffname",
        b"\xa2\x64name\x61n\x61x\x9f" + b"\0" * 20_000 + b"\xff",
    ],
    ids=str,
)
def test_payloads_that_are_no_profile(payload: bytes) -> None:
    with pytest.raises(InvalidProfile):
        Profile.from_payload(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xbf\x64name\x61n\xff",
        b"\xbf\x7f\x62na\x62me\xff\x61n\xff",
        b"\xa1\x64name\x7f\x61n\xff",
        b"\xb8\x01\x78\x04name\x78\x01n",
    ],
)
def test_other_encodings_of_the_same_are_read(payload: bytes) -> None:
    assert Profile.from_payload(payload) == Profile("n")


def test_further_fields_are_kept_as_they_came() -> None:
    tagged = b"\xc1\x1a\x51\x4b\x67\xb0"
    read = Profile.from_payload(b"\xa2\x64name\x61n\x63dob" + tagged)
    assert read.extra == {"dob": tagged}
    assert Profile.from_payload(read.payload()) == read


@pytest.mark.parametrize("extra", [{"name": b"\x61x"}, {"x": b""}, {"x": b"\x01\x02"}, {"x": b"\x82\x01"}])
def test_further_fields_that_are_not_written(extra: dict[str, bytes]) -> None:
    with pytest.raises(InvalidProfile):
        Profile("ann", extra=extra).payload()


def test_text_that_is_not_unicode_is_not_written() -> None:
    with pytest.raises(InvalidProfile):
        Profile("ann", about="\ud800").payload()


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(b"\xa2\x64name\x61n".__add__)))
def test_any_payload_is_a_profile_or_refused(payload: bytes) -> None:
    try:
        read = Profile.from_payload(payload)
    except InvalidProfile:
        return
    assert dict.fromkeys(cbor2.loads(payload)).keys() >= {"name"}
    assert read.name.isascii()


@given(st.binary(max_size=60))
def test_the_walk_ends_where_the_decoder_ends(data: bytes) -> None:
    payload = b"\xa1\x61x" + data
    try:
        entries = cbor.map_entries(payload)
    except FormatError:
        return
    assert entries == [(b"\x61x", data)]
