"""Profiles: who somebody says he is, as a CBOR map signed by the master key.

Readers take what the text allows. A picture that breaks the rules does not
cost a person his name: it is kept and not shown (`shown_avatar`). Writers
refuse it.

Source: profile.md, edition §3 (Key Schedule and Profile) and §5 (P1, P3, P4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

import cbor2

from mosaic.core import builder, cbor, nonce, webp
from mosaic.core.keys import SecretKey
from mosaic.core.kinds import PROFILE
from mosaic.core.record import Record
from mosaic.errors import FormatError, InvalidContent, InvalidProfile

AVATAR_LIMIT: Final = (320, 320)
BANNER_LIMIT: Final = (1280, 720)

_TEXT_FIELDS = ("name", "display_name", "about", "website", "lud16")
_BYTES_FIELDS = ("avatar", "banner")
_FLAG_FIELDS = ("org", "bot")
_TYPES: Final[Mapping[str, type[str] | type[bytes] | type[bool]]] = MappingProxyType(
    {
        **dict.fromkeys(_TEXT_FIELDS, str),
        **dict.fromkeys(_BYTES_FIELDS, bytes),
        **dict.fromkeys(_FLAG_FIELDS, bool),
    }
)
_Value = TypeVar("_Value", bound=str | bytes | bool)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile says. None means that the field is not there.

    Args:
        name: For `@name`: typeable ASCII. Not unique.
        display_name: Any text, shown beside the name.
        about: Prose.
        avatar: A WebP picture of at most 320 by 320 pixels, as bytes.
        website: A URL.
        banner: A WebP picture of at most 1280 by 720 pixels, as bytes.
        org: Whether this is an organisation.
        bot: Whether this is a bot.
        lud16: A Lightning payment address.
        extra: Further fields, each value as its own CBOR, kept as it came.
    """

    name: str
    display_name: str | None = None
    about: str | None = None
    avatar: bytes | None = None
    website: str | None = None
    banner: bytes | None = None
    org: bool | None = None
    bot: bool | None = None
    lud16: str | None = None
    extra: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @classmethod
    def from_payload(cls, data: bytes) -> Profile:
        """The profile in a payload.

        Raises:
            InvalidProfile: not one CBOR map with text keys, no name, a name that can't be typed,
                a field twice, or of another type than its own.
        """
        known: dict[str, str | bytes | bool] = {}
        extra: dict[str, bytes] = {}
        for key, value in _entries(data):
            if key in known or key in extra:
                raise InvalidProfile(f"the profile has the field {key!r} twice")
            if key in _TYPES:
                known[key] = _decode(value, _TYPES[key], key)
            else:
                extra[key] = value
        name = known.pop("name", None)
        if not isinstance(name, str):
            raise InvalidProfile("the profile has no name")
        if not _typeable(name):
            raise InvalidProfile("the profile's name holds other characters than typeable ASCII")
        return cls(name=name, **known, extra=MappingProxyType(extra))  # type: ignore[arg-type]  # checked above

    def payload(self) -> bytes:
        """The payload, in canonical CBOR (the same profile always gives the same bytes).

        Raises:
            InvalidProfile: a name that is empty, can't be typed or has a blank at an end; a picture that is
                no WebP or too large; a further field that is not CBOR or has the name of a known one.
        """
        self._check()
        entries = {name: cbor2.dumps(value) for name in _TYPES if (value := getattr(self, name)) is not None}
        entries.update(self.extra)
        encoded = sorted((cbor2.dumps(name), value) for name, value in entries.items())
        data = cbor.map_head(len(encoded)) + b"".join(key + value for key, value in encoded)
        self.from_payload(data)
        return data

    @property
    def shown_avatar(self) -> bytes | None:
        """The avatar if it may be shown: a WebP picture within its limits."""
        return _shown(self.avatar, AVATAR_LIMIT)

    @property
    def shown_banner(self) -> bytes | None:
        """The banner if it may be shown: a WebP picture within its limits."""
        return _shown(self.banner, BANNER_LIMIT)

    def _check(self) -> None:
        if not self.name or self.name != self.name.strip() or not _typeable(self.name):
            raise InvalidProfile(
                "the name may hold only letters from a to z, digits and signs, and no blank at either end",
                hint="Choose such a name; the display name, set by `mosaic profile`, may hold anything.",
            )
        _check_picture("avatar", self.avatar, AVATAR_LIMIT)
        _check_picture("banner", self.banner, BANNER_LIMIT)
        for name in _TEXT_FIELDS:
            value = getattr(self, name)
            if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
                raise InvalidProfile(f"{name} holds half of a character (a lone surrogate)")
        if any(name in _TYPES for name in self.extra):
            raise InvalidProfile("a further field has the name of a known one")


def parse(record: Record) -> Profile:
    """The profile in a valid record.

    Raises:
        InvalidProfile: another kind, not signed by the master key, or the payload is no profile.
    """
    if record.kind != PROFILE:
        raise InvalidProfile("the record is of another kind")
    if record.author_bytes != record.signer_bytes:
        raise InvalidProfile("the profile is not signed by the master key")
    try:
        return Profile.from_payload(record.content())
    except InvalidContent as error:
        raise InvalidProfile(str(error)) from None


def build(master: SecretKey, profile: Profile, timestamp: int) -> Record:
    """The record of a profile, signed by the master key.

    Args:
        master: The author's master key.
        profile: What it says.
        timestamp: When it is made, ns.

    Raises:
        InvalidProfile: see `Profile.payload`.
        RecordTooLong: the pictures and texts are over 1 MiB together.
    """
    return builder.build(
        master, kind=PROFILE, nonce=nonce.FIXED, timestamp=timestamp, payload=profile.payload()
    )


def _entries(data: bytes) -> list[tuple[str, bytes]]:
    try:
        entries = cbor.map_entries(data)
    except FormatError as error:
        raise InvalidProfile(f"the profile is malformed: {error}") from None
    if any(key[0] >> 5 != cbor.TEXT for key, _ in entries):
        raise InvalidProfile(
            "the profile's fields are not named by text",
            hint="Ask its author to publish it again with current software; it is not forged.",
        )
    return [(_decode(key, str, "a field's name"), value) for key, value in entries]


def _decode(data: bytes, expected: type[_Value], what: str) -> _Value:
    """One value of a known type, which is never a tagged one."""
    try:
        value = cbor2.loads(data, max_depth=2) if data[0] >> 5 != cbor.TAG else None
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise InvalidProfile(f"{what} is malformed: {error}") from None
    if not isinstance(value, expected):
        raise InvalidProfile(f"{what} is not of type {expected.__name__}")
    return value


def _typeable(name: str) -> bool:
    return all(" " <= character <= "~" for character in name)


def _check_picture(what: str, picture: bytes | None, limit: tuple[int, int]) -> None:
    if picture is None:
        return
    try:
        width, height = webp.dimensions(picture)
    except InvalidContent as error:
        raise InvalidProfile(f"the {what} can't be used: {error}", hint=error.hint) from None
    if width > limit[0] or height > limit[1]:
        raise InvalidProfile(
            f"the {what} has {width} by {height} pixels, {limit[0]} by {limit[1]} are allowed",
            hint="Make it smaller.",
        )


def _shown(picture: bytes | None, limit: tuple[int, int]) -> bytes | None:
    try:
        _check_picture("picture", picture, limit)
    except InvalidProfile:
        return None
    return picture
