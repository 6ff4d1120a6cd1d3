"""How a command gets at the master key: its file and its password, never on the command line.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common
from mosaic.errors import MasterAway, PasswordNeeded, UsageError
from mosaic.node.control import JsonObject

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class MasterOptions:
    """What was given to open a master key.

    Args:
        file: The file in which it is, `-` for standard input; None = the one in the home.
        password_file: The file whose first line is the password.
        offline: Whether to go on though no outbox can be read.
    """

    file: str | None
    password_file: Path | None
    offline: bool = False


password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Holds the password of the master key, in its first line; else it is asked for.",
)


dht_option = click.option(
    "--dht",
    metavar="mainline|HOST:PORT|off",
    help="Where your servers are looked up, if no node runs here; else as the settings say.",
)


def master_file_options(command: _Command) -> _Command:
    """Adds `--master` and `--password-file`; the command gets them as `unlocking`."""

    def run(*given: Any, master: str | None, password_file: Path | None, **rest: Any) -> Any:
        offline = bool(rest.pop("offline", False))
        return command(*given, unlocking=MasterOptions(master, password_file, offline), **rest)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    named = click.option(
        "--master",
        metavar="FILE",
        help="The master key, which this needs, if not in the home; - is standard input.",
    )
    return named(password_option(run))  # type: ignore[return-value]


def master_options(command: _Command) -> _Command:
    """Adds `--master`, `--password-file` and `--offline`; the command gets them as `unlocking`."""
    offline = click.option("--offline", is_flag=True, help="Go on though no outbox of yours can be read.")
    return master_file_options(offline(command))


def given_with_master(given: JsonObject, unlocking: MasterOptions) -> JsonObject:
    """An act's arguments with what opens the master key. Raises UsageError if a file can't be read."""
    given = {**given, **({"offline": True} if unlocking.offline else {})}
    if unlocking.file is not None:
        given["master"] = _content(unlocking.file)
    if unlocking.password_file is not None:
        given["password"] = first_line(unlocking.password_file)
    return given


@contextlib.contextmanager
def naming_the_command() -> Iterator[None]:
    """Names the command that gives the master key, where it turns out to be needed.

    Raises:
        MasterAway: it is away; the hint says what to say.
        PasswordNeeded: it is under a password; the hint says what to say.
    """
    try:
        yield
    except (MasterAway, PasswordNeeded) as error:
        if error.hint != type(error).default_hint:
            raise
        said = click.get_current_context().command_path
        option = "--master FILE" if isinstance(error, MasterAway) else "--password-file FILE"
        raise type(error)(str(error), hint=f"`{said} … {option}` gives it: {_GIVES[type(error)]}") from None


_GIVES: dict[type, str] = {
    MasterAway: "the file that `mosaic key master export` wrote; with - it is read from standard input.",
    PasswordNeeded: "the file has it in its first line. On a terminal it is asked for.",
}


def act_with_master(
    options: Common,
    name: str,
    given: JsonObject,
    unlocking: MasterOptions,
    *,
    working: bool = False,
    dht: str | None = "off",
) -> list[JsonObject]:
    """Runs an act that needs the master key, and asks for its password where that is needed.

    `working` and `dht` as in `acting.act`.

    Raises:
        PasswordNeeded: it is, and nobody is there to be asked.
        MasterAway: the master key is not on this machine, and no file was given.
        UsageError: a file can't be read.
    """
    given = given_with_master(given, unlocking)
    with naming_the_command():
        try:
            return list(act(options.home, name, given, working=working, dht=dht))
        except PasswordNeeded:
            if not sys.stdin.isatty():
                raise
        given["password"] = asked("Password of the master key")
        return list(act(options.home, name, given, working=working, dht=dht))


def asked(question: str, *, new: bool = False) -> str:
    """A password that somebody types."""
    return str(click.prompt(question, hide_input=True, confirmation_prompt=new, err=True))


def first_line(file: Path) -> str:
    """The first line of a file, without spaces around it. Raises UsageError."""
    try:
        return file.read_text("utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read: {error}", hint="Name another file.") from None


def _content(file: str) -> str:
    if file == "-":
        return sys.stdin.read(_LONGEST)
    try:
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read: {error}", hint="Name the file of the master key.") from None
