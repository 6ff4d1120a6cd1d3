"""What a server counts: numbers that only grow, since it was started, and how long things took.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the buckets of durations, in seconds."""
_BOUNDS_NS: Final = tuple(int(bound * 1e9) for bound in BOUNDS_S)


@dataclass(slots=True)
class Durations:
    """How long something took, counted in buckets."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """How many took up to each bound, and more than the last one."""
    sum_ns: int = 0
    """All of them together, ns."""

    def note(self, duration_ns: int) -> None:
        """Counts one."""
        self.buckets[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        self.sum_ns += max(0, duration_ns)


@dataclass(slots=True)
class Metrics:
    """Counters since the server started."""

    links_opened: int = 0
    """Links that were let in."""
    links_refused: int = 0
    """Links that were turned away: banned, too many, or the server was stopping."""
    upgrades_refused: int = 0
    """Requests for WebSockets that were answered with a refusal."""
    keys_proven: int = 0
    """Clients that have proven a key by HELLO AUTH."""
    lookups: int = 0
    """Look-ups in the DHT that were begun for clients."""
    lookups_refused: int = 0
    """Look-ups that were not made: too many, or for no key."""
    records_offered: int = 0
    """Records that came, by whatever way."""
    records_stored: int = 0
    """Records that are new in the log."""
    records_duplicate: int = 0
    """Records that were there, or were superseded when they came."""
    records_refused: int = 0
    """Records that got any other answer than a success."""
    records_ephemeral: int = 0
    """Ephemeral records that were passed on."""
    records_removed: int = 0
    """Records that a new key schedule took out of what is served."""
    batches: int = 0
    """Writes to the log, each with one sync."""
    queries: int = 0
    """Questions that were begun: GET, QUERY and the stored part of SUBSCRIBE."""
    queries_refused: int = 0
    """Questions that were ended by a refusal."""
    records_sent: int = 0
    """Stored records that went out as answers."""
    subscriptions_opened: int = 0
    """Subscriptions that began."""
    subscriptions_cut: int = 0
    """Subscriptions that the server ended: a slow reader, lost rights, a store that failed."""
    deliveries: int = 0
    """New records handed to subscriptions, counted once for each."""
    blobs_stored: int = 0
    """Blobs that were taken."""
    blobs_refused: int = 0
    """Blobs that were not taken, those that were here already among them."""
    blobs_sent: int = 0
    """Blobs that went out."""
    syncs: int = 0
    """Comparisons of sets that were begun."""
    syncs_refused: int = 0
    """Comparisons that the server ended, or did not begin."""
    protocol_errors: int = 0
    """Sessions that ended because the peer broke the protocol, or did not greet in time."""
    write_failures: int = 0
    """Writes to the log that failed."""

    results: list[int] = field(default_factory=lambda: [0] * 256)
    """Answers to submissions by result code."""
    query_time: Durations = field(default_factory=Durations)
    """From a question to the last of its stored records."""
    batch_time: Durations = field(default_factory=Durations)
    """From taking a batch of submissions to its answers."""

    def as_dict(self) -> dict[str, int]:
        """All plain numbers by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, int)}


@cache
def described() -> Mapping[str, str]:
    """What each number counts, by its name: the text below it in this module."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(Metrics))).body
    assert isinstance(tree, ast.ClassDef)
    told = {}
    for named, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(named, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(named.target, ast.Name)
            assert isinstance(text.value, ast.Constant)
            told[named.target.id] = str(text.value.value)
    return told
