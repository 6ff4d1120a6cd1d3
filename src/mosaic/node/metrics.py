"""What programs that watch a server are told: numbers, in the text form of Prometheus.

One row of `METRICS` for each; its reader is called when somebody asks. What
the server counts while it works stands in `mosaic.server.metrics`. No label
holds a key or an address: numbers are for graphs, not for watching people.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from mosaic import __version__
from mosaic.core.timestamp import LEAP_TABLE, Timestamp
from mosaic.server.metrics import BOUNDS_S, Durations, described
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

_LOG = logging.getLogger(__name__)
_PREFIX: Final = "mosaic_"
_BYTES: Final = {"bytes_in": "in", "bytes_out": "out"}
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""What the text is, for HTTP."""

Rows = Iterable[tuple[tuple[str, ...], float]]
"""Values with the texts of their labels."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number, or several that differ by their labels.

    Args:
        name: Without the prefix; counters without `_total`.
        kind: How it behaves: counters only grow.
        help: What it is.
        read: Gives the values.
        labels: The names of the labels.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    read: Callable[[Node], Rows]
    labels: tuple[str, ...] = ()


def _one(read: Callable[[Node], float]) -> Callable[[Node], Rows]:
    return lambda node: [((), read(node))]


def _count(name: str) -> Row:
    """A plain number of the server."""
    return Row(name, "counter", described()[name], _one(lambda node: getattr(node.server.metrics, name)))


def _store(name: str, key: str, told: str) -> Row:
    return Row(name, "gauge", told, _one(lambda node: node.store.stats().get(key, 0)))


def _results(node: Node) -> Rows:
    counts = node.server.metrics.results
    return [((code.name,), counts[code]) for code in ResultCode if counts[code]]


def _kinds(node: Node) -> Rows:
    return [((name,), count) for name, count in sorted(node.kind_counts.counts.items())]


def _free(node: Node) -> float:
    return shutil.disk_usage(node.home.folder).free


def _disk(node: Node) -> float:
    return shutil.disk_usage(node.home.folder).total


def _since_begin_s(node: Node) -> float:
    operating = node.operating
    return 0.0 if operating is None else (node.clock.now_ns() - operating.begun_ns) / 1e9


def _clock_left_s(node: Node) -> float:
    return LEAP_TABLE.expires - Timestamp(node.clock.now_ns()).to_unix()[0]


def _published_age_s(node: Node) -> Rows:
    times = (node.dht.published_ns, node.kept_items.oldest_ns)
    published_ns = min((each for each in times if each), default=0)
    return [((), (node.clock.now_ns() - published_ns) / 1e9)] if published_ns else []


def _backup_age_s(node: Node) -> Rows:
    if not node.settings.backup.folder:
        return []
    age_s = node.backups.age_s()
    if age_s is None:
        # None could be made yet: an alert that looks at the age must hear of that as well.
        age_s = max(0.0, time.time() - node.home.version_file.stat().st_mtime)
    return [((), age_s)]


def _door(node: Node) -> Rows:
    told = node.server.door
    return [((what,), count) for what, count in told.items() if what not in {"half_open", *_BYTES}]


def _traffic(node: Node) -> Rows:
    told = node.server.door
    return [((direction,), told.get(name, 0)) for name, direction in _BYTES.items()]


def _settings_wrong(node: Node) -> float:
    return bool(node.operating and node.operating.reload.fault)


METRICS: Final[tuple[Row, ...]] = (
    *(_count(name) for name in described() if name not in {"results", "query_time", "batch_time"}),
    Row("submissions", "counter", "Answers to submissions by their result.", _results, ("result",)),
    Row("records_by_kind", "counter", "New records by their kind; rare ones are `other`.", _kinds, ("kind",)),
    Row("door", "counter", "What became of connections before they were links.", _door, ("what",)),
    Row("traffic_bytes", "counter", "Bytes that came and went over all links.", _traffic, ("direction",)),
    Row("half_open", "gauge", "Handshakes under way.", _one(lambda n: n.server.door.get("half_open", 0))),
    Row("links", "gauge", "Links that are open.", _one(lambda node: node.server.links)),
    Row(
        "subscriptions", "gauge", "Subscriptions that are open.", _one(lambda node: node.server.subscriptions)
    ),
    _store("store_records", "records", "Records that are served."),
    _store("store_log_bytes", "log_bytes", "Bytes of the log on disk."),
    _store("store_live_bytes", "live_bytes", "Bytes of the log that are still served."),
    _store("store_index_bytes", "index_bytes", "Bytes of the index on disk."),
    _store("store_segments", "segments", "Files of the log."),
    Row("blobs", "gauge", "Blobs that are kept.", _one(lambda node: node.ledger.total().blobs)),
    Row("blob_bytes", "gauge", "Bytes of blobs on disk.", _one(lambda node: node.ledger.total().bytes)),
    Row("disk_free_bytes", "gauge", "Bytes that are free where the home is.", _one(_free)),
    Row("disk_bytes", "gauge", "Bytes of the disk where the home is.", _one(_disk)),
    Row("bans", "gauge", "Bans that there are.", _one(lambda node: len(node.server.bans))),
    Row("people", "gauge", "People who live in the home.", _one(lambda node: len(node.people))),
    Row(
        "deliveries_waiting",
        "gauge",
        "Deliveries to other servers that wait.",
        _one(lambda n: n.queue.waiting),
    ),
    Row(
        "letters_waiting",
        "gauge",
        "Records that wait for a server of their recipient to be found.",
        _one(lambda node: node.unaddressed.waiting()),
    ),
    Row(
        "dht_publish_age_seconds",
        "gauge",
        "How long ago the oldest of the own bootstraps, and of those kept for people served, was published.",
        _published_age_s,
    ),
    Row(
        "leap_table_left_seconds",
        "gauge",
        "How long the table of leap seconds still holds.",
        _one(_clock_left_s),
    ),
    Row(
        "backup_age_seconds",
        "gauge",
        "How old the newest backup is that the node made; where there is none yet, how old the home is.",
        _backup_age_s,
    ),
    Row("settings_wrong", "gauge", "1 while the settings' file has faults, else 0.", _one(_settings_wrong)),
    Row("uptime_seconds", "gauge", "How long the node has been at work.", _one(_since_begin_s)),
    Row(
        "build_info",
        "gauge",
        "Always 1; the label says which version runs.",
        lambda _: [((__version__,), 1)],
        ("version",),
    ),
)
"""All numbers but durations and those of the process itself."""

DURATIONS: Final[tuple[tuple[str, str, Callable[[Node], Durations]], ...]] = (
    ("query_seconds", described()["query_time"], lambda node: node.server.metrics.query_time),
    ("batch_seconds", described()["batch_time"], lambda node: node.server.metrics.batch_time),
)
"""Histograms: name, help, reader."""


class Watched(Collector):
    """A node's numbers as Prometheus' library wants them.

    Args:
        node: Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Reads all of them. One that can't be read is left out."""
        for row in METRICS:
            family = (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(
                _PREFIX + row.name, row.help, labels=row.labels
            )
            try:
                for labels, value in row.read(self._node):
                    family.add_metric(labels, value)
            except Exception:  # noqa: BLE001 - the others are told all the same
                _LOG.exception("the metric %s could not be read", row.name)
                continue
            yield family
        for name, told, read in DURATIONS:
            yield _histogram(name, told, read(self._node))


class Metrics:
    """The text of all metrics of a node.

    Args:
        node: Whose.
    """

    def __init__(self, node: Node) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Watched(node))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """As it is now."""
        return generate_latest(self._registry)


def _histogram(name: str, told: str, durations: Durations) -> HistogramMetricFamily:
    family = HistogramMetricFamily(_PREFIX + name, told)
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), durations.buckets, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric((), buckets, durations.sum_ns / 1e9)
    return family
