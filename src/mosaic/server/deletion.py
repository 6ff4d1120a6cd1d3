"""Which Deletions count, judged by the key schedule of whoever made them.

One that counts is marked in the store, which removes what it names and refuses
it as long as the Deletion stands. One by a key that nobody can verify yet is
kept without a mark; when the schedule comes it is marked, or goes.

Going out of use later lifts nothing. A revocation that makes the Deletion
itself invalid does: the Deletion goes, and what it removed may come again.

Source: edition §4 (Deletion), §3 (who may sign, revocation).
"""

from __future__ import annotations

from mosaic.core import deletion
from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.record import Record
from mosaic.store.store import Store, all_of


def is_deletion(record: bytes) -> bool:
    """Whether a record is a Deletion or a Private Deletion."""
    return record[56:64] in deletion.KINDS


def counts(record: Record, schedule: KeySchedule | None) -> bool:
    """Whether a Deletion that may be stored removes what it names.

    Its signer is the master; or an active key; or one out of use that was in
    use when the Deletion was made, or one whose revocation left it valid.
    Without the author's schedule nobody can say so of any key but the master.

    Args:
        record: A Deletion that the schedule does not make invalid.
        schedule: The author's, if it is held.
    """
    if record.signer_bytes == record.author_bytes:
        return True
    return schedule is not None and schedule.was_in_use(record.signer, record.timestamp)


def settle_deletions(store: Store, schedule: KeySchedule, former: KeySchedule | None) -> int:
    """Lets Deletions count that a new schedule verifies; how many.

    Belongs to the writer, behind `schedule_change.settle`, which has removed
    those that it makes invalid.

    Args:
        store: Where they are.
        schedule: What will hold.
        former: What has held until now, if anything: what counted by it is marked already.

    Raises:
        StoreError: the store failed.
    """
    wanted = Filter.of(authors=[schedule.master], kinds=[DELETION, PRIVATE_DELETION])
    scan = store.scan(wanted.compiled)
    verified: list[int] = []
    for position, _, data in all_of(scan):
        record = Record(data)
        if counts(record, schedule) and not counts(record, former):
            verified.append(position)
    if verified:
        labels = store.labels(verified)
        for label in set(labels):
            each = [position for position, its in zip(verified, labels, strict=True) if its == label]
            store.readmit(each, label, deletes=True)
    return len(verified)
