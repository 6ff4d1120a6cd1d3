"""What a new key schedule does to what is stored of its author.

Records of keys that it does not list, or that a revocation makes invalid, go.
What remains is all verified, so that of each replaceable address only the
greatest (timestamp, id) stays, whoever signed it.

Source: edition §3 (who may sign, revocation).
"""

from __future__ import annotations

from collections.abc import Collection

from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule, Verdict
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.store.store import Store, all_of


def settle(
    store: Store,
    schedule: KeySchedule,
    former: KeySchedule | None = None,
    vouched: Collection[bytes] = (),
) -> int:
    """Judges the stored records of a schedule's author anew; how many were removed.

    What was taken under the same revocation of its signer as before stays: an
    outbox of the author may have had it in time, though it came here later.
    Belongs to the writer: nothing may be written meanwhile.

    Args:
        store: Where they are.
        schedule: What will hold.
        former: What has held until now, if anything.
        vouched: Ids (48 bytes each) that count as received in time.

    Raises:
        StoreError: the store failed.
    """
    doomed: list[int] = []
    settled: set[bytes] = set()
    scan = store.scan(Filter.of(authors=[schedule.master]).compiled)
    for position, received_ns, data in all_of(scan):
        in_time = data[:48] in vouched
        if not _is_valid(Record(data), 0 if in_time else received_ns, schedule, former):
            doomed.append(position)
        elif data[63] & 3 == Duplicates.REPLACEABLE:
            # Newest first: whoever comes second to an address has been replaced.
            address = data[48:96]
            if address in settled:
                doomed.append(position)
            settled.add(address)
    return store.remove(doomed) if doomed else 0


def _is_valid(record: Record, received_ns: int, schedule: KeySchedule, former: KeySchedule | None) -> bool:
    if schedule.judge(record, received_ns) is Verdict.VALID:
        return True
    since = schedule.revoked_past(record.signer)
    return since is not None and former is not None and former.revoked_past(record.signer) == since
