"""Errors about this machine and this home.

Source: this project's own design, docs/architecture.md "Where to find a rule".
"""

from __future__ import annotations

from mosaic.errors.base import MosaicError


class LocalError(MosaicError):
    """Something on this machine stands in the way."""


class HomeMissing(LocalError):
    """There is no Mosaic home in this folder."""

    default_hint = "Make one with `mosaic init --name NAME`, or name another with --home DIR."


class HomeExists(LocalError):
    """There is a Mosaic home in this folder already."""

    default_hint = "Use it as it is, or name another folder with --home DIR."


class HomeInUse(LocalError):
    """Another process holds this home and does not answer."""

    default_hint = "Stop the other process, or wait until it has finished."


class HomeNewer(LocalError):
    """This home was written by a newer version of Mosaic."""

    default_hint = "Install the newer version again; this one would damage what it does not know."


class HomeDamaged(LocalError):
    """A file of this home can't be read."""


class UnknownPerson(LocalError):
    """Nobody of that name lives in this home."""

    default_hint = "`mosaic key list` shows who does; make a person with `mosaic init --name NAME`."


class UnknownKey(LocalError):
    """The person has no such key."""

    default_hint = "`mosaic key list` shows all keys; name one by its label or its first letters."


class MasterAway(LocalError):
    """This needs the master key, which is not on this machine."""

    default_hint = "Name the file that `mosaic key master export` wrote: --master FILE."


class PasswordNeeded(LocalError):
    """This needs the master key, which is under a password of your own."""

    default_hint = "Enter it when asked, or name a file that holds it: --password-file FILE."


class StoreError(LocalError):
    """The store could not do what was asked."""


class StoreFull(StoreError):
    """The disk is full; nothing was lost, nothing more can be written."""

    default_hint = "Free some space; the store goes on by itself."


class StoreCrowded(StoreError):
    """More records match than this server handles at once."""

    default_hint = "Ask for less at once: narrow the filter, or take a shorter time."


class StoreDamaged(StoreError):
    """The record log is damaged before its end."""

    default_hint = "Restore a backup; keep the damaged folder, most of it can be read."


class BlobRefused(LocalError):
    """The blob was not stored."""


class BlobTooLarge(BlobRefused):
    """The blob is larger than this server takes."""


class BlobMismatch(BlobRefused):
    """The blob's bytes do not have the hash they were announced with."""


class ListenFailed(LocalError):
    """The address could not be listened on."""

    default_hint = "Another program may use the port: name another with --tcp HOST:PORT, or port 0 for any."


class DhtBusy(LocalError):
    """Too many look-ups are under way in the DHT."""

    default_hint = "Wait a moment and try again."


class SettingsInvalid(LocalError):
    """The settings file has faults."""

    default_hint = "Mend what is named; `mosaic config --check` looks at it again."


class BackupDamaged(LocalError):
    """The file is not whole, or was changed."""

    default_hint = "Take an older backup, or copy this one again from where it came."


class KernelOutdated(LocalError):
    """The compiled kernel does not fit the Python code beside it."""

    default_hint = "Build it again with `make setup`."
