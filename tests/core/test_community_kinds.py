"""The kinds of the community application: their flag bytes are those of the edition's table."""

from __future__ import annotations

from mosaic.core import community_kinds as community
from mosaic.core import kinds
from mosaic.core.kind import Kind

FLAGS = {
    0x0C: {1, 8, 24, 27},
    0x0E: {2, 3, 5, 10, 11, 12, 13, 16, 19, 20, 26},
    0x02: {2, 3, 4, 5, 15, 31},
    0x04: {6, 14, 22},
    0x14: {21},
    0x00: {23, 28},
    0x1C: {9, 18},
    0x1E: {7},
    0x0D: {17},
    0x1D: {25},
    0x01: {29},
    0x05: {30},
}


def test_every_kind_has_the_flags_of_the_table() -> None:
    wanted = {
        Kind(bytes.fromhex("def0843a") + number.to_bytes(2, "big") + bytes((0, flags)))
        for flags, numbers in FLAGS.items()
        for number in numbers
    }
    assert set(community.NAMES) == wanted
    assert {value for value in vars(community).values() if isinstance(value, Kind)} == wanted


def test_they_have_names_for_people() -> None:
    assert kinds.name(community.SERVER_ACT) == "Server Act"
    assert kinds.name(kinds.KEY_SCHEDULE) == "Key Schedule"
    assert kinds.name(Kind(bytes.fromhex("def0843a00630000"))) == "kind 99 of application 3740304442"
