"""Profiles: what people say about themselves.

Signed by the master key; of all an author has, the greatest (timestamp, id) holds.

Source: profile.md; edition §3 (Key Schedule and Profile).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from mosaic.core import profile as profile_format
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import PROFILE
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.errors import InvalidProfile
from mosaic.errors.hiding import TAKE_IT_OUT, holds_secret_key
from mosaic.social.records import Records


def profile_record(records: Records, key: PublicKey) -> Record | None:
    """The newest record of somebody's profile, valid or not, or None if there is none."""
    for record in records.newest_first(Filter.of(authors=[key], kinds=[PROFILE])):
        if record.signer == key:
            return record
    return None


def profile_of(records: Records, key: PublicKey) -> Profile | None:
    """Somebody's profile: the newest of those that are valid, or None."""
    for record in records.newest_first(Filter.of(authors=[key], kinds=[PROFILE])):
        if record.signer == key:
            with contextlib.suppress(InvalidProfile):
                return profile_format.parse(record)
    return None


LONGEST_NAME: Final = 64
"""Characters of a name that are shown: a name may fill 1 MiB, and one post mention it a thousand times."""


def name_of(records: Records, key: PublicKey) -> str | None:
    """The `name` that somebody chose, cut where it is over 64 characters, or None if it is not known here."""
    for record in records.newest_first(Filter.of(authors=[key], kinds=[PROFILE])):
        if record.signer == key and (name := _name_in(record)) is not None:
            return name
    return None


_REMEMBERED: Final = 16_384
_names: OrderedDict[bytes, str | None] = OrderedDict()


def _name_in(record: Record) -> str | None:
    """The name in a profile's record, None if it is no valid profile.

    It is remembered by the record's id, which is that of these bytes for ever: pages ask for each post, and
    there may be 1 MiB of profile around the name.
    """
    name = record.data[:48]
    if name not in _names:
        try:
            _names[name] = shortened(profile_format.parse(record).name)
        except InvalidProfile:
            _names[name] = None
        while len(_names) > _REMEMBERED:
            _names.popitem(last=False)
    return _names[name]


def shortened(name: str) -> str:
    """A name as it is shown: cut where it is over 64 characters."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def changed(before: Profile, fields: Mapping[str, object]) -> Profile:
    """A profile with some text and yes-or-no fields set anew; None takes a field out.

    Raises:
        InvalidProfile: there is no such field, or it holds something else, or a secret key.
    """
    for name, value in fields.items():
        kind = _FIELDS.get(name)
        if kind is None:
            raise InvalidProfile(
                f"a profile has no field {name!r}", hint=f"It has {', '.join(_FIELDS)}, avatar and banner."
            )
        if not isinstance(value, kind) and (value is not None or name == "name"):
            raise InvalidProfile(f"{name} holds no {kind.__name__}")
        if isinstance(value, str) and holds_secret_key(value):
            raise InvalidProfile("a secret key stands in the profile", hint=TAKE_IT_OUT)
    return dataclasses.replace(before, **fields)  # type: ignore[arg-type]  # each was looked at above


_FIELDS: Mapping[str, type] = {
    "name": str,
    "display_name": str,
    "about": str,
    "website": str,
    "lud16": str,
    "org": bool,
    "bot": bool,
}
