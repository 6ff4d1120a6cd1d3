"""What becomes of a record that was checked: the rules of the protocol, then the policy.

In this order: it is a valid record; it is not too far in the future; its
signer may sign for its author; FROM_AUTHOR; key schedules and profiles are the
master's; ephemeral records are in time and new; the policy's hooks; how it
stands to others at its address, and whether a Deletion counts.

Source: edition §3 (records, who may sign, replaceable, ephemeral, FROM_AUTHOR).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mosaic.core import deletion, key_schedule, validation
from mosaic.core.community_kinds import VOUCH
from mosaic.core.key_schedule import Verdict
from mosaic.core.kind import Duplicates
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import FLAG_FROM_AUTHOR, Record
from mosaic.errors import InvalidKeySchedule, RecordHash, RecordSignature
from mosaic.policy.access import is_open
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, both, decide
from mosaic.server.authority import Authority, Signer
from mosaic.server.batch import Batch, Bearer, Segment
from mosaic.server.deletion import counts
from mosaic.server.ephemeral import EphemeralMemory
from mosaic.server.live import Live
from mosaic.server.settings import ServerSettings
from mosaic.store.store import DELETES, Mode, Store
from mosaic.wire.result_code import ResultCode, for_error

_KEY_SCHEDULE: Final = KEY_SCHEDULE.bytes
_MASTERS_OWN: Final = frozenset({KEY_SCHEDULE.bytes, PROFILE.bytes})
_CONSEQUENCES: Final = frozenset({KEY_SCHEDULE.bytes, VOUCH.bytes})
"""What decides about the records behind it, which are judged once it is written."""
_KEEP_ALL: Final = int(Mode.KEEP_ALL)
_EPHEMERAL: Final = int(Duplicates.EPHEMERAL)
_REPLACEABLE: Final = int(Duplicates.REPLACEABLE)
_VERIFIED: Final = Signer.VERIFIED
_UNVERIFIED: Final = Signer.UNVERIFIED
_TOP_TIMESTAMP: Final = (1 << 63) - 1


class Judge:
    """The rules for records that come in. Belongs to the thread of the event loop.

    Args:
        store: For the signers of an address.
        authority: Who may sign for whom.
        hooks: The policy, asked last; the first refusal wins.
        settings: The server's.
        served: Whether a master key (32 bytes) lives here.
        has_consumers: Whether an ephemeral record with a label would reach somebody now.
        now_ns: The clock.
    """

    def __init__(
        self,
        store: Store,
        authority: Authority,
        hooks: Sequence[Hook],
        settings: Live[ServerSettings],
        *,
        served: Callable[[bytes], bool],
        has_consumers: Callable[[bytes, int], bool],
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._authority = authority
        self._hooks = tuple(hooks)
        self._settings = settings
        self._served = served
        self._has_consumers = has_consumers
        self._now_ns = now_ns
        self._ephemeral = _ephemeral_memory(settings)
        self.deleting: Callable[[Record], None] = lambda _: None
        """Told of each Deletion that counts, before it removes anything."""

    def ask(self, hooks: Sequence[Hook]) -> None:
        """Another policy holds from the next record on."""
        self._hooks = tuple(hooks)

    def judge(self, batch: Batch, begin: int) -> Segment:
        """Judges the records of a batch from `begin` on, at most until a key schedule is to be written.

        What follows a schedule may depend on it, so it waits until that one is
        in the store; a schedule is a segment of its own, since what came before
        it is judged anew first. The results of what is refused stand in the
        batch; those of the others come with the segment's writing.
        """
        now_ns = self._now_ns()
        latest = min(now_ns + self._settings.current.future_ns, _TOP_TIMESTAMP).to_bytes(8, "big")
        segment = Segment(end=begin)
        for run in batch.runs:
            if run.end <= segment.end:
                continue
            self._judge_run(batch, segment, run.bearer, run.end, latest, now_ns)
            if segment.closed or segment.end < run.end:
                break
        return segment

    def _judge_run(  # noqa: C901, PLR0912, PLR0915 - the loop over a run, which is hot
        self, batch: Batch, segment: Segment, bearer: Bearer, end: int, latest: bytes, now_ns: int
    ) -> None:
        records, verdicts, results = batch.records, batch.verdicts, batch.results
        indexes, accepted, modes, labels = segment.indexes, segment.records, segment.modes, segment.labels
        signer_of, hooks = self._authority.signer, self._hooks
        viewers, way, standing, address = bearer.viewers, bearer.way, bearer.standing, bearer.address
        screened = batch.screened
        for index in range(segment.end, end):
            record = records[index]
            if verdicts[index]:
                results[index] = self._refuse_invalid(verdicts[index], bearer)
                continue
            if record[0:8] > latest:
                results[index] = ResultCode.INVALID
                continue
            signer, kind = signer_of(record[64:128]), record[56:64]
            duplicates = kind[7] & 3
            # A master key signs for itself, whether its schedule is held or not.
            unsure = signer is not _VERIFIED and record[64:96] != record[96:128]
            if unsure or duplicates == _EPHEMERAL or record[136] & FLAG_FROM_AUTHOR or kind in _MASTERS_OWN:
                refused = self._refuse_special(record, signer, bearer, segment, now_ns)
                if refused is not None:
                    results[index] = refused
                    continue
            # What is refused already must not, as an invitation, be used up.
            verdict = ACCEPT if screened is None else screened[index]
            if verdict is ACCEPT:
                verdict = decide(hooks, Submission(record, viewers, way, standing, address))
            elif not isinstance(verdict, Refuse):
                verdict = both(verdict, decide(hooks, Submission(record, viewers, way, standing, address)))
            if isinstance(verdict, Refuse):
                results[index] = verdict.result
                continue
            if duplicates == _EPHEMERAL:
                results[index] = self._pass_on(record, bearer, now_ns, verdict.label)
                if results[index] != ResultCode.DUPLICATE and results[index] < 16:
                    segment.live[index] = verdict.label
                continue
            if kind == _KEY_SCHEDULE:
                if indexes or segment.live:
                    segment.end = index
                    return
                segment.schedule = index
            indexes.append(index)
            accepted.append(record)
            mode = _KEEP_ALL
            if duplicates == _REPLACEABLE or kind in deletion.KINDS:
                mode = self._mode(record, signer)
            modes.append(mode)
            labels.append(verdict.label)
            if unsure and signer is _UNVERIFIED:
                # Until the schedule comes, nobody can tell whose it is.
                self._authority.ask_for(record[64:96])
            if kind in _CONSEQUENCES or (mode & DELETES and self._authority.vouched(record[64:96])):
                # A Deletion may end what its author has vouched for.
                if kind != _KEY_SCHEDULE:
                    self._authority.vouch_changed(record[64:96])
                segment.closed = True
                segment.end = index + 1
                return
        segment.end = end

    def _mode(self, record: bytes, signer: Signer) -> int:
        """How a record stands to others: at its address, and by what it deletes."""
        if record[63] & 3 == _REPLACEABLE:
            return Mode.REPLACE_SIGNER if signer is _UNVERIFIED else Mode.REPLACE_ADDRESS
        if record[56:64] in deletion.KINDS and counts(
            Record(record), self._authority.schedule_of(record[64:96])
        ):
            self.deleting(Record(record))
            return Mode.KEEP_ALL | DELETES
        return Mode.KEEP_ALL

    def _refuse_invalid(self, verdict: int, bearer: Bearer) -> ResultCode:
        error = validation.error_for(verdict)
        if isinstance(error, RecordHash | RecordSignature):
            bearer.caught()
        return ResultCode.INVALID if error is None else for_error(error)

    def _refuse_special(
        self, record: bytes, signer: Signer, bearer: Bearer, segment: Segment, now_ns: int
    ) -> ResultCode | None:
        """The rules that few records need: why this one is refused, or None."""
        refused = self._refuse_signer(record, signer, bearer, segment, now_ns)
        if refused is None and record[136] & FLAG_FROM_AUTHOR:
            refused = _refuse_bearer(record, bearer)
        if refused is None and record[56:64] in _MASTERS_OWN:
            refused = _refuse_masters_own(record)
        if refused is None and record[63] & 3 == _EPHEMERAL and not self._ephemeral.in_time(record, now_ns):
            refused = ResultCode.INVALID
        return refused

    def _refuse_signer(
        self, record: bytes, signer: Signer, bearer: Bearer, segment: Segment, now_ns: int
    ) -> ResultCode | None:
        if signer is Signer.VERIFIED:
            return None
        if signer is Signer.UNVERIFIED:
            if record[63] & 3 != _EPHEMERAL and self._too_many_signers(record, segment):
                self._authority.ask_for(record[64:96])
                return ResultCode.TEMPORARY_ERROR
            return None
        if signer is Signer.DATED:
            # As it would be received: a clock that was set back gives no time back.
            received_ns = bearer.received_by_ns
            if received_ns is None:
                received_ns = max(now_ns, self._store.last_received_ns + 1)
            if self._authority.judge(record, received_ns) is Verdict.VALID:
                return None
            # The first receipt counts and never moves: what came in time stays, however often it comes.
            if self._store.contains([record[:48]])[0] is not None:
                return ResultCode.DUPLICATE
        return ResultCode.UNAUTHORIZED

    def _too_many_signers(self, record: bytes, segment: Segment) -> bool:
        """Whether one more signer of the address is one too many while nobody can say which are false.

        Counts those in the store and those before it in the segment.
        """
        address, signer = record[48:96], record[96:128]
        if record[64:96] == signer:
            return False
        signers = segment.signers.get(address)
        if signers is None:
            signers = segment.signers[address] = set(self._store.signers(address))
        if signer not in signers and len(signers) >= self._settings.current.unverified_signers:
            return True
        signers.add(signer)
        return False

    def _pass_on(self, record: bytes, bearer: Bearer, now_ns: int, label: int) -> ResultCode:
        """What becomes of an ephemeral record that may come in."""
        if self._ephemeral.knows(record):
            return ResultCode.DUPLICATE
        if not self._ephemeral.remember(record, now_ns):
            return ResultCode.TOO_FAST
        author = record[64:96]
        may_know = author in bearer.viewers and self._served(author) and is_open(record, label)
        if may_know and not self._has_consumers(record, label):
            return ResultCode.NO_CONSUMERS
        return ResultCode.ACCEPTED


def _ephemeral_memory(settings: Live[ServerSettings]) -> EphemeralMemory:
    memory = EphemeralMemory(settings.current.ephemeral_window_ns, settings.current.ephemeral_memory)
    settings.watch(lambda new: memory.configure(new.ephemeral_window_ns, new.ephemeral_memory))
    return memory


def _refuse_bearer(record: bytes, bearer: Bearer) -> ResultCode | None:
    """FROM_AUTHOR: on the author's own connection only."""
    if bearer.way is Way.OWNER or record[64:96] in bearer.viewers:
        return None
    if bearer.way is Way.LINK and not bearer.viewers:
        return ResultCode.REQUIRES_AUTHENTICATION
    return ResultCode.UNAUTHORIZED


def _refuse_masters_own(record: bytes) -> ResultCode | None:
    """Key schedules and profiles are signed by the master; a key schedule must keep its own rules."""
    if record[64:96] != record[96:128]:
        return ResultCode.UNAUTHORIZED
    if record[56:64] == _KEY_SCHEDULE:
        try:
            key_schedule.parse(Record(record))
        except InvalidKeySchedule as error:
            return for_error(error)
    return None
