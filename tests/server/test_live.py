from __future__ import annotations

from mosaic.server.live import Live


def test_who_watches_is_told_of_each_later_value_and_sees_it_as_the_current_one() -> None:
    live = Live(1)
    seen: list[tuple[str, int, int]] = []
    live.watch(lambda new: seen.append(("first", new, live.current)))
    live.watch(lambda new: seen.append(("second", new, live.current)))
    assert seen == []
    live.replace(2)
    assert seen == [("first", 2, 2), ("second", 2, 2)]
