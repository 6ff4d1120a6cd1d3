"""Only what a server says to have taken counts as sent; all else is told with its reason and the next try."""

from __future__ import annotations

import dataclasses

import pytest

from mosaic.client.address import ServerAddress
from mosaic.client.queue import Delivery, State
from mosaic.core.keys import SecretKey
from mosaic.node import sent
from mosaic.node.sent import Reached
from mosaic.wire.result_code import ResultCode

THERE = Delivery(
    number=1,
    record=b"",
    sender=b"",
    server=ServerAddress(SecretKey.from_seed(bytes([1]) * 32).public, ()),
    state=State.DELIVERED,
    result=ResultCode.ACCEPTED,
    attempts=1,
    next_try_ns=100,
    queued_ns=100,
    note="",
)
FRESH = dataclasses.replace(THERE, state=State.QUEUED, result=None, attempts=0)
HELD = dataclasses.replace(FRESH, next_try_ns=200)
NOT_REACHED = dataclasses.replace(HELD, attempts=2)
TOO_FAST = dataclasses.replace(NOT_REACHED, result=ResultCode.TOO_FAST)
BANNED = dataclasses.replace(THERE, state=State.REFUSED, result=ResultCode.PUBKEY_PERM_BANNED)
GIVEN_UP = dataclasses.replace(BANNED, result=None)


def at(ns: int) -> str:
    return f"{ns} ns"


@pytest.mark.claim("C82")
@pytest.mark.parametrize(
    ("deliveries", "unreached", "reached", "words"),
    [
        ([], 0, Reached.NOWHERE_ELSE, ""),
        ([FRESH], 0, Reached.SOME, "queued for 1 server"),
        ([FRESH] * 3, 0, Reached.SOME, "queued for 3 servers"),
        ([THERE, FRESH, FRESH], 0, Reached.SOME, "1 of 3 servers has it; 2 queued"),
        (
            [THERE, THERE, TOO_FAST],
            0,
            Reached.SOME,
            "2 of 3 servers have it; 1 failed (TOO_FAST), next try at 200 ns",
        ),
        (
            [NOT_REACHED, NOT_REACHED, HELD],
            0,
            Reached.SOME,
            (
                "0 of 3 servers have it; 2 failed (not reached), next try at 200 ns;"
                " 1 waiting, next try at 200 ns"
            ),
        ),
        (
            [THERE, THERE, BANNED],
            0,
            Reached.REFUSED,
            "2 of 3 servers have it; 1 refused it (PUBKEY_PERM_BANNED)",
        ),
        ([GIVEN_UP], 0, Reached.REFUSED, "the server does not have it; 1 given up (not reached)"),
        ([THERE], 0, Reached.ALL, "the server has it"),
        ([THERE] * 2, 0, Reached.ALL, "both servers have it"),
        ([THERE] * 3, 0, Reached.ALL, "all 3 servers have it"),
        (
            [THERE] * 3,
            1,
            Reached.SOME,
            "all 3 servers have it; no server is known yet of one whom it is for",
        ),
        ([], 2, Reached.SOME, "no server is known yet of 2 whom it is for"),
    ],
)
def test_how_far_a_record_has_come(
    deliveries: list[Delivery], unreached: int, reached: Reached, words: str
) -> None:
    assert sent.reached(deliveries, unreached) is reached
    assert sent.words(deliveries, at, unreached) == words


@pytest.mark.parametrize(
    ("delivery", "words"),
    [
        (THERE, "delivered"),
        (FRESH, "queued"),
        (TOO_FAST, "queued: failed (TOO_FAST), next try at 200 ns"),
        (NOT_REACHED, "queued: failed (not reached), next try at 200 ns"),
        (BANNED, "refused it (PUBKEY_PERM_BANNED)"),
        (GIVEN_UP, "given up (not reached)"),
    ],
)
def test_how_it_stands_towards_one_server(delivery: Delivery, words: str) -> None:
    assert sent.of_one(delivery, at) == words
