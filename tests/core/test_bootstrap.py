from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, keys, secrets
from tests.core.test_url import hosts

from mosaic.core import bootstrap, dht_item
from mosaic.core.bootstrap import ServerBootstrap, ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import DhtItem, WritePlan, next_write, signed_bytes
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import InvalidBootstrap

KEYS = [SecretKey.from_seed(bytes([number]) * 32).public for number in range(20)]
ONE = KEYS[0].server_text
URL = ServerUrl.parse("mosaic://a.example")

uses = st.builds(ServerUse, st.integers(1, 7).map(Usage), keys)
urls = st.builds(ServerUrl, st.sampled_from(Scheme), hosts, st.integers(1, 65_535))


@pytest.mark.claim("C15", "C17")
@given(st.lists(uses, min_size=1, max_size=16))
def test_user_bootstraps_survive(entries: list[ServerUse]) -> None:
    made = UserBootstrap(tuple(entries))
    assert len(made.text.encode()) <= 983
    assert UserBootstrap.parse(made.text) == made
    assert UserBootstrap.read(made.text.encode()) == made
    assert bootstrap.read(made.text.encode()) == made
    assert all(line == line.rstrip() for line in made.text.split("\n"))


@pytest.mark.claim("C15", "C16")
@given(st.lists(urls, min_size=1, max_size=9))
def test_server_bootstraps_survive(listed: list[ServerUrl]) -> None:
    made = ServerBootstrap(tuple(listed))
    assert ServerBootstrap.parse(made.text) == made
    assert ServerBootstrap.read(made.text.encode()) == made
    assert bootstrap.read(made.publishable()) == made


@pytest.mark.claim("C17")
def test_the_digits_bits_are_outbox_inbox_encryption() -> None:
    text = "U\n" + "\n".join(f"{digit} {KEYS[digit].server_text}" for digit in range(1, 8))
    made = UserBootstrap.parse(text)
    assert made.servers(Usage.OUTBOX, 9) == (KEYS[1], KEYS[3], KEYS[5], KEYS[7])
    assert made.servers(Usage.INBOX, 9) == (KEYS[2], KEYS[3], KEYS[6], KEYS[7])
    assert made.servers(Usage.ENCRYPTION, 9) == (KEYS[4], KEYS[5], KEYS[6], KEYS[7])
    assert made.text == text


@pytest.mark.claim("C17", "C18")
def test_the_first_three_distinct_servers_of_a_role_are_used() -> None:
    first = ServerUse(Usage(1), KEYS[0])
    made = UserBootstrap((first, first, *(ServerUse(Usage(3), key) for key in KEYS[1:6])))
    assert made.outboxes == tuple(KEYS[:3])
    assert made.inboxes == tuple(KEYS[1:4])
    assert made.encryption == ()


@pytest.mark.claim("C17", "C22")
def test_server_keys_are_written_as_mosrv0_and_read_as_either() -> None:
    made = UserBootstrap.parse(f"U\n3 {KEYS[0].user_text}\n1 {KEYS[1].server_text}")
    assert made.text == f"U\n3 {KEYS[0].server_text}\n1 {KEYS[1].server_text}"


@pytest.mark.claim("C15", "C17")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "U",
        "U\n",
        "u\n1 " + ONE,
        "S\n1 " + ONE,
        "\nU\n1 " + ONE,
        "U\r\n1 " + ONE,
        f"U\n1 {ONE}\n",
        f"U\n1 {ONE}\r",
        f"U\n1 {ONE} ",
        f"U\n1 {ONE}\n\n1 {ONE}",
        f"U\n0 {ONE}",
        f"U\n8 {ONE}",
        f"U\n9 {ONE}",
        f"U\nA {ONE}",
        f"U\n  {ONE}",
        f"U\n1  {ONE}",
        f"U\n1\t{ONE}",
        f"U\n11 {ONE}",
        f"U\n{ONE}",
        f"U\né {ONE}",
        "U\n1",
        "U\n1 ",
        "U\n1 " + ONE[6:],
        "U\n1 " + ONE[:-1],
        "U\n1 mosec0" + ONE[6:],
        "U\n1 mosrv0" + "y" * 52,
        "U\n1 \ud800",
        "U" + f"\n1 {ONE}" * 17,
    ],
)
def test_the_strict_reader_wants_every_line(text: str) -> None:
    with pytest.raises(InvalidBootstrap):
        UserBootstrap.parse(text)


@pytest.mark.claim("C16")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "S",
        "S\n",
        "s\nmosaic://a.example",
        "U\nmosaic://a.example",
        "S\nmosaic://a.example\n",
        "S\nmosaic://a.example\r",
        "S\nmosaic://a.example ",
        "S\nmosaic://a.example\n\nmosaic://b.example",
        "S\nwss://a.example",
        "S\nmosaic://a.example/x",
        "S\nmosaic://a.example\nnot a url",
    ],
)
def test_the_strict_reader_of_servers(text: str) -> None:
    with pytest.raises(InvalidBootstrap):
        ServerBootstrap.parse(text)


def test_errors_name_the_line() -> None:
    with pytest.raises(InvalidBootstrap, match="line 3"):
        UserBootstrap.parse(f"U\n1 {ONE}\n0 {ONE}")


@pytest.mark.claim("C15")
def test_the_lenient_reader_skips_what_it_does_not_know() -> None:
    data = f"U\n9 new line\n1 {ONE}\n\n2 mosrv1other\n3 {KEYS[1].server_text}\n".encode()
    assert UserBootstrap.read(data).entries == (ServerUse(Usage(1), KEYS[0]), ServerUse(Usage(3), KEYS[1]))
    assert UserBootstrap.read(b"U").entries == ()
    assert ServerBootstrap.read(b"S\nmosaicnew://a\nmosaic://a.example").urls == (URL,)
    assert ServerBootstrap.read(b"S\n").urls == ()


@pytest.mark.claim("C15")
def test_the_lenient_reader_has_its_limits() -> None:
    assert UserBootstrap.read(b"U\n" + b"x" * 981).entries == ()
    for data in (b"U\n" + b"x" * 982, b"", b"X", b"U x\n", b"U\n\xff", b"\xef\xbb\xbfU\n"):
        with pytest.raises(InvalidBootstrap):
            bootstrap.read(data)
    with pytest.raises(InvalidBootstrap):
        UserBootstrap.read(b"S\nmosaic://a.example")


@given(
    st.one_of(st.binary(max_size=200), any_text.map(lambda text: ("U\n" + text).encode("utf-8", "replace")))
)
def test_any_bytes_are_a_bootstrap_or_refused(data: bytes) -> None:
    try:
        read = bootstrap.read(data)
    except InvalidBootstrap:
        return
    assert len(data) <= 983
    assert data[:1] in b"US"
    assert type(read)(read.urls if isinstance(read, ServerBootstrap) else read.entries) == read  # type: ignore[arg-type]


@given(any_text)
def test_any_text_is_refused_by_the_strict_readers(text: str) -> None:
    for parse in (UserBootstrap.parse, ServerBootstrap.parse):
        for candidate in (text, "U\n" + text, "S\n" + text):
            with pytest.raises(InvalidBootstrap):
                parse(candidate)


@pytest.mark.claim("C18")
@pytest.mark.parametrize(
    ("usages", "published"), [((1,), False), ((2, 4), False), ((1, 2), True), ((7,), True)]
)
def test_only_writers_need_an_outbox_and_an_inbox(usages: tuple[int, ...], published: bool) -> None:
    made = UserBootstrap(tuple(ServerUse(Usage(usage), KEYS[usage]) for usage in usages))
    assert UserBootstrap.parse(made.text) == made
    if published:
        assert made.publishable() == made.text.encode()
    else:
        with pytest.raises(InvalidBootstrap):
            made.publishable()


@pytest.mark.claim("C15", "C17")
def test_a_seventeenth_server_is_not_written() -> None:
    entries = tuple(ServerUse(Usage(3), key) for key in KEYS[:17])
    assert len(UserBootstrap(entries[:16]).publishable()) == 977
    with pytest.raises(InvalidBootstrap):
        UserBootstrap(entries).publishable()


@pytest.mark.claim("C16")
def test_as_many_urls_as_fit() -> None:
    many = [ServerUrl(Scheme.QUIC, f"server-{number}.example", 1320) for number in range(100)]
    made = ServerBootstrap.fitting(many)
    assert made.urls == tuple(many[: len(made.urls)])
    assert len(made.publishable()) <= 983
    with pytest.raises(InvalidBootstrap):
        _ = ServerBootstrap(tuple(many[: len(made.urls) + 1])).text
    with pytest.raises(InvalidBootstrap):
        ServerBootstrap.fitting([]).publishable()


@pytest.mark.claim("C15", "C16")
def test_983_bytes_are_used_to_the_last() -> None:
    longest = ServerUrl(Scheme.QUIC, ".".join(["a" * 60] * 4), 1320)
    rest = 983 - len("S") - 3 * len(f"\n{longest}") - len("\nmosaic:///")
    for length, fits in ((rest, True), (rest + 1, False)):
        last = ServerUrl(Scheme.QUIC, ".".join(["b" * 60] * 4)[:length], 1320)
        made = ServerBootstrap.fitting([longest] * 3 + [last])
        assert (len(made.urls) == 4) is fits
        assert not fits or len(made.publishable()) == 983


@pytest.mark.parametrize("usage", [0, 8, -1])
def test_usages_out_of_range(usage: int) -> None:
    with pytest.raises(InvalidBootstrap):
        ServerUse(usage, KEYS[0])  # type: ignore[arg-type]


# --- DHT items -----------------------------------------------------------------------------------


@pytest.mark.claim("C15")
@given(
    secrets,
    st.sampled_from([b"mub25", b"msb24"]),
    st.integers(1, 2**63 - 1),
    st.binary(max_size=983),
    st.data(),
)
def test_items_are_signed_by_the_key_alone(
    secret: SecretKey, salt: bytes, seq: int, value: bytes, data: st.DataObject
) -> None:
    item = DhtItem.sign(secret, salt, seq, value)
    text = b"4:salt5:" + salt + b"3:seqi" + b"%d" % seq + b"e1:v" + b"%d" % len(value) + b":" + value
    assert signed_bytes(salt, seq, value) == text
    assert item.signature == Ed25519PrivateKey.from_private_bytes(secret.reveal()).sign(text)
    assert item.verify()
    stranger = PublicKey(data.draw(keys).bytes)
    other_salt = b"msb24" if salt == b"mub25" else b"mub25"
    assert not DhtItem(item.key, other_salt, seq, value, item.signature).verify()
    assert not DhtItem(item.key, salt, seq - 1, value, item.signature).verify()
    assert stranger == item.key or not DhtItem(stranger, salt, seq, value, item.signature).verify()
    assert not DhtItem(item.key, salt, seq, value, bytes(64)).verify()


@pytest.mark.claim("C22")
def test_one_key_publishes_as_user_and_as_server() -> None:
    key = KEYS[0]
    assert UserBootstrap.salt != ServerBootstrap.salt
    assert dht_item.target(key, b"mub25") == hashlib.sha1(key.bytes + b"mub25").digest()
    assert dht_item.target(key, b"mub25") != dht_item.target(key, b"msb24")


def test_sequence_numbers_begin_at_1_and_rise() -> None:
    assert next_write(0) == WritePlan(cas=None, seq=1)
    assert next_write(1) == WritePlan(cas=1, seq=2)
    assert next_write(2**63 - 2) == WritePlan(cas=2**63 - 2, seq=2**63 - 1)
    for seq in (-1, 2**63 - 1):
        with pytest.raises(InvalidBootstrap):
            next_write(seq)


@pytest.mark.parametrize(
    ("salt", "seq", "value", "signature"),
    [
        (b"other", 1, b"", bytes(64)),
        (b"mub25", 2**63, b"", bytes(64)),
        (b"mub25", 1, bytes(984), bytes(64)),
        (b"mub25", 1, b"", bytes(63)),
    ],
)
def test_items_that_may_not_be(salt: bytes, seq: int, value: bytes, signature: bytes) -> None:
    with pytest.raises(InvalidBootstrap):
        DhtItem(KEYS[0], salt, seq, value, signature)
