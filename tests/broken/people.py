"""Variants that break roles, key schedules, blobs and look-ups."""

from __future__ import annotations

from typing import Any

import pytest

from mosaic.core import key_schedule
from mosaic.core.key_schedule import KeySchedule, Standing
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Refuse
from mosaic.server import authority, judge, writer
from mosaic.server.authority import Authority, Signer
from mosaic.server.blob_service import BlobService
from mosaic.server.lookups import LookupService
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import DhtResponse
from tests.broken.variant import around, settings, variant

# --- roles


def _policy(patch: pytest.MonkeyPatch, change: Any) -> None:
    def decide(former: Any, hooks: Any, asked: Any) -> Any:
        verdict = former(hooks, asked)
        return change(asked, verdict) if isinstance(asked, Submission) else verdict

    around(patch, judge, "decide", decide)


@variant(
    "chat.between_strangers",
    "chat.passing_messages_between_strangers",
    "roles.mentions_are_no_notification",
    "roles.strangers_do_not_write_here",
    "roles.strangers_to_strangers",
)
def anybody_writes_here(patch: pytest.MonkeyPatch) -> None:
    _policy(patch, lambda _, __: ACCEPT)


def _member() -> bytes:
    from tests.testing.examined import MEMBER  # noqa: PLC0415

    return MEMBER.key_bytes


@variant(
    "chat.to_people_served",
    "encryption.takes_from_anybody",
    "encryption.twice_is_a_duplicate",
    "roles.inbox_takes_from_anybody",
)
def the_inbox_asks_for_a_login(patch: pytest.MonkeyPatch) -> None:
    def change(asked: Submission, verdict: Any) -> Any:
        if asked.author != _member() and not asked.viewers:
            return Refuse(ResultCode.REQUIRES_AUTHENTICATION, "")
        return verdict

    _policy(patch, change)


@variant("ephemeral.on_anothers_link", "roles.outbox_takes_its_people")
def members_write_on_their_own_links_only(patch: pytest.MonkeyPatch) -> None:
    def change(asked: Submission, verdict: Any) -> Any:
        if asked.author == _member() and asked.author not in asked.viewers:
            return Refuse(ResultCode.UNAUTHORIZED, "")
        return verdict

    _policy(patch, change)


@variant("roles.one_of_several_recipients")
def only_the_first_recipient_counts(patch: pytest.MonkeyPatch) -> None:
    def change(asked: Submission, verdict: Any) -> Any:
        keys = list(asked.notified)
        if asked.author != _member() and len(keys) > 1 and keys[0] != _member():
            return Refuse(ResultCode.UNAUTHORIZED, "")
        return verdict

    _policy(patch, change)


@variant("roles.mentions_are_no_notification")
def mentions_open_the_inbox(patch: pytest.MonkeyPatch) -> None:
    _policy(patch, lambda asked, verdict: ACCEPT if _member() in asked.record[152:] else verdict)


@variant("roles.unknown_kinds_are_served")
def only_known_kinds_are_taken(patch: pytest.MonkeyPatch) -> None:
    def change(asked: Submission, verdict: Any) -> Any:
        return Refuse(ResultCode.UNAUTHORIZED, "") if asked.kind[7] == 0x1F else verdict

    _policy(patch, change)


# --- key schedules


@variant("schedules.older_after_newer", "schedules.older_under_another_nonce", "schedules.others_do_not_sign")
def anybody_signs_for_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(authority._SIGNERS, Standing.UNLISTED, Signer.VERIFIED)


@variant("schedules.revoked_for_good", "schedules.strictest_entry_holds")
def revoked_keys_go_on_signing(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(authority._SIGNERS, Standing.REVOKED_ALL, Signer.VERIFIED)


@variant("schedules.out_of_use_is_no_revocation")
def out_of_use_is_revoked(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(authority._SIGNERS, Standing.OUT_OF_USE, Signer.REVOKED)


@variant("schedules.received_after_the_revocation")
def received_times_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    def judged(former: Any, schedule: KeySchedule, record: Any, received_ns: int) -> Any:
        return former(schedule, record, record.timestamp)

    around(patch, KeySchedule, "judge", judged)


@variant("schedules.received_after_the_revocation", "schedules.revoked_since")
def dates_of_revocations_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Authority, "judge", lambda *_: key_schedule.Verdict.VALID)


@variant("schedules.false_ones_go", "schedules.revoked_for_good", "schedules.revoked_since")
def what_is_stored_is_not_judged_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "settle", lambda *_: 0)


@variant("schedules.profile_by_a_device")
def masters_need_not_sign(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judge, "_refuse_masters_own", lambda *_: None)


@variant("schedules.revoked_for_good", "schedules.revoked_since")
def newer_schedules_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeySchedule, "supersedes", lambda *_: False)


@variant("schedules.strictest_entry_holds")
def the_mildest_entry_holds(patch: pytest.MonkeyPatch) -> None:
    def made(former: Any, schedule: KeySchedule) -> None:
        former(schedule)
        for entry in schedule.entries:
            if int(entry.marker) == 0:
                schedule._signers[entry.subkey] = (Standing.ACTIVE, 0)

    around(patch, KeySchedule, "__post_init__", made)


@variant("schedules.out_of_use_device_reads_nothing")
def retired_devices_count_as_their_masters(patch: pytest.MonkeyPatch) -> None:
    def masters(former: Any, own: Authority, key: bytes) -> Any:
        standing = KeySchedule.standing
        with pytest.MonkeyPatch.context() as here:
            here.setattr(
                KeySchedule,
                "standing",
                lambda own, signer: (
                    Standing.ACTIVE if standing(own, signer) is Standing.OUT_OF_USE else standing(own, signer)
                ),
            )
            return former(own, key)

    around(patch, Authority, "_masters_that_list", masters)


# --- blobs


@variant("blobs.false_hash", "blobs.long_with_a_false_hash")
def hashes_of_blobs_are_believed(patch: pytest.MonkeyPatch) -> None:
    def refusal(former: Any, own: BlobService, peer: Any, event: Any) -> Any:
        result = former(own, peer, event)
        return None if result is ResultCode.INVALID else result

    around(patch, BlobService, "_refusal", refusal)
    patch.setattr("mosaic.store.blobs.BlobStore.adopt", _adopt)


def _adopt(own: Any, path: Any, digest: bytes, length: int, expected: bytes) -> None:
    path.rename(own.path(expected)) if own.path(expected).parent.exists() else (
        own.path(expected).parent.mkdir(parents=True),
        path.rename(own.path(expected)),
    )


@variant("blobs.of_a_stranger", "blobs.without_a_key")
def anybody_stores_blobs(patch: pytest.MonkeyPatch) -> None:
    def refusal(former: Any, own: BlobService, peer: Any, event: Any) -> Any:
        result = former(own, peer, event)
        refused = {ResultCode.UNAUTHORIZED, ResultCode.REQUIRES_AUTHENTICATION}
        return None if result in refused else result

    around(patch, BlobService, "_refusal", refusal)


@variant("blobs.for_whoever_names_them")
def blobs_are_for_members_only(patch: pytest.MonkeyPatch) -> None:
    def asked(former: Any, own: BlobService, peer: Any, wanted: bytes) -> None:
        if peer.at_home:
            former(own, peer, wanted)
        else:
            peer.send(peer.session.blob_result(wanted, ResultCode.NOT_FOUND))

    around(patch, BlobService, "asked", asked)


@variant("blobs.twice_is_a_duplicate")
def blobs_that_are_there_are_accepted(patch: pytest.MonkeyPatch) -> None:
    def keep(former: Any, own: BlobService, *given: Any) -> Any:
        result = former(own, *given)
        return ResultCode.ACCEPTED if result is ResultCode.DUPLICATE else result

    around(patch, BlobService, "_keep", keep)


@variant("blobs.not_there")
def absent_blobs_have_no_hash(patch: pytest.MonkeyPatch) -> None:
    from mosaic.protocol.server_session import ServerSession  # noqa: PLC0415

    def blob_result(former: Any, session: ServerSession, _: bytes, result: ResultCode) -> Any:
        return former(session, bytes(32), result)

    around(patch, ServerSession, "blob_result", blob_result)


@variant("blobs.of_two_megabytes")
def blobs_are_small(patch: pytest.MonkeyPatch) -> None:
    settings(patch, blob_limit=1_500_000)


# --- look-ups


def _response(patch: pytest.MonkeyPatch, change: Any) -> None:
    from mosaic.protocol.server_session import ServerSession  # noqa: PLC0415

    def dht_response(
        former: Any, session: ServerSession, query_id: int, result: Any, item: Any = None
    ) -> Any:
        return former(session, *change(query_id, result, item))

    around(patch, ServerSession, "dht_response", dht_response)


@variant("dht.answers_prove_themselves")
def look_ups_are_not_proven(patch: pytest.MonkeyPatch) -> None:
    _response(
        patch, lambda query_id, result, item: (query_id, result, item and item._replace(signature=bytes(64)))
    )


@variant("dht.query_ids_are_echoed")
def look_ups_forget_their_ids(patch: pytest.MonkeyPatch) -> None:
    _response(patch, lambda query_id, result, item: (query_id & 0x0FFF, result, item))


@variant("dht.users_and_servers_apart")
def users_are_looked_up_as_servers(patch: pytest.MonkeyPatch) -> None:
    def asked(former: Any, own: LookupService, peer: Any, event: Any) -> None:
        former(own, peer, type(event)(event.query_id, True, event.key))

    around(patch, LookupService, "asked", asked)


@variant("dht.nobody_knows_the_key", "dht.users_and_servers_apart")
def nothing_found_is_an_empty_success(patch: pytest.MonkeyPatch) -> None:
    from mosaic.protocol.server_session import ServerSession  # noqa: PLC0415

    def dht_response(
        former: Any, session: ServerSession, query_id: int, result: Any, item: Any = None
    ) -> Any:
        if result is ResultCode.NOT_FOUND:
            return DhtResponse(query_id, ResultCode.SUCCESS).encode()
        return former(session, query_id, result, item)

    around(patch, ServerSession, "dht_response", dht_response)
