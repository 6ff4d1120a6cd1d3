"""Key schedules: as whom a link counts that has proven a device's key.

Source: keyschedule.md, edition §2 and §3 (Revocation).
"""

from __future__ import annotations

from mosaic.core.key_schedule import Marker
from mosaic.core.kind import Readers
from mosaic.core.record import Record
from mosaic.testing.exam.author import Author
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import Stage

_ACTIVE = Marker.ACTIVE_SIGNING_KEY


async def _letter(stage: Stage, author: Author) -> Record:
    """A record of the member's that only the author, whom it notifies, may read."""
    letter = stage.record(
        stage.member, stage.kind(readers=Readers.AUTHOR_AND_TAGGED), notify=[author.master.public]
    )
    await author.reader.keep(letter)
    return letter


@check(
    "schedules.device_reads_as_its_master",
    claims="C2 C50",
    rule="A link that has proven a listed device counts as its master: it reads what is for him.",
    source="edition §2",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.OUTBOX,
)
async def _device_reads(stage: Stage) -> None:
    author = await Author.known(stage)
    letter = await _letter(stage, author)
    await author.lists((author.devices[0], _ACTIVE, 0))
    listed, other = await stage.connect(author.devices[0]), await stage.connect(author.devices[1])
    stage.records_are(await listed.get(letter.data[:48]), [letter], "what the device finds")
    stage.same(await other.get(letter.data[:48]), [], "what another key finds")


@check(
    "schedules.device_gets_rights_at_once",
    claims="C2 C50",
    rule="A link that is open already counts as its master from when the schedule lists its key.",
    source="edition §2",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.OUTBOX,
)
async def _at_once(stage: Stage) -> None:
    author = await Author.known(stage)
    letter = await _letter(stage, author)
    device = await stage.connect(author.devices[0])
    stage.same(await device.get(letter.data[:48]), [], "what the key finds before it is listed")
    await author.lists((author.devices[0], _ACTIVE, 0))
    stage.records_are(await device.get(letter.data[:48]), [letter], "what the device finds")


@check(
    "schedules.revoked_device_reads_nothing",
    claims="C6 C50",
    rule="Links of a revoked key lose their rights at once, stored and live.",
    source="edition §3 (Revocation)",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.OUTBOX,
)
async def _loses_rights(stage: Stage) -> None:
    author = await Author.known(stage)
    letter = await _letter(stage, author)
    await author.lists((author.devices[0], _ACTIVE, 0))
    device = await stage.connect(author.devices[0])
    stage.records_are(await device.get(letter.data[:48]), [letter], "what the device finds")
    await author.lists((author.devices[0], Marker.REVOKED_ALL, stage.now_ns))
    stage.same(await device.get(letter.data[:48]), [], "what it finds after it was revoked")


@check(
    "schedules.out_of_use_device_reads_nothing",
    claims="C6 C50",
    rule="Only active keys count as their master: one out of use reads nothing that is for him.",
    source="edition §2",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.OUTBOX,
)
async def _retired(stage: Stage) -> None:
    author = await Author.known(stage)
    letter = await _letter(stage, author)
    await author.lists((author.devices[0], Marker.OUT_OF_USE, 0))
    device = await stage.connect(author.devices[0])
    stage.same(await device.get(letter.data[:48]), [], "what the retired device finds")
