"""Two rules of an operator's own: one about records, one about who is served.

[policy]
hooks = ["policy_rule:no_long_records_at_night"]

[serves]
who = "hook"
hook = "policy_rule:is_a_member"
"""

from pathlib import Path

from mosaic.core.keys import PublicKey
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

MEMBERS = Path("members.txt")


def no_long_records_at_night(submission: Submission) -> Verdict:
    """Asked after the roles: may refuse what they accept, or narrow who reads it, and nothing else."""
    hour = int.from_bytes(submission.record[:8], "big") // 3_600_000_000_000 % 24
    if len(submission.record) > 100_000 and hour < 6:
        return Refuse(ResultCode.TOO_LARGE, "long records are taken from six on")
    return ACCEPT


def is_a_member(key: bytes) -> bool:
    """Whether a master key (32 bytes) is served; asked once a minute for each key."""
    return PublicKey(key).user_text in MEMBERS.read_text(encoding="utf-8").split()
