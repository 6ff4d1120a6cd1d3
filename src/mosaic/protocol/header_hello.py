"""HELLO and HELLO ACK as fields of a WebSocket's HTTP heads, for clients that can set them.

    X-Mosaic-Versions: 0                     major versions that the client speaks
    X-Mosaic-Features: 0,1                   ids of applications, decimal; what is none is passed over
    X-Mosaic-Authenticate-As: mopub0…        the key that the client will prove, if any
    X-Mosaic-Server-Authenticate-Nonce: …    22 to 64 characters of base64url: the server is to prove its key

    X-Mosaic-Version: 0                      the greatest that both speak
    X-Mosaic-Features-Accepted: 0,1
    X-Mosaic-Server-Authentication: …        base64 with padding
    X-Mosaic-Client-Authenticate-Nonce: …    only if the client named a key
    X-Mosaic-Service-Url: https://…          where people manage what they have with the server, if anywhere

What is signed has the BLAKE3-256 of each nonce's text. Without a key of the
client's, its key and the server's nonce are 32 zero bytes.

Source: websockets.md "HELLO Messages"; edition §2.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.errors import FormatError, InvalidMessage
from mosaic.protocol.http_head import Head
from mosaic.protocol.settings import MAJOR_VERSION
from mosaic.wire.layout import SIGNATURE_LENGTH

VERSIONS: Final = "X-Mosaic-Versions"
FEATURES: Final = "X-Mosaic-Features"
AUTHENTICATE_AS: Final = "X-Mosaic-Authenticate-As"
SERVER_AUTHENTICATE_NONCE: Final = "X-Mosaic-Server-Authenticate-Nonce"
VERSION: Final = "X-Mosaic-Version"
FEATURES_ACCEPTED: Final = "X-Mosaic-Features-Accepted"
SERVER_AUTHENTICATION: Final = "X-Mosaic-Server-Authentication"
CLIENT_AUTHENTICATE_NONCE: Final = "X-Mosaic-Client-Authenticate-Nonce"
SERVICE_URL: Final = "X-Mosaic-Service-Url"

_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_MAJOR_LIMIT: Final = 256
_APPLICATION_LIMIT: Final = 2**32


@dataclass(frozen=True, slots=True)
class HeaderHello:
    """HELLO in header form.

    Attributes:
        versions: Major versions that the client speaks.
        applications: Ids of the applications that it asks for.
        nonce: The text for which the server is to prove its key, or None.
        key: The key (32 bytes) that the client will prove, or None.
    """

    versions: tuple[int, ...]
    applications: tuple[int, ...]
    nonce: str | None = None
    key: bytes | None = None

    @property
    def version(self) -> int | None:
        """The greatest version that we speak, too; None if there is none."""
        return max((version for version in self.versions if version <= MAJOR_VERSION), default=None)

    @classmethod
    def read(cls, head: Head) -> HeaderHello | None:
        """HELLO in a request, None if it is not there: then it comes as a message.

        Raises:
            InvalidMessage: a field is malformed, or one stands without another that it needs.
        """
        versions = head.one(VERSIONS)
        features = head.one(FEATURES)
        name = head.one(AUTHENTICATE_AS)
        nonce = head.one(SERVER_AUTHENTICATE_NONCE)
        if versions is None:
            if any(field is not None for field in (features, name, nonce)):
                raise InvalidMessage(f"HELLO in header form needs {VERSIONS}")
            return None
        if name is not None and nonce is None:
            # Else the client would prove itself to whoever answers.
            raise InvalidMessage(f"{AUTHENTICATE_AS} needs {SERVER_AUTHENTICATE_NONCE}")
        if nonce is not None:
            check_nonce(nonce, SERVER_AUTHENTICATE_NONCE)
        return cls(_versions(versions), _applications(features or ""), nonce, _key(name))

    def write(self) -> list[tuple[str, str]]:
        """The fields of a request."""
        fields = [(VERSIONS, joined(self.versions)), (FEATURES, joined(self.applications))]
        if self.key is not None:
            fields.append((AUTHENTICATE_AS, PublicKey(self.key).user_text))
        if self.nonce is not None:
            fields.append((SERVER_AUTHENTICATE_NONCE, self.nonce))
        return fields


def nonce_text(entropy: bytes) -> str:
    """A nonce as it is written in a field: base64url of 32 random bytes."""
    return urlsafe_b64encode(entropy).rstrip(b"=").decode()


def check_nonce(text: str, field: str) -> None:
    """Refuses a nonce that is not 22 to 64 characters of base64url. Raises InvalidMessage."""
    if _NONCE.fullmatch(text) is None:
        raise InvalidMessage(f"{field} is not 22 to 64 characters of base64url")


def signature_text(signature: bytes) -> str:
    """A signature as it is written in a field."""
    return b64encode(signature).decode()


def signature_of(text: str) -> bytes:
    """The signature (64 bytes) in a field. Raises InvalidMessage."""
    try:
        signature = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        signature = b""
    if len(signature) != SIGNATURE_LENGTH or signature_text(signature) != text:
        raise InvalidMessage(f"{SERVER_AUTHENTICATION} is not the base64 of 64 bytes, with padding")
    return signature


def joined(numbers: tuple[int, ...]) -> str:
    """Numbers as a list in a field."""
    return ",".join(str(number) for number in numbers)


def _members(text: str) -> list[str]:
    return [member for part in text.split(",") if (member := part.strip(" \t"))]


def _versions(text: str) -> tuple[int, ...]:
    members = _members(text)
    if not members or not all(_NUMBER.fullmatch(each) and int(each) < _MAJOR_LIMIT for each in members):
        raise InvalidMessage(f"{VERSIONS} is no list of major version numbers")
    return tuple(int(each) for each in members)


def _applications(text: str) -> tuple[int, ...]:
    numbers = (int(each) for each in _members(text) if _NUMBER.fullmatch(each))
    return tuple(number for number in numbers if number < _APPLICATION_LIMIT)


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return PublicKey.parse_user(text).bytes
    except FormatError:
        raise InvalidMessage(f"{AUTHENTICATE_AS} is no key in the form mopub0…") from None


def read_answer(head: Head, asked: HeaderHello) -> tuple[int, tuple[int, ...]]:
    """The version and the applications that a server has agreed to in its response.

    Raises:
        InvalidMessage: they are missing, malformed or were not asked for.
    """
    version = head.one(VERSION)
    if version is None or _NUMBER.fullmatch(version) is None or int(version) not in asked.versions:
        raise InvalidMessage(f"{VERSION} is none that was asked for")
    applications = _applications(head.one(FEATURES_ACCEPTED) or "")
    if not set(applications) <= set(asked.applications):
        raise InvalidMessage(f"{FEATURES_ACCEPTED} names applications that were not asked for")
    return int(version), applications
