from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import key_schedule
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.handover import Followed, HandedKey, Handover
from mosaic.core.invite_link import NamedServer
from mosaic.core.keys import SecretKey
from mosaic.core.pairing import LIFETIME_NS, PART_BYTES, PairingCode, Session, Step
from mosaic.core.pairing_sides import MOST_GUESSES, NewSide, OldSide
from mosaic.core.url import ServerUrl
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import FormatError, InvalidMessage, InvalidText, PairingFailed

NOW = 1_800_000_000_000_000_000


def seed(number: int) -> bytes:
    return bytes([number]) * 32


MASTER = SecretKey.from_seed(seed(1))
SERVER = NamedServer(SecretKey.from_seed(seed(2)).public, (ServerUrl.parse("mosaictcp://192.168.1.5:1320/"),))


def code(secret: bytes = b"s" * 16, once: int = 3) -> PairingCode:
    public = X25519Secret(seed(once)).public
    return PairingCode(MASTER.public, public, secret, NOW + LIFETIME_NS, (SERVER,))


def old_side(made: PairingCode | None = None, once: int = 3, random: int = 4) -> OldSide:
    return OldSide(made or code(), X25519Secret(seed(once)), seed(random), "anna")


def new_side(made: PairingCode | None = None, once: int = 5, now_ns: int = NOW) -> NewSide:
    speaker, device = SecretKey.from_seed(seed(once + 100)), SecretKey.from_seed(seed(once + 101))
    attestation = key_schedule.attest(device, MASTER.public)
    return NewSide(
        made or code(),
        X25519Secret(seed(once)),
        speaker.public,
        seed(once + 50),
        attestation,
        "phone",
        now_ns,
    )


def speaker(once: int = 5) -> SecretKey:
    return SecretKey.from_seed(seed(once + 100))


def greeted(old: OldSide, new: NewSide, once: int = 5) -> None:
    """Up to the digits."""
    who = speaker(once).public
    offer = old.receive(who, new.hello, NOW)
    assert offer is not None
    opening = new.receive(offer, NOW)
    assert opening is not None
    assert old.receive(who, opening, NOW) is None


def agreed(old: OldSide, new: NewSide) -> None:
    greeted(old, new)
    old.receive(speaker().public, new.agree(NOW), NOW)
    assert old.agreed


# --- codes -------------------------------------------------------------------------------------------------


def test_a_code_is_text_that_can_be_read_again_and_hides_its_secret() -> None:
    made = code()
    assert PairingCode.parse(f"  {made.text}\n") == made
    assert made.text.startswith("mosaic:mopub0")
    assert "ssss" not in repr(made)
    assert len(made.text) < 400


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**63), st.booleans())
def test_every_code_survives_its_text(secret: bytes, until: int, with_server: bool) -> None:
    made = replace(code(), secret=secret, until_ns=until, servers=(SERVER,) if with_server else ())
    assert PairingCode.parse(made.text) == made


@pytest.mark.parametrize(
    "text",
    ["", "mosaic:", MASTER.public.user_text, f"mosaic:{MASTER.public.user_text}?pair=", "?pair=yyyy"],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        PairingCode.parse(text)


def test_codes_of_another_version_cut_off_or_changed_are_refused() -> None:
    text = code().text
    begin, _, pair = text.partition("pair=")
    with pytest.raises(InvalidText, match="version"):
        PairingCode.parse(begin + "pair=o" + pair[1:])
    with pytest.raises(InvalidText):
        PairingCode.parse(text[:-1])


# --- what goes well ----------------------------------------------------------------------------------------


def test_both_sides_show_the_same_digits_and_hand_over_in_parts() -> None:
    old, new = old_side(), new_side()
    agreed(old, new)
    assert old.number == new.number
    assert len(old.number) == 6
    assert (old.label, new.name) == ("phone", "anna")
    content = bytes(range(256)) * (PART_BYTES // 128)
    for message in list(old.hand_over(content, NOW))[::-1]:
        assert new.handover is None
        new.receive(message, NOW)
    assert new.handover == content
    new.receive(old.test(b"a record"), NOW)
    assert new.test == b"a record"
    assert not new.is_ready
    old.receive(speaker().public, new.answer(b"one back", NOW), NOW)
    assert old.answer == b"one back"
    new.receive(old.ready(), NOW)
    assert new.is_ready


def test_what_comes_twice_changes_nothing() -> None:
    old, new = old_side(), new_side()
    who = speaker().public
    offer = old.receive(who, new.hello, NOW)
    assert offer is not None
    assert old.receive(who, new.hello, NOW) is None
    opening = new.receive(offer, NOW)
    assert opening is not None
    assert new.receive(offer, NOW) is None
    old.receive(who, opening, NOW)
    number = old.number
    old.receive(who, opening, NOW)
    assert old.number == number == new.number


# --- attacks -----------------------------------------------------------------------------------------------


@pytest.mark.claim("C2")
def test_an_old_code_is_void_on_both_sides() -> None:
    old, late = old_side(), NOW + LIFETIME_NS + 1
    with pytest.raises(PairingFailed, match="too old"):
        new_side(now_ns=late)
    with pytest.raises(PairingFailed, match="too old"):
        old.receive(speaker().public, new_side().hello, late)
    with pytest.raises(PairingFailed, match="too old"):
        old.receive(speaker().public, new_side().hello, NOW)


@pytest.mark.claim("C2")
def test_a_code_serves_one_device_and_a_second_one_ends_it() -> None:
    old, first, second = old_side(), new_side(), new_side(once=6)
    greeted(old, first)
    with pytest.raises(PairingFailed, match="somebody else"):
        old.receive(speaker(6).public, second.hello, NOW)
    with pytest.raises(PairingFailed):
        list(old.hand_over(b"everything", NOW))


@pytest.mark.claim("C2")
def test_a_recorded_first_message_said_by_somebody_else_opens_nothing() -> None:
    old, new = old_side(), new_side()
    thief = SecretKey.from_seed(seed(77)).public
    assert old.receive(thief, new.hello, NOW) is None
    assert old.speaker is None
    greeted(old, new)
    # What was recorded of one pairing says nothing in another one.
    other = old_side(code(secret=b"t" * 16))
    assert other.receive(speaker().public, new.hello, NOW) is None


@pytest.mark.claim("C2")
def test_guessing_makes_a_code_void() -> None:
    old = old_side()
    guesses = [code(secret=bytes([number]) * 16) for number in range(MOST_GUESSES)]
    # Who does not know the secret does not even know how the pairing is called: those are passed over.
    for guess in guesses * 5:
        assert old.receive(speaker().public, new_side(guess).hello, NOW) is None
    # Who has seen the name on its way can count on five tries.
    hello = new_side().hello
    for number in range(1, MOST_GUESSES):
        assert old.receive(speaker().public, hello[:-1] + bytes([hello[-1] ^ number]), NOW) is None
    with pytest.raises(PairingFailed, match="guess"):
        old.receive(speaker().public, hello[:-1], NOW)
    with pytest.raises(PairingFailed, match="guess"):
        old.receive(speaker().public, new_side().hello, NOW)


@pytest.mark.claim("C2")
def test_the_digits_differ_when_somebody_with_the_code_stands_in_between() -> None:
    # The thief shows the new device a code of his own, and joins with the one that he has seen.
    theirs = replace(code(once=9), secret=b"t" * 16)
    old, new = old_side(), new_side(theirs)
    thief_as_old, thief_as_new = old_side(theirs, once=9), new_side(once=7)
    greeted(old, thief_as_new, once=7)
    greeted(thief_as_old, new)
    assert new.number != old.number


@pytest.mark.claim("C2")
def test_nobody_chooses_his_random_bytes_after_seeing_the_others() -> None:
    old, new = old_side(), new_side()
    who = speaker().public
    offer = old.receive(who, new.hello, NOW)
    assert offer is not None
    new.receive(offer, NOW)
    session = Session(code(), X25519Secret(seed(5)), code().public, X25519Secret(seed(5)).public, who)
    with pytest.raises(PairingFailed, match="committed"):
        old.receive(who, session.seal(Step.OPENING, seed(99)), NOW)


@pytest.mark.claim("C2")
def test_nothing_is_handed_over_before_the_new_device_has_agreed() -> None:
    old, new = old_side(), new_side()
    greeted(old, new)
    with pytest.raises(PairingFailed, match="agreed"):
        list(old.hand_over(b"everything", NOW))


@pytest.mark.claim("C2")
def test_the_new_device_takes_nothing_before_it_has_agreed() -> None:
    new = new_side()
    old = old_side()
    greeted(old, new)
    who = speaker().public
    session = Session(code(), X25519Secret(seed(3)), X25519Secret(seed(5)).public, new_public(), who)
    with pytest.raises(PairingFailed, match="did not wait"):
        new.receive(session.seal(Step.HANDOVER, b"my own master"), NOW)


def new_public() -> bytes:
    return X25519Secret(seed(5)).public


def test_a_device_that_says_it_is_somebody_elses_is_refused() -> None:
    stranger = key_schedule.attest(SecretKey.from_seed(seed(8)), SecretKey.from_seed(seed(9)).public)
    new = NewSide(code(), X25519Secret(seed(5)), speaker().public, seed(6), stranger, "phone", NOW)
    with pytest.raises(PairingFailed, match="does not say"):
        old_side().receive(speaker().public, new.hello, NOW)


def test_a_key_with_which_everybody_could_agree_is_no_key() -> None:
    with pytest.raises(InvalidMessage):
        new_side(replace(code(), public=bytes(32)))
    hello = bytearray(new_side().hello)
    hello[20:52] = bytes(32)
    old = old_side()
    assert old.receive(speaker().public, bytes(hello), NOW) is None
    assert old.speaker is None


def test_each_side_hears_that_the_other_has_stopped() -> None:
    old, new = old_side(), new_side()
    greeted(old, new)
    message = new.give_up("the digits differ")
    assert message is not None
    with pytest.raises(PairingFailed, match="the digits differ"):
        old.receive(speaker().public, message, NOW)
    old, new = old_side(), new_side()
    greeted(old, new)
    message = old.give_up("no\x1b[2J")
    assert message is not None
    with pytest.raises(PairingFailed) as told:
        new.receive(message, NOW)
    assert "\x1b" not in str(told.value)


@given(st.binary(max_size=200), st.integers(0, 11))
def test_no_bytes_do_harm(data: bytes, step: int) -> None:
    old, new = old_side(), new_side()
    greeted(old, new)
    payload = bytes((1, step)) + b"\0\1" + code().pairing + data
    for each in (data, payload):
        assert old.receive(speaker().public, each, NOW) is None
        assert new.receive(each, NOW) is None
    assert old.number == new.number


# --- what is handed over -----------------------------------------------------------------------------------


def handover() -> Handover:
    schedule = key_schedule.build(MASTER, [], NOW)
    return Handover(
        name="anna",
        person=MASTER.public,
        bootstrap=UserBootstrap((ServerUse(Usage(7), SERVER.key),)).text,
        papers=(schedule,),
        keys=(HandedKey(seed(1), "encryption", "", seed(2)), HandedKey(seed(3), "device", "phone", None)),
        followed=(Followed(SERVER.key, (seed(4),)),),
        servers=(SERVER,),
    )


def test_what_is_handed_over_can_be_read_and_shows_no_secret() -> None:
    whole = handover()
    assert Handover.parse(whole.encode()) == whole
    assert repr(seed(2)) not in repr(whole)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_handover_is_refused_or_read(place: int, value: int) -> None:
    data = bytearray(handover().encode())
    data[place % len(data)] = value
    with contextlib.suppress(InvalidMessage):
        Handover.parse(bytes(data))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"name": 1}', b"[" * 100_000])
def test_what_is_no_handover_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Handover.parse(data)
