from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, keys, tags, targets, texts

from mosaic.core import content, core_tags
from mosaic.core.content import Image, Link, Part, Quote, ServerMention, UserMention, Video
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.tag import Tag
from mosaic.errors import InvalidContent

BOB = SecretKey.from_seed(bytes(32)).public
SERVER = SecretKey.from_seed(b"s" * 32).public

segments: st.SearchStrategy[Part] = st.one_of(
    st.builds(UserMention, keys),
    st.builds(ServerMention, keys),
    st.builds(Quote, targets),
    st.builds(Link, texts),
    st.builds(Image, texts),
    st.builds(Video, texts),
)


def joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring and empty texts joined."""
    result: list[Part] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return tuple(result)


@pytest.mark.claim("C37")
@given(st.lists(st.one_of(texts, segments), max_size=8))
def test_what_is_composed_is_read(parts: list[Part]) -> None:
    payload, made = content.compose(parts)
    assert payload.decode() == "".join(part for part in parts if isinstance(part, str))
    assert content.read(payload, made) == joined(parts)


@pytest.mark.claim("C37")
def test_offsets_count_characters_not_bytes() -> None:
    payload, made = content.compose(["Grüße 👋🏽 ", UserMention(BOB), "!"])
    assert payload == "Grüße 👋🏽 !".encode()
    assert [core_tags.offset_of(tag) for tag in made] == [9]
    assert len(payload) == 18


@pytest.mark.claim("C37")
def test_names_are_rendered_from_keys() -> None:
    parts = content.read(*content.compose(["Hello ", UserMention(BOB), ", see ", Link("https://a.example")]))
    assert content.render(parts, {BOB: "bob"}.get) == "Hello @bob, see https://a.example"
    assert content.render(parts) == f"Hello @{BOB.user_text}, see https://a.example"


@pytest.mark.claim("C37")
def test_a_payload_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidContent):
        content.read(b"\xff", ())


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidContent):
        content.compose(["half \ud83d"])


def test_segments_beyond_the_end_stand_at_the_end_and_malformed_ones_are_left_out() -> None:
    made = (
        core_tags.image("https://a.example/i", 4_000_000_000),
        core_tags.video("https://a.example/v", 3),
        Tag(core_tags.TagType.USER_MENTION, bytes(36)),
        Tag(core_tags.TagType.QUOTE, b"xx"),
        core_tags.notify(BOB),
        core_tags.user_mention(BOB, 2),
        core_tags.server_mention(SERVER, 2),
    )
    assert content.read(b"abc", made) == (
        "ab",
        UserMention(BOB),
        ServerMention(SERVER),
        "c",
        Image("https://a.example/i"),
        Video("https://a.example/v"),
    )


@given(st.binary(max_size=40), st.lists(tags, max_size=5))
def test_any_payload_and_tags_are_read_or_refused(payload: bytes, made: list[Tag]) -> None:
    try:
        parts = content.read(payload, made)
    except InvalidContent:
        return
    assert "".join(part for part in parts if isinstance(part, str)).encode() == payload
    content.render(parts)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("plain", ("plain",)),
        (f"@{BOB.user_text}: hi", (UserMention(BOB), ": hi")),
        (f"ask {BOB.user_text}.", ("ask ", UserMention(BOB), ".")),
        (f"on {SERVER.server_text}", ("on ", ServerMention(SERVER))),
        ("(see https://a.example/x_(y)).", ("(see ", Link("https://a.example/x_(y)"), ").")),
        ("https://a.example?q=1, and", (Link("https://a.example?q=1"), ", and")),
        (BOB.user_text + "y", (BOB.user_text + "y",)),
        ("mopub0" + "y" * 52, ("mopub0" + "y" * 52,)),
        ("http://a" + ")" * 100_000, (Link("http://a"), ")" * 100_000)),
        ("[https://a.example/[1]]]", ("[", Link("https://a.example/[1]"), "]]")),
        ("http:// nothing", ("http:// nothing",)),
    ],
    ids=range(11),
)
def test_what_a_person_types(typed: str, expected: tuple[Part, ...]) -> None:
    assert content.from_typed(typed) == expected


@given(st.lists(st.one_of(any_text, keys.map(lambda key: f"@{key.user_text}")), max_size=4).map(" ".join))
def test_typed_text_loses_nothing(typed: str) -> None:
    def shown(part: Part) -> str:
        return part if isinstance(part, str) else content.render((part,))

    rendered = "".join(map(shown, content.from_typed(typed)))
    assert rendered.replace("@mopub0", "mopub0") == typed.replace("@mopub0", "mopub0")


def test_names_of_others_come_from_the_caller() -> None:
    asked: list[PublicKey] = []
    content.render((UserMention(BOB), UserMention(SERVER)), asked.append)
    assert asked == [BOB, SERVER]


def test_who_is_mentioned_often_is_asked_for_once() -> None:
    asked: list[PublicKey] = []

    def name_of(key: PublicKey) -> str | None:
        asked.append(key)
        return "bob" if key == BOB else None

    parts = [UserMention(BOB), UserMention(SERVER)] * 500
    assert content.render(parts, name_of) == f"@bob@{SERVER.user_text}" * 500
    assert sorted(asked) == sorted([BOB, SERVER])
