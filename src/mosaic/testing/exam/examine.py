"""Runs checks against a server, side by side, and clears away what they left there.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import pkgutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from mosaic.core import builder, core_tags, server_info
from mosaic.core.community_kinds import DELETION, SERVER_INFO
from mosaic.core.community_tags import target
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.errors import MosaicError, Unreachable, UsageError
from mosaic.testing.exam import checks as check_modules
from mosaic.testing.exam.check import (
    REGISTER,
    TRANSPORT_NEEDS,
    Check,
    Deviation,
    Finding,
    Need,
    Outcome,
    Unsettled,
)
from mosaic.testing.exam.stage import Examinee, Stage, Traces
from mosaic.testing.exam.switchboard import Switchboard
from mosaic.transport.transport import Transport

AT_A_TIME: Final = 8
_CHECK_S: Final = 180.0
_TARGETS: Final = 500


def all_checks() -> list[Check]:
    """Every check, in the order of their modules."""
    for module in pkgutil.iter_modules(check_modules.__path__):
        importlib.import_module(f"{check_modules.__name__}.{module.name}")
    return list(REGISTER.values())


def chosen(only: Sequence[str]) -> list[Check]:
    """The checks of these names or groups; all if none is named.

    Raises:
        UsageError: a name belongs to none.
    """
    found = all_checks()
    unknown = [each for each in only if not any(each in {check.name, check.group} for check in found)]
    if unknown:
        raise UsageError(
            f"there is no check or group {', '.join(unknown)}", hint="See `mosaic test-server --list`."
        )
    return [check for check in found if not only or check.name in only or check.group in only]


async def examine(
    examinee: Examinee,
    checks: Iterable[Check],
    member: SecretKey | None = None,
    *,
    at_a_time: int = AT_A_TIME,
) -> AsyncIterator[Finding]:
    """Makes checks over each transport that the server has an address for; findings as they come.

    Whoever stops listening ends the exam; what was stored is deleted all the same.

    Args:
        examinee: The server.
        checks: Which.
        member: The secret key of a person whom the server serves.
        at_a_time: How many checks run side by side.

    Raises:
        Unreachable: the server does not answer at all, or proves another key.
    """
    traces = Traces()
    if member is not None:
        traces.secrets[member.public.bytes] = member
    with tempfile.TemporaryDirectory(prefix="mosaic-exam-") as folder:
        board = Switchboard(folder)
        await _reach(examinee, board, traces)
        absent = await _absent(examinee, board, traces)
        places = asyncio.Semaphore(at_a_time)
        tasks = [
            asyncio.create_task(_in_turn(places, check, Stage(examinee, transport, board, member, traces)))
            for check in checks
            if not check.needs & absent
            for transport in _transports(check, examinee)
        ]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _clear_away(examinee, board, member, traces)
            await board.stop()


async def _reach(examinee: Examinee, board: Switchboard, traces: Traces) -> None:
    """Looks whether the server is there at all, before hundreds of checks find out one by one."""
    for transport in examinee.addresses:
        stage = Stage(examinee, transport, board, None, traces)
        try:
            await stage.connect(greet=False)
        except Deviation as deviation:
            words = str(deviation).partition("; ")[2]
            await board.stop()
            raise Unreachable(f"the server can't be examined over {transport.value}: {words}") from None
        finally:
            stage.close()


async def _absent(examinee: Examinee, board: Switchboard, traces: Traces) -> Need:
    """What the server says it is not, by its Server Info: those checks are left out."""
    host, _ = examinee.addresses.get(Transport.WS, ("", 0))
    absent = Need.NOTHING if _is_name(host) else Need.BROWSER
    stage = Stage(examinee, next(iter(examinee.addresses)), board, None, traces)
    try:
        wire = await stage.anonymous()
        wanted = Filter.of(authors=[examinee.key], signers=[examinee.key], kinds=[SERVER_INFO])
        found = [server_info.read(Record(each)) for each in await wire.query(wanted)]
    except MosaicError:
        return absent | Need.WITHHOLD  # the checks will say what is wrong with it
    finally:
        stage.close()
    if not found or found[0].inbox != "approved":
        absent |= Need.WITHHOLD
    if found and "chat" not in found[0].roles:
        absent |= Need.CHAT
    return absent


def _is_name(host: str) -> bool:
    """Whether something is a host's name, and no address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return bool(host)
    return False


def _transports(check: Check, examinee: Examinee) -> list[Transport]:
    """Over which of those that there are a check is made: its own one, if it has one, else all."""
    own = {transport for transport, need in TRANSPORT_NEEDS.items() if need in check.needs}
    return [transport for transport in examinee.addresses if not own or transport in own]


async def _in_turn(places: asyncio.Semaphore, check: Check, stage: Stage) -> Finding:
    async with places:
        return await _run(check, stage, lacking(check, stage))


def lacking(check: Check, stage: Stage) -> str:
    """What a check needs and is not there, in words; empty if nothing is missing."""
    if Need.MEMBER in check.needs and not stage.has_member:
        return "it needs the key of a person whom the server serves (--member FILE)"
    return ""


async def _run(check: Check, stage: Stage, missing: str) -> Finding:
    if missing:
        return Finding(check, stage.transport, Outcome.NOT_RUN, missing, 0)
    begun = time.monotonic()
    outcome, detail = Outcome.PASSED, ""
    try:
        async with asyncio.timeout(_CHECK_S):
            await check.run(stage)
    except Deviation as deviation:
        outcome, detail = Outcome.FAILED, str(deviation)
    except Unsettled as reason:
        outcome, detail = Outcome.OPEN, str(reason)
    except TimeoutError:
        outcome, detail = Outcome.FAILED, f"it took more than {_CHECK_S:g} s"
    except MosaicError as error:
        outcome, detail = Outcome.FAILED, f"the server's answer can't be used: {error}"
    except Exception as error:  # noqa: BLE001 - what an answer makes go wrong here is a finding, no crash
        outcome, detail = Outcome.FAILED, f"the answer could not be judged: {type(error).__name__}: {error}"
    finally:
        stage.close()
    return Finding(check, stage.transport, outcome, detail, int((time.monotonic() - begun) * 1_000))


async def _clear_away(
    examinee: Examinee, board: Switchboard, member: SecretKey | None, traces: Traces
) -> None:
    """Deletes what the checks have stored, as far as the server lets us."""
    if member is None or not traces.stored:
        return
    stage = Stage(examinee, next(iter(examinee.addresses)), board, member, traces)
    try:
        wire = await stage.as_member()
        for author, records in traces.stored.items():
            secret = traces.secrets.get(author)
            # Key schedules and Deletions can't be deleted; they say nothing of anybody.
            left = [each for each in records if each[56:64] not in {KEY_SCHEDULE.bytes, DELETION.bytes}]
            if secret is None:
                continue
            for begin in range(0, len(left), _TARGETS):
                tags = [target(Record(each).kind, Record(each).id) for each in left[begin : begin + _TARGETS]]
                if author != member.public.bytes:
                    tags.append(core_tags.notify(member.public))
                await wire.submit(
                    builder.build(
                        secret,
                        kind=DELETION,
                        nonce=stage.nonce(),
                        timestamp=stage.now_ns,
                        tags=tags,
                    )
                )
    except MosaicError:
        pass  # a server that can't be reached any more, or knows no deletion, has been told of already
    finally:
        stage.close()
