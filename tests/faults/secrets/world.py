"""A place in which `mosaic` runs as processes, of which everything that it writes, says or shows is kept."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.secrets.forms import Found, Search

from mosaic.core import human
from mosaic.core.keys import SecretKey
from mosaic.core.nostr_key import NostrSecret
from mosaic.core.x25519 import X25519Secret

LAUNCHER = Path(__file__).with_name("launcher.py")
ROOT = Path(__file__).parents[3]
PATIENCE_S = 100.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where a secret stands by design.

    Args:
        place: The end of the file's name, or of what was said.
        secret: The beginning of the secret's name.
        why: The reason.
        mode: The file's mode, None where it is no file of a home.
    """

    place: str
    secret: str
    why: str
    mode: int | None = None


ALLOWED = (
    Allowed("/unlock", "home password", "opens the keys of the home where no keyring is", 0o600),
    Allowed("/private.db", "page token", "lets an open page survive a restart", 0o600),
    Allowed("/private.db-wal", "page token", "the same, not yet in the database itself", 0o600),
    Allowed(".page.out", "page token", "`mosaic page` is asked for it"),
    Allowed(".key-new.out", "new key", "`mosaic key new` is asked for it"),
    Allowed(".pair.out", "pairing", "`mosaic pair` shows the code to its owner"),
)


@dataclass
class World:
    """Everything under one folder, but for what people keep apart: `given` has their files.

    Args:
        folder: Of the test.
    """

    folder: Path
    given: Path = field(init=False)
    inside: Path = field(init=False)
    texts: dict[str, bytes] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    met: set[Allowed] = field(default_factory=set)
    """Where a secret stands by design, and did."""
    count: int = 0

    def __post_init__(self) -> None:
        self.given, self.inside = self.folder / "given", self.folder / "world"
        for each in ("given", "world/tmp", "world/user", "world/here", "world/said", "world/seen"):
            (self.folder / each).mkdir(parents=True)
        self.ledger = self.folder / "ledger"

    # --- what people have ------------------------------------------------------------------------------

    def text(self, name: str, content: str) -> Path:
        """A file of somebody's, kept apart, with a secret that is looked for."""
        self.texts[name] = content.encode()
        file = self.given / name.replace(" ", "-")
        file.write_text(content + "\n")
        return file

    # --- processes ---------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "PYTHONFAULTHANDLER": "1",
            "MOSAIC_KEYRING": "no",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.inside / "user"),
            "TMPDIR": str(self.inside / "tmp"),
        }

    def begin(self, *arguments: str | Path, fault: str = "-") -> Started:
        self.count += 1
        words = [str(each) for each in arguments]
        called = "-".join(word for word in words[:2] if word.isalpha())
        return Started(self, words, f"{self.count:03}.{called}", fault)

    def run(self, *arguments: str | Path, stdin: str = "", fault: str = "-", code: int | None = 0) -> str:
        """Runs a command to its end. Returns what it printed."""
        done = self.begin(*arguments, fault=fault).end(stdin)
        assert code is None or done.code == code, (arguments, done.code, done.out, done.err)
        return done.out + done.err

    def objects(self, *arguments: str | Path, stdin: str = "") -> list[dict[str, Any]]:
        done = self.begin(*arguments, "--json").end(stdin)
        assert done.code == 0, (arguments, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def one(self, *arguments: str | Path, stdin: str = "") -> dict[str, Any]:
        (item,) = self.objects(*arguments, stdin=stdin)
        return item

    @contextlib.contextmanager
    def serving(self, home: Path, fault: str = "-", *more: str) -> Iterator[Started]:
        at = ("--tcp", "127.0.0.1:0", "--quic", "off", "--ws", "off", "--dht", "off", "--web", "127.0.0.1:0")
        started = self.begin("serve", "--home", home, *at, *more, fault=fault)
        try:
            assert started.process.stdout is not None
            started.line = json.loads(started.process.stdout.readline())
            started.sample("begin")
            yield started
        finally:
            started.sample("end")
            started.process.send_signal(signal.SIGTERM)
            started.end()

    # --- what is looked for ------------------------------------------------------------------------------

    def call(self, public: bytes, name: str) -> None:
        """Names a secret by its public key."""
        self.names.setdefault(public, name)

    def secrets(self) -> dict[str, tuple[str, bytes]]:
        """All secrets that there ever were, by their names."""
        found: dict[str, tuple[str, bytes]] = {name: ("text", text) for name, text in self.texts.items()}
        kinds: dict[bytes, str] = {}
        for line in self.ledger.read_text().splitlines():
            told = json.loads(line)
            secret = bytes.fromhex(told["hex"])
            # A sealed key of another kind passes through the same hands: what it was first called holds.
            kinds[secret] = told["what"] if told["what"] != "ed25519" else kinds.get(secret, "ed25519")
        for number, (secret, what) in enumerate(kinds.items()):
            if what in {"ed25519", "x25519", "nostr", "pairing"}:
                found[self._name(secret, what, number)] = ("raw", secret)
            else:
                found[f"{what} {number}"] = ("text", secret)
                if what == "home password":
                    found[f"{what} {number} as bytes"] = ("raw", human.decode("", secret.decode()))
        return found

    def _name(self, secret: bytes, what: str, number: int) -> str:
        if what == "pairing":
            return f"pairing {number}"
        publics = [SecretKey.from_seed(secret).public.bytes, X25519Secret(secret).public]
        if what == "nostr":
            publics.append(NostrSecret(secret).public)
        return next((self.names[each] for each in publics if each in self.names), f"{what} {number}")

    def places(self) -> Iterator[tuple[str, bytes]]:
        """All that was written, said or shown, each with its content."""
        for path in sorted(self.inside.rglob("*")):
            place = str(path.relative_to(self.inside))
            if path.is_symlink():
                yield place, os.fsencode(path.readlink())
            else:
                yield place, path.read_bytes() if path.is_file() else b""

    def leaks(self) -> list[Found]:
        """Secrets that stand where they should not."""
        found = Search(self.secrets()).among(self.places())
        return [each for each in found if not self._may(each)]

    def _may(self, found: Found) -> bool:
        for allowed in ALLOWED:
            if found.place.endswith(allowed.place) and found.name.startswith(allowed.secret):
                self.met.add(allowed)
                file = self.inside / found.place
                return allowed.mode is None or stat.S_IMODE(file.stat().st_mode) == allowed.mode
        return False


class Started:
    """A process of `mosaic`."""

    def __init__(self, world: World, words: list[str], name: str, fault: str) -> None:
        self.world, self.name = world, name
        self.line: dict[str, Any] = {}
        self._error = world.inside / "said" / f"{name}.err"
        self._first = ""
        with self._error.open("wb") as error:
            self.process: subprocess.Popen[str] = subprocess.Popen(
                [sys.executable, LAUNCHER, world.ledger, world.inside / "seen", fault, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error,
                env=world.environment(),
                cwd=world.inside / "here",
                encoding="utf-8",
            )
        self.sample("begin")
        self.code = 0
        self.out = self.err = ""

    def sample(self, when: str) -> None:
        """Keeps what the system shows of the process; of most it shows nothing but its arguments."""
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                shown = Path(f"/proc/{self.process.pid}/{name}").read_bytes()
                (self.world.inside / "seen" / f"{self.process.pid}-{when}-{name}").write_bytes(shown)

    def until(self, words: str) -> str:
        """The first line that it prints with these words in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._first += line
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never said: {self._first} {self._error.read_text()}")

    def end(self, stdin: str | None = "") -> Started:
        """Waits until it has ended, and keeps what it said."""
        rest, _ = self.process.communicate(stdin, timeout=PATIENCE_S)
        self.code, self.out, self.err = self.process.returncode, self._first + rest, self._error.read_text()
        (self.world.inside / "said" / f"{self.name}.out").write_text(self.out)
        return self
