"""An exam for any Mosaic server, over the wire alone: named checks, each of one rule of the protocol.

`mosaic test-server` runs it. A check knows nothing of the server but what the
protocol lets it see; it uses keys and kinds of its own, so that checks run
side by side and leave nothing behind that another would meet.
"""

from mosaic.testing.exam.check import Check, Deviation, Finding, Need, Outcome, Unsettled, Who, check
from mosaic.testing.exam.examine import all_checks, chosen, examine
from mosaic.testing.exam.stage import Examinee, Stage

__all__ = [
    "Check",
    "Deviation",
    "Examinee",
    "Finding",
    "Need",
    "Outcome",
    "Stage",
    "Unsettled",
    "Who",
    "all_checks",
    "check",
    "chosen",
    "examine",
]
