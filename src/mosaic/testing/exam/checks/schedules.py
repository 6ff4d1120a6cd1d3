"""Key schedules: who may sign for an author, what a revocation takes away, whom a device counts as.

A stranger who writes to the member is the author in all of them, so that
nobody's own schedule is touched.

Source: keyschedule.md, edition §2 and §3 (Who may sign, Revocation).
"""

from __future__ import annotations

from mosaic.core import key_schedule
from mosaic.core.key_schedule import Entry, Marker
from mosaic.core.kind import Duplicates
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.timestamp import Timestamp
from mosaic.testing.exam.author import Author
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.wire.result_code import ResultCode

_SIGN = "keyschedule.md, edition §3 (Who may sign)"
_REVOKE = "keyschedule.md, edition §3 (Revocation)"
_ACTIVE = Marker.ACTIVE_SIGNING_KEY


@check(
    "schedules.are_served",
    claims="C4",
    rule="A key schedule is taken and served, the newest at its address.",
    source="keyschedule.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _served(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], _ACTIVE, 0))
    newest = await author.lists((author.devices[0], _ACTIVE, 0), (author.devices[1], _ACTIVE, 0))
    stage.records_are(await author.reader.get(newest.data[48:96]), [newest], "what is served")


@check(
    "schedules.signed_by_a_device",
    claims="C3 C4",
    rule="A key schedule that the master has not signed is refused.",
    source="keyschedule.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _by_device(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], _ACTIVE, 0))
    forged = stage.record(
        author.devices[0], KEY_SCHEDULE, author=author.master.public, notify=[stage.member.public]
    )
    await author.wire.refused(forged, ResultCode.UNAUTHORIZED, ResultCode.INVALID)


@check(
    "schedules.attested_for_another",
    claims="C5",
    rule="A schedule with an attestation that a device made for another master is INVALID.",
    source="keyschedule.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _other_master(stage: Stage) -> None:
    author = await Author.known(stage)
    stolen = key_schedule.attest(author.devices[0], stage.fresh_key().public)
    entry = Entry.signing(stolen, _ACTIVE, Timestamp(0))
    schedule = stage.record(
        author.master, KEY_SCHEDULE, tags=key_schedule.tags_for([entry]), payload=entry.encode()
    )
    await author.wire.refused(schedule, ResultCode.INVALID)


@check(
    "schedules.without_the_subkey_tag",
    claims="C4",
    rule="A schedule whose subkey stands in no subkey tag is INVALID.",
    source="keyschedule.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _no_tag(stage: Stage) -> None:
    author = await Author.known(stage)
    attested = key_schedule.attest(author.devices[0], author.master.public)
    entry = Entry.signing(attested, _ACTIVE, Timestamp(0))
    schedule = stage.record(author.master, KEY_SCHEDULE, payload=entry.encode())
    await author.wire.refused(schedule, ResultCode.INVALID)


@check(
    "schedules.that_are_no_schedules",
    claims="C4 C5",
    rule="A schedule whose payload can't be read is INVALID.",
    source="keyschedule.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _nonsense(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.wire.refused(
        stage.record(author.master, KEY_SCHEDULE, payload=b"\x01\x00\xff\xff12345"), ResultCode.INVALID
    )


@check(
    "schedules.older_after_newer",
    claims="C4",
    rule="Of an author's schedules the newest holds: an older one that comes late changes nothing.",
    source="edition §3 (Key Schedule and Profile)",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _older(stage: Stage) -> None:
    author = await Author.known(stage)
    before = stage.now_ns
    await author.lists((author.devices[0], _ACTIVE, 0))
    late = author.schedule((author.devices[1], _ACTIVE, 0), timestamp=before)
    await author.wire.submit(late)
    await author.wire.keep(author.record(author.devices[0]))
    await author.wire.refused(author.record(author.devices[1]), ResultCode.UNAUTHORIZED)


@check(
    "schedules.older_under_another_nonce",
    claims="C4",
    rule="Of an author's schedules the newest holds, whatever their nonce.",
    source="edition §3 (Key Schedule and Profile)",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _other_nonce(stage: Stage) -> None:
    author = await Author.known(stage)
    before = stage.now_ns
    await author.lists((author.devices[0], _ACTIVE, 0))
    late = author.schedule((author.devices[1], _ACTIVE, 0), timestamp=before, nonce=stage.nonce())
    await author.wire.submit(late)
    await author.wire.refused(author.record(author.devices[1]), ResultCode.UNAUTHORIZED)


@check(
    "schedules.listed_devices_sign",
    claims="C2",
    rule="What a listed device signs is taken and served.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _listed(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], _ACTIVE, 0))
    record = author.record(author.devices[0])
    await author.wire.keep(record)
    stage.records_are(await author.finds(record), [record], "what the recipient finds")


@check(
    "schedules.others_do_not_sign",
    claims="C2 C25",
    rule="Where the author's schedule is held, a signer that it does not list is UNAUTHORIZED.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _unlisted(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], _ACTIVE, 0))
    record = author.record(author.devices[1])
    await author.wire.refused(record, ResultCode.UNAUTHORIZED)
    stage.same(await author.finds(record), [], "what the recipient finds")


@check(
    "schedules.false_ones_go",
    claims="C2 C29",
    rule="What an unlisted key signed before the schedule came goes once it is there.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _false_go(stage: Stage) -> None:
    author = await Author.known(stage)
    true, false = author.record(author.devices[0]), author.record(author.devices[1])
    await author.wire.keep(true, false)
    await author.lists((author.devices[0], _ACTIVE, 0))
    stage.records_are(await author.finds(true, false), [true], "what the recipient finds")


@check(
    "schedules.unproven_signers_do_not_replace",
    claims="C29",
    rule="Without a schedule records replace each other only within one signer: all signers' are served.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _apart(stage: Stage) -> None:
    author = await Author.known(stage)
    kind, nonce = stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    first, second = (author.record(key, kind, nonce=nonce) for key in author.devices)
    newer = author.record(author.devices[0], kind, nonce=nonce)
    await author.wire.keep(first, second, newer)
    found = await author.reader.get(first.data[48:96])
    stage.records_are(found, [newer, second], "what stands at the address")


@check(
    "schedules.listed_devices_replace_each_other",
    claims="C2 C29",
    rule="Of devices that the schedule lists the newest record of an address is served, whoever signed it.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _together(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists(*((key, _ACTIVE, 0) for key in author.devices))
    kind, nonce = stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    first, second = (author.record(key, kind, nonce=nonce) for key in author.devices)
    await author.wire.keep(first)
    await author.wire.keep(second)
    stage.records_are(await author.reader.get(first.data[48:96]), [second], "what stands at the address")


@check(
    "schedules.out_of_use_is_no_revocation",
    claims="C6",
    rule="What a key out of use has signed stays welcome, old records copied here above all.",
    source=_SIGN,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _out_of_use(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], Marker.OUT_OF_USE, 0))
    old = author.record(author.devices[0], timestamp=stage.now_ns - 1_000 * MINUTE)
    await author.wire.keep(old)
    stage.records_are(await author.finds(old), [old], "what the recipient finds")


@check(
    "schedules.revoked_for_good",
    claims="C6",
    rule="REVOKED_ALL makes every record of the key invalid: new ones are refused, stored ones go.",
    source=_REVOKE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _revoked_all(stage: Stage) -> None:
    author = await Author.known(stage)
    stolen, kept = author.devices
    await author.lists((stolen, _ACTIVE, 0), (kept, _ACTIVE, 0))
    by_stolen, by_kept = author.record(stolen), author.record(kept)
    await author.wire.keep(by_stolen, by_kept)
    await author.lists((stolen, Marker.REVOKED_ALL, stage.now_ns), (kept, _ACTIVE, 0))
    stage.records_are(await author.finds(by_stolen, by_kept), [by_kept], "what the recipient finds")
    await author.wire.refused(author.record(stolen), ResultCode.UNAUTHORIZED)


@check(
    "schedules.revoked_since",
    claims="C6 C7",
    rule="REVOKED_PAST takes what is dated or was received later; what came in time stays.",
    source=_REVOKE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _revoked_past(stage: Stage) -> None:
    author = await Author.known(stage)
    stolen = author.devices[0]
    await author.lists((stolen, _ACTIVE, 0))
    early = author.record(stolen)
    await author.wire.keep(early)
    # The server's clock may differ by a little: the revocation lies ahead of both receipts by a minute.
    since = stage.now_ns + MINUTE
    ahead = author.record(stolen, timestamp=since + MINUTE)
    await author.wire.keep(ahead)
    await author.lists((stolen, Marker.REVOKED_PAST, since))
    stage.records_are(await author.finds(early, ahead), [early], "what the recipient finds")
    await author.wire.refused(author.record(stolen, timestamp=since + 2 * MINUTE), ResultCode.UNAUTHORIZED)


@check(
    "schedules.received_after_the_revocation",
    claims="C6 C7",
    rule="A record that is dated back does not escape REVOKED_PAST: when it was received counts.",
    source=_REVOKE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _dated_back(stage: Stage) -> None:
    author = await Author.known(stage)
    stolen, since = author.devices[0], stage.now_ns - 10 * MINUTE
    await author.lists((stolen, Marker.REVOKED_PAST, since))
    dated_back = author.record(stolen, timestamp=since - 10 * MINUTE)
    await author.wire.refused(dated_back, ResultCode.UNAUTHORIZED)
    stage.same(await author.finds(dated_back), [], "what the recipient finds")


@check(
    "schedules.strictest_entry_holds",
    claims="C6",
    rule="Of contradicting entries for one key the strictest holds.",
    source="edition §3 (Revocation)",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _strictest(stage: Stage) -> None:
    author = await Author.known(stage)
    key = author.devices[0]
    await author.lists((key, Marker.REVOKED_ALL, stage.now_ns), (key, _ACTIVE, 0))
    await author.wire.refused(author.record(key), ResultCode.UNAUTHORIZED)


@check(
    "schedules.profile_by_a_device",
    claims="C3 C70",
    rule="A profile that the master has not signed is refused.",
    source="profile.md, edition §3 (Key Schedule and Profile)",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _profile(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], _ACTIVE, 0))
    await author.wire.refused(author.record(author.devices[0], PROFILE), ResultCode.UNAUTHORIZED)
