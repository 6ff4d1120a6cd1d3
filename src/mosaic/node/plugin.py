"""The operator's own rules: Python functions, and a program that is spoken to in lines of JSON.

A function is named MODULE:NAME, or by the name of an entry point of the group
`mosaic.policy`. It is asked after the roles and answers with a verdict of
`mosaic.policy.verdict`.

The program gets one line for each record that a stranger brings:

    {"id": 7, "record": {…}, "address": "192.0.2.1", "keys": ["mopub0…"], "way": "link",
     "standing": "stranger"}

and answers with one line each, in any order:

    {"id": 7, "action": "accept"}      or "withhold", "shadow", "reject" (with "result" and "message")

`withhold` stores the record but holds it back until it is approved, `shadow`
says that it was accepted and forgets it. Nothing that the program does holds up
those whom the server serves: when it is late, wrong or dead, strangers are told
TEMPORARY_ERROR and it is started again.

Source: this project's own design, docs/architecture.md "What a server takes".
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from mosaic.core import record_json
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.errors import MosaicError, SettingsInvalid
from mosaic.policy.label import Label
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Refuse, Verdict
from mosaic.server.batch import Bearer
from mosaic.wire.result_code import ResultCode

_LOG: Final = logging.getLogger(__name__)
GROUP: Final = "mosaic.policy"
_LINE: Final = 65_536
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_WITHHELD: Final = Accept(Label.WITHHELD)
_SHADOW: Final = Refuse(ResultCode.ACCEPTED, "the operator's program lets it disappear")
_FIRST_REFUSAL: Final = 32


class ProgramFailed(Exception):
    """The program is dead, late, or says what nobody asked for."""


def load(name: str) -> Callable[..., Any]:
    """A function by MODULE:NAME, or by the name of an entry point of the group `mosaic.policy`.

    Raises:
        SettingsInvalid: there is no such function.
    """
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            found = getattr(importlib.import_module(module), attribute)
        else:
            (entry,) = entry_points(group=GROUP, name=name)
            found = entry.load()
    except Exception as error:
        raise SettingsInvalid(
            f"the rule {name!r} can't be loaded: {type(error).__name__}: {error}",
            hint=f"Name a function as MODULE:NAME, or an installed entry point of the group {GROUP}.",
        ) from error
    if not callable(found):
        raise SettingsInvalid(f"{name!r} is no function")
    return found  # type: ignore[no-any-return]


def load_hooks(names: Sequence[str]) -> list[Hook]:
    """The operator's rules in their order. Raises SettingsInvalid."""
    return [load(name) for name in names]


class _Running:
    """A process that was started, and what is asked of it.

    Args:
        process: The process.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.asked: dict[int, asyncio.Future[Verdict]] = {}
        self.reading = asyncio.create_task(self._read(), name="policy program")

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None and not self.reading.done()

    def kill(self) -> None:
        """Ends it; whoever waits for an answer gets none."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self._fail("it was ended")

    async def ended(self) -> None:
        """Waits until it has ended."""
        await self.process.wait()
        await self.reading

    async def _read(self) -> None:
        """Takes answers until there are no more."""
        assert self.process.stdout is not None
        reason = "it ended"
        try:
            while line := await self.process.stdout.readline():
                number, verdict = _answer(line)
                answer = self.asked.pop(number, None)
                if answer is not None and not answer.done():
                    answer.set_result(verdict)
        except ValueError as error:
            reason = f"it said what is no answer: {error}"
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        asked, self.asked = self.asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(ProgramFailed(reason))
                # Whoever asked first takes note; the others must not be reported as forgotten.
                answer.exception()


class Program:
    """A program that judges records: a `Screener`. Belongs to the thread of the event loop.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wait_s = 0.0
        self._command: tuple[str, ...] = ()
        self._running: _Running | None = None
        self._going: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._next = 1
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0
        self._stopped = False

    @property
    def is_active(self) -> bool:
        """Whether a program is set."""
        return bool(self._command)

    def use(self, command: Sequence[str], wait_s: float) -> None:
        """From now on this program is asked, started at the first question; none when it is empty.

        Args:
            command: The program and its arguments.
            wait_s: How long it may be silent while something is asked of it.
        """
        if tuple(command) != self._command:
            self._not_before, self._pause_s = 0.0, _FIRST_PAUSE_S
            if self._running is not None:
                self._let_go(self._running)
                self._running = None
        self._command, self._wait_s = tuple(command), wait_s

    async def stop(self) -> None:
        """Ends the program."""
        self.give_up()
        running, self._running = self._running, None
        if running is not None:
            self._let_go(running)
        await asyncio.gather(*self._going)

    def give_up(self) -> None:
        """Ends the program at once: whoever waits for it, and who asks from now on, gets no answer."""
        self._stopped = True
        if self._running is not None:
            self._running.kill()

    async def screen(self, records: Sequence[bytes], bearer: Bearer) -> list[Verdict]:
        """A verdict for each record.

        Raises:
            ProgramFailed: it gave no answer, or a wrong one.
        """
        async with self._starting:
            running = await self._started()
        numbers = range(self._next, self._next + len(records))
        self._next += len(records)
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in records]
        running.asked.update(zip(numbers, answers, strict=True))
        lines = [_question(number, data, bearer) for number, data in zip(numbers, records, strict=True)]
        assert running.process.stdin is not None
        try:
            running.process.stdin.write(b"".join(lines))
            # It may take that long for each answer: who is slow but alive is not given up.
            await asyncio.wait_for(running.process.stdin.drain(), self._wait_s * len(records))
            verdicts = [await asyncio.wait_for(answer, self._wait_s) for answer in answers]
        except (TimeoutError, ConnectionError, ProgramFailed) as error:
            reason = str(error) or "no answer in time"
            await self._broken(running, reason)
            raise ProgramFailed(reason) from error
        finally:
            for number in numbers:
                running.asked.pop(number, None)
        self._pause_s = _FIRST_PAUSE_S
        return verdicts

    # --- inside

    async def _started(self) -> _Running:
        if self._stopped:
            raise ProgramFailed("the server is stopping")
        if self._running is not None:
            if self._running.is_alive:
                return self._running
            # It may have closed its output and go on: of what does not answer nothing stays.
            self._let_go(self._running)
            self._running = None
        if self._clock() < self._not_before:
            raise ProgramFailed("it failed and is started again in a moment")
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE,
                env={name: value for name, value in os.environ.items() if not name.startswith("MOSAIC")},
            )
        except OSError as error:
            self._wait_before_next()
            raise ProgramFailed(f"it can't be started: {error}") from error
        self._running = _Running(process)
        return self._running

    async def _broken(self, running: _Running, reason: str) -> None:
        if self._running is running:
            self._running = None
            self._wait_before_next()
            _LOG.warning(
                "the operator's program failed: %s; strangers are refused until it is started again", reason
            )
        running.kill()
        await running.ended()

    def _let_go(self, running: _Running) -> None:
        """Ends a process that nobody asks any more; `stop` waits until it has gone."""
        running.kill()
        going = asyncio.create_task(running.ended(), name="policy program ends")
        self._going.add(going)
        going.add_done_callback(self._going.discard)

    def _wait_before_next(self) -> None:
        self._not_before = self._clock() + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)


def _question(number: int, data: bytes, bearer: Bearer) -> bytes:
    question = {
        "id": number,
        "record": record_json.to_json(Record(data)),
        "address": bearer.address,
        "keys": [_key(key) for key in bearer.viewers],
        "way": bearer.way.name.lower(),
        "standing": bearer.standing.name.lower(),
    }
    return json.dumps(question, separators=(",", ":")).encode() + b"\n"


def _key(key: bytes) -> str:
    try:
        return PublicKey(key).user_text
    except MosaicError:
        return key.hex()


def _answer(line: bytes) -> tuple[int, Verdict]:
    """What one line says. Raises ValueError."""
    try:
        said = json.loads(line)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if not isinstance(said, dict) or type(said.get("id")) is not int:
        raise ValueError("no object with an `id`")
    message = str(said.get("message", "the operator's program refused it"))[:200]
    match said.get("action"):
        case "accept":
            return said["id"], ACCEPT
        case "withhold":
            return said["id"], _WITHHELD
        case "shadow":
            return said["id"], _SHADOW
        case "reject":
            result = ResultCode(said.get("result", ResultCode.UNAUTHORIZED))
            if result < _FIRST_REFUSAL:
                raise ValueError(f"{result.name} is no refusal")
            return said["id"], Refuse(result, message)
        case other:
            raise ValueError(f"the action {other!r} is none")
