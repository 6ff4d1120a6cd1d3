"""`mosaic`: all commands, and what happens when one of them fails.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib import metadata

import click

from mosaic.cli.groups import Group
from mosaic.cli.output import Exit, exit_code, print_error
from mosaic.errors import MosaicError, UsageError
from mosaic.node import core_dumps, crash_report
from mosaic.node.logging_setup import clean_without_settings

_INTERRUPTED = 130
_OF_EACH_COMMAND = frozenset({"--home", "--as", "--json"})


def _version() -> str:
    try:
        return metadata.version("mosaic-social")
    except metadata.PackageNotFoundError:
        return "from source"


# Where each command lives, sorted as `mosaic --help` tells them. A command's module is loaded when it is
# used, so that small ones start fast.
_COMMANDS: dict[str, dict[str, tuple[str, ...]]] = {
    "Who you are": {
        "people": ("init", "whoami", "profile", "where"),
        "keys": ("key",),
        "pairing": ("pair",),
        "recovery": ("recovery",),
        "inviting": ("invite", "find"),
    },
    "Your node and its servers": {
        "serving": ("serve", "run"),
        "opening": ("page",),
        "config": ("config",),
        "admin": ("admin",),
        "status": ("status",),
        "servers": ("servers",),
    },
    "What is said": {
        "posting": (
            "post",
            "reply",
            "edit",
            "delete",
            "record",
            "feed",
            "wall",
            "thread",
            "follow",
            "unfollow",
            "following",
        ),
    },
    "Records and files": {
        "records": ("get", "query", "watch", "submit", "queue", "encode", "decode", "verify"),
        "blobs": ("blob",),
    },
    "What is on this machine": {
        "keeping": ("keep", "usage"),
        "exchange": ("export", "import"),
        "syncing": ("sync",),
        "backup": ("backup", "restore"),
        "check": ("check",),
    },
    "To try and to test": {
        "dht": ("dht",),
        "demo": ("demo",),
        "conformance": ("conformance",),
        "test_server": ("test-server",),
    },
}
_MODULES = {
    command: module
    for modules in _COMMANDS.values()
    for module, commands in modules.items()
    for command in commands
}


class _Commands(Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the order in which they are told."""
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, or None."""
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        # `import` is no name for a function, nor is one with a hyphen.
        function = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
        found = getattr(importlib.import_module(f"mosaic.cli.{module}"), function)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises NoSuchCommand, which names those that are spelt alike."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_MODULES, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the lists of the commands, each under what they are about."""
        for about, modules in _COMMANDS.items():
            with formatter.section(about):
                self.write_commands(ctx, formatter, [name for names in modules.values() for name in names])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(_version(), prog_name="mosaic")
def mosaic() -> None:
    """A social network that belongs to those who use it.

    \b
    Begin:
      mosaic run                  make a home, run the node and open its page

    \b
    The same by command:
      mosaic init --name NAME     make a home and your keys
      mosaic serve                run the node and its page, open to others
      mosaic post "Good morning"  say something
      mosaic feed                 read

    \b
    Exit codes: 0 done, 1 refused, 2 wrong usage, 3 server not reached,
    4 something on this machine, 5 done in part.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code."""
    if arguments is None:  # the process is all ours
        core_dumps.switch_off()
        crash_report.report_everywhere()
        clean_without_settings()
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    try:
        mosaic.main(given, prog_name="mosaic", standalone_mode=False)
    except MosaicError as error:
        print_error(error, as_json=as_json)
        sys.exit(exit_code(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        print_error(
            _in_our_words(error),
            as_json=as_json,
        )
        sys.exit(2)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; a second error while closing it would only confuse.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as fault:  # noqa: BLE001 - nobody foresaw it: it is told without what was at work then
        sys.stderr.write(crash_report.report(fault))
        print_error(MosaicError(f"Mosaic failed at it: {type(fault).__name__}"), as_json=as_json)
        sys.exit(Exit.LOCAL)


def _in_our_words(error: click.ClickException) -> UsageError:
    """What is wrong with a command line, and what to do about it."""
    command = _command_of(error)
    group = isinstance(error, click.UsageError) and error.ctx and isinstance(error.ctx.command, click.Group)
    if isinstance(error, click.NoSuchOption) and group and error.option_name in _OF_EACH_COMMAND:
        return UsageError(
            error.message,
            hint=f"It stands behind the command: `mosaic {command}COMMAND {error.option_name} …`.",
        )
    return UsageError(error.format_message(), hint=f"See `mosaic {command}--help`.")


def _command_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    if context is None or context.parent is None:
        return ""
    return f"{context.command_path.partition(' ')[2]} "
