"""No error shows a secret that was given in the wrong place."""

from __future__ import annotations

import pytest

from mosaic.core.keys import SecretKey
from mosaic.errors import Refused, UnknownPerson, UsageError
from mosaic.errors.hiding import HIDDEN, hidden, holds_secret_key

KEY = SecretKey.from_seed(bytes(range(32)))
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"nobody called '{KEY.text}' lives here", f"nobody called '{HIDDEN}' lives here"),
        (KEY.text.upper(), HIDDEN),
        (f"x{KEY.text[:20]}", f"x{HIDDEN}"),
        (f"({NSEC})", f"({HIDDEN})"),
        (NSEC.upper(), HIDDEN),
        ("ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw", HIDDEN),
        ("mocryptsec0yyyy", HIDDEN),
        ("http://127.0.0.1:80/?token=abc123&x=1", f"http://127.0.0.1:80/?token={HIDDEN}&x=1"),
        ("mosaic:mopub0abc?pair=yyyyyy&at=b", f"mosaic:mopub0abc?pair={HIDDEN}&at=b"),
        ("socks5://me:secret@h:1", f"socks5://{HIDDEN}@h:1"),
        ("the key begins with mocryptsec0.", "the key begins with mocryptsec0."),
        ("give nsec1… or mosec0…", "give nsec1… or mosec0…"),
        (KEY.public.user_text, KEY.public.user_text),
        ("mopub0" + "nsec1abc" * 6, "mopub0" + "nsec1abc" * 6),
        ("", ""),
    ],
)
def test_what_is_secret_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert hidden(text) == shown


@pytest.mark.claim("C11")
def test_errors_of_all_kinds_hide_what_they_were_given() -> None:
    told = UsageError(f"{KEY.text} is no key", hint=f"Say it without {NSEC}.")
    assert (str(told), told.hint) == (f"{HIDDEN} is no key", f"Say it without {HIDDEN}.")
    assert KEY.text not in str(Refused(f"refused: {KEY.text}", result=1))
    assert str(UnknownPerson()) == UnknownPerson.summary()


@pytest.mark.parametrize("text", [KEY.text, f"here: {NSEC}.", KEY.text.upper()])
def test_whole_secret_keys_are_seen_in_what_is_to_be_published(text: str) -> None:
    assert holds_secret_key(text)


@pytest.mark.parametrize("text", [KEY.public.user_text, "mosec0…", KEY.text[:-1], NSEC[:-1], "x" + NSEC, ""])
def test_other_texts_may_be_published(text: str) -> None:
    assert not holds_secret_key(text)
