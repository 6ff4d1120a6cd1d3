"""What the network test found, for people and for programs.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field

from mosaic.node.control import JsonObject


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happened, and how long readers felt it.

    Args:
        name: What it is called.
        what: What happened, in words.
        authors: How many people wrote something that readers might lack then.
        readers: How many people follow one of them.
        pairs: How many readers of an author that makes.
        seconds: When each reader was whole again, since it happened (seconds, rising).
        failed: How many readers of an author were not whole in time.
        link_bytes: What passed between people and servers meanwhile.
        dht_bytes: What passed between them and the DHT.
        told_s: When each of those whose server failed was told so, since it happened (seconds, rising).
        to_tell: How many people should have been told.
        felt: How often it showed, where that is counted: lies told, or readers who lacked something or saw
            what they should not. One that never showed proves nothing.
    """

    name: str
    what: str
    authors: int
    readers: int
    pairs: int
    seconds: tuple[float, ...]
    failed: int
    link_bytes: int
    dht_bytes: int
    told_s: tuple[float, ...] = ()
    to_tell: int = 0
    felt: int | None = None

    @property
    def median_s(self) -> float:
        """Until half of the readers were whole, in seconds."""
        return statistics.median(self.seconds) if self.seconds else 0.0

    @property
    def most_s(self) -> float:
        """Until the last reader was whole, in seconds."""
        return max(self.seconds, default=0.0)

    @property
    def told(self) -> int:
        """How many people were told."""
        return len(self.told_s)

    @property
    def line(self) -> str:
        """For people."""
        failed = f", {self.failed} NOT WHOLE" if self.failed else ""
        told = ""
        if self.to_tell:
            told = f", {self.told} of {self.to_tell} told within {max(self.told_s, default=0.0):.0f} s"
        felt = "" if self.felt is None else f", felt {self.felt} times" if self.felt else ", NEVER FELT"
        return (
            f"{self.name:28} median {self.median_s:6.1f} s  max {self.most_s:6.1f} s  "
            f"links {self.link_bytes / 1_000:8.0f} kB  DHT {self.dht_bytes / 1_000:7.0f} kB  "
            f"({self.authors} authors, {self.readers} readers{felt}{told}{failed})"
        )


@dataclass(slots=True)
class Report:
    """All of a trial.

    Args:
        how: Where it ran.
        seed: What decided its chance.
    """

    how: str
    seed: int
    faults: list[Fault] = field(default_factory=list)
    pairs: int = 0
    """Readers of an author that were looked at in the end."""
    records: int = 0
    """Records that these should see."""
    missing: int = 0
    """Of these, how many they did not see."""
    wrong: int = 0
    """Records that they saw and should not have (forged, revoked or deleted), or that a home has kept though
    nobody signed them who may."""
    homes: int = 0
    """Homes that were searched for forged and revoked records."""
    lies: int = 0
    """Records that servers left out, changed or made up."""
    forgeries: int = 0
    """Records that were signed by stolen or invented keys."""
    repeated: int = 0
    """How often somebody had to say again that he uses another server, since nobody was reached."""
    unseen: list[str] = field(default_factory=list)
    """What went wrong in a node without anybody being told."""
    trace: str = ""
    """Stands for all that happened, where that is exact."""
    more: JsonObject = field(default_factory=dict)
    """What else was measured."""

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        late = sum(fault.failed for fault in self.faults)
        untold = sum(fault.to_tell - fault.told for fault in self.faults)
        unfelt = any(fault.felt == 0 for fault in self.faults)
        bad = late or untold or unfelt or self.missing or self.wrong or self.unseen
        return not bad and self.pairs > 0

    @property
    def last_line(self) -> str:
        """The verdict, with the counts."""
        late = sum(fault.failed for fault in self.faults)
        told = sum(fault.told for fault in self.faults)
        to_tell = sum(fault.to_tell for fault in self.faults)
        return (
            f"{'passed' if self.passed else 'failed'}: {len(self.faults)} faults; "
            f"{self.records - self.missing} of {self.records} records at {self.pairs} readers, "
            f"{self.missing} missing, {self.wrong} accepted that were forged, revoked or deleted, "
            f"{late} readers late, {told} of {to_tell} told, {len(self.unseen)} errors unseen"
        )

    def as_object(self) -> JsonObject:
        """For programs."""
        return {
            "how": self.how,
            "seed": self.seed,
            "passed": self.passed,
            "verdict": self.last_line,
            "trace": self.trace,
            "records": self.records,
            "missing": self.missing,
            "wrong": self.wrong,
            "homes": self.homes,
            "lies": self.lies,
            "forgeries": self.forgeries,
            "repeated": self.repeated,
            "unseen": list(self.unseen),
            "faults": [
                {
                    **{name: value for name, value in asdict(fault).items() if not isinstance(value, tuple)},
                    "median_s": round(fault.median_s, 3),
                    "max_s": round(fault.most_s, 3),
                    "told": fault.told,
                    "told_max_s": round(max(fault.told_s, default=0.0), 3),
                }
                for fault in self.faults
            ],
            **self.more,
        }
