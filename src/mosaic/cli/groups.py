"""Groups of commands: their help tells each command's first sentence whole.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import click

_WHOLE = 1000


class Group(click.Group):
    """Commands under one name. A narrow terminal breaks what its help says of each instead of cutting it."""

    group_class = type  # groups in a group are of the same class

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of the commands."""
        with formatter.section("Commands"):
            self.write_commands(ctx, formatter, self.list_commands(ctx))

    def write_commands(self, ctx: click.Context, formatter: click.HelpFormatter, names: list[str]) -> None:
        """Writes what these commands do, if they are to be seen; all lists of the group are as wide."""
        width = max(map(len, self.list_commands(ctx)))
        commands = [(name, self.get_command(ctx, name)) for name in names]
        formatter.write_dl(
            [
                (name.ljust(width), command.get_short_help_str(limit=_WHOLE))
                for name, command in commands
                if command and not command.hidden
            ]
        )
