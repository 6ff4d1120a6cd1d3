"""Whose records are checked next: people served and their contacts, then strangers, last who is untried.

Each kind of bearer waits in a lane of its own, and of each batch only a part
goes to the later lanes, so that what an honest person sends waits for one
short batch at most, however much has come from others.

Source: this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.policy.submission import Way
from mosaic.server.batch import Batch, Bearer, Run

_FIRST: Final = 0
_OTHERS: Final = 1
_LAST: Final = 2
_OTHERS_ALONE: Final = 1_024
_LAST_ALONE: Final = 128
"""Records of a batch for these lanes where nobody waits in an earlier one: somebody may come meanwhile."""
_OTHERS_BESIDE: Final = 256
_LAST_BESIDE: Final = 32
"""And where somebody does."""
_ON_TRIAL: Final = 8
"""Records of a batch from one bearer of the last lane."""


class Lanes:
    """Records that wait to be checked, by who brings them. Belongs to the thread of the event loop."""

    __slots__ = ("_lanes",)

    def __init__(self) -> None:
        self._lanes: tuple[dict[Bearer, list[bytes]], ...] = ({}, {}, {})

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return any(self._lanes)

    def add(self, bearer: Bearer, records: list[bytes]) -> None:
        """More of a bearer; behind what waits of him already."""
        for lane in self._lanes:
            waiting = lane.get(bearer)
            if waiting is not None:
                waiting += records
                return
        self._lanes[_lane(bearer)][bearer] = records

    def clear(self) -> Iterator[tuple[Bearer, list[bytes]]]:
        """Empties the lanes; what was in them."""
        for lane in self._lanes:
            yield from list(lane.items())
            lane.clear()

    def tidy(self) -> int:
        """Drops what nobody waits for any more (its bytes are told), and moves whose lane has changed."""
        dropped = 0
        for number, lane in enumerate(self._lanes):
            for bearer in [bearer for bearer in lane if bearer.gone or _lane(bearer) != number]:
                records = lane.pop(bearer)
                if bearer.gone:
                    dropped += sum(map(len, records))
                else:
                    self._lanes[_lane(bearer)][bearer] = records
        return dropped

    def take(self, most: int) -> Batch:
        """The next batch of up to `most` records: a fair part for each bearer, and for each lane its part."""
        batch = Batch([], [])
        first, others, last = self._lanes
        _fill(batch, first, most, most)
        beside = bool(batch.records)
        room = most - len(batch.records)
        _fill(batch, others, min(room, _OTHERS_BESIDE if beside else _OTHERS_ALONE), most)
        room = most - len(batch.records)
        _fill(batch, last, min(room, _LAST_BESIDE if batch.records else _LAST_ALONE), _ON_TRIAL)
        return batch


def _lane(bearer: Bearer) -> int:
    if bearer.way is not Way.LINK:
        return _FIRST if bearer.way is Way.OWNER else _OTHERS
    if bearer.suspect:
        return _LAST
    if bearer.favoured:
        return _FIRST
    return _OTHERS if bearer.tried else _LAST


def _fill(batch: Batch, lane: dict[Bearer, list[bytes]], room: int, most_each: int) -> None:
    """Moves up to `room` records of a lane to a batch; who got none or not all stands first the next time."""
    if not lane or room <= 0:
        return
    share = most_each
    if sum(map(len, lane.values())) > room:
        share = min(most_each, max(1, room // len(lane)))
    records, runs = batch.records, batch.runs
    end = len(records) + room
    served: list[tuple[Bearer, list[bytes]]] = []
    for bearer in list(lane):
        here = min(share, end - len(records))
        if here <= 0:
            break
        arrived = lane.pop(bearer)
        begin = len(records)
        records += arrived[:here]
        runs.append(Run(bearer, begin, len(records)))
        if len(arrived) > here:
            served.append((bearer, arrived[here:]))
    # Behind those whose turn it was not.
    lane.update(served)
