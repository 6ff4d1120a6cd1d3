"""How often one key may be asked about."""

from __future__ import annotations

from mosaic.dht.pace import FORGOTTEN_S, SECOND, Pace
from mosaic.testing.clock import START_NS


def pauses(pace: Pace, count: int) -> list[int]:
    """The pauses of somebody who asks again as soon as he may, in seconds."""
    now_ns, found = START_NS, []
    for _ in range(count):
        pace.note(now_ns)
        found.append((pace.next_ns() - now_ns) // SECOND)
        now_ns = pace.next_ns()
    return found


def test_at_once_then_short_growing_pauses() -> None:
    assert Pace().next_ns() == 0
    assert pauses(Pace(), 7) == [1, 2, 4, 5, 5, 5, 5]


def test_whoever_stays_away_costs_ever_less() -> None:
    found = pauses(Pace(), 400)
    assert found == sorted(found)
    assert found[-1] == 300
    assert found.count(5) * 5 in range(285, 306)
    assert found.count(30) * 30 in range(3_240, 3_331)


def test_news_and_a_long_rest_begin_a_new_row() -> None:
    pace = Pace()
    pauses(pace, 10)
    pace.start_over()
    assert pace.next_ns() == 0
    assert pauses(pace, 3) == [1, 2, 4]
    later_ns = pace.next_ns() + FORGOTTEN_S * SECOND
    pace.note(later_ns)
    assert pace.next_ns() - later_ns == SECOND
