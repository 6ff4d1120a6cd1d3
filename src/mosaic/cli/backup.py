"""The commands backup and restore.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import click

from mosaic.cli.acting import act
from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object, say, text_of
from mosaic.errors import BackupDamaged, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.home import Home, default_folder
from mosaic.node.restore import erased_in, try_backup
from mosaic.node.restore import restore as restore_home

_VARIABLE = "MOSAIC_BACKUP_PASSWORD_FILE"


class _WithDefault(Group):
    """`mosaic backup FILE` is `mosaic backup make FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `make` before what names no command."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


_password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Holds the password, in its first line; else {_VARIABLE}, else it is asked for.",
)


@click.group(cls=_WithDefault)
def backup() -> None:
    """Back up a home while it is in use: records, blobs, keys and settings.

    `mosaic backup FILE` is `mosaic backup make FILE`. Bring it back with
    `mosaic restore`.
    """


@backup.command()
@click.argument("file", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--plain", is_flag=True, help="Do not encrypt it, and leave the password of the keys out.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the newest N backups in FOLDER.")
@_password_file
@common
def make(options: Common, file: Path, *, plain: bool, keep: int | None, password_file: Path | None) -> None:
    """Make a backup.

    It holds everything of the home at one moment and is encrypted with a
    password, which you need to bring it back: keep it apart from the file. A
    plain backup can be read by everybody and can't open your keys again.

    \b
    Examples:
      mosaic backup /mnt/stick/home.mosaic-backup
      mosaic backup /var/backups/mosaic --keep 14 --password-file /etc/mosaic/backup-password

    \f
    Raises:
        UsageError: there is no such folder.
    """
    target = file.absolute()
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="Make it, or name another file.")
    password = None if plain else _password(password_file, new=True)
    arguments = options.arguments(path=str(target), password=password, plain=plain, keep=keep)
    for item in act(options.home, "backup", arguments):
        if options.as_json:
            print_object(item)
        elif item["done"]:
            records, size = int(text_of(item, "records")), int(text_of(item, "bytes"))
            say(f"{text_of(item, 'path')}: about {records:,} records, {size:,} bytes")
            removed = item["removed"]
            for old in removed if isinstance(removed, list) else []:
                notice(f"removed {old}")


@backup.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--in",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Where there is room for all of it meanwhile; else beside FILE.",
)
@_password_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def test(file: Path, folder: Path | None, password_file: Path | None, *, as_json: bool) -> None:
    """Try whether a backup can be restored.

    It is restored, everything is looked at, and removed again. Exit code 4
    if it can't be.

    \f
    Raises:
        BackupDamaged: what comes out is not as it should be.
        MosaicError: it can't be restored.
    """
    with file.open("rb") as source:
        tried = try_backup(
            source, (folder or file.parent).absolute(), _password_of(source, password_file), _teller()
        )
    item: JsonObject = {
        "records": str(tried.records),
        "made_ns": str(tried.manifest.made_ns),
        "server": tried.manifest.server,
        "members": str(len(tried.manifest.members)),
        "faults": list(tried.faults),
    }
    if as_json:
        print_object(item)
    else:
        say(f"{tried.records:,} records and {len(tried.manifest.members):,} files of {tried.manifest.server}")
        for fault in tried.faults:
            notice(f"  {fault}")
    if tried.faults:
        raise BackupDamaged("what comes out of the backup is not as it should be")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--home",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the home is to be: a new or an empty folder; else MOSAIC_HOME, else the usual one.",
)
@click.option(
    "--erased",
    "newer",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A newer backup: whom it says were erased are erased again. Same password.",
)
@_password_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(
    file: Path, folder: Path | None, newer: Path | None, password_file: Path | None, *, as_json: bool
) -> None:
    """Make a home of a backup, with all keys, records, blobs and settings.

    Never let two homes of the same backup serve at once. Before the first
    `mosaic serve` goes on it asks others for what was deleted since.

    \b
    Example:
      mosaic restore home.mosaic-backup --home /srv/mosaic

    \f
    Raises:
        MosaicError: it can't be restored; the folder is as it was.
    """
    target = (folder or default_folder()).absolute()
    erased: list[bytes] = []
    if newer is not None:
        with newer.open("rb") as source:
            erased = erased_in(source, _password_of(source, password_file))
    with file.open("rb") as source:
        manifest = restore_home(source, target, _password_of(source, password_file), _teller(), erased=erased)
    item: JsonObject = {
        "home": str(target),
        "server": manifest.server,
        "records": str(manifest.records),
        "made_ns": str(manifest.made_ns),
        "keys": Home(target).unlock_file.exists(),
        "erased": str(len(erased)),
    }
    if as_json:
        print_object(item)
        return
    say(f"{target}: about {manifest.records:,} records of {manifest.server}")
    notice("If the machine that it is from still runs, stop its node: two of them would be one and the same.")
    notice("To use both, give one a device key of its own: `mosaic pair` from an empty home.")
    if not item["keys"]:
        notice("The backup is plain: the keys open only where this account's keyring has their password,")
        notice(f"or when you put the file `unlock` into {target}.")


def _password_of(source: BinaryIO, file: Path | None) -> str | None:
    """The password of a backup, if it needs one."""
    head = source.read(10)
    source.seek(0)
    return _password(file, new=False) if head[9:] != b"\0" else None


def _password(file: Path | None, *, new: bool) -> str:
    """From a file, or asked for. Raises UsageError."""
    named = file or (Path(os.environ[_VARIABLE]) if os.environ.get(_VARIABLE) else None)
    if named is not None:
        try:
            password = named.read_text("utf-8").split("\n", 1)[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{named} can't be read: {error}", hint="Name another file.") from None
    elif sys.stdin.isatty():
        password = click.prompt("Password of the backup", hide_input=True, confirmation_prompt=new, err=True)
    else:
        raise UsageError(
            "the password of the backup is missing", hint="Name a file that holds it: --password-file FILE."
        )
    if not password:
        raise UsageError("the password is empty", hint="Write one into the file's first line.")
    return password


def _teller() -> Callable[[int], None]:
    """Shows on a terminal how far it is."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda done: click.echo(f"\r{done // 1_000_000:,} MB", nl=False, err=True)
