"""A key as people pass it on: somebody's, a server's, or bare and then either.

Source: human_encodings.md; rationale.md (one key may be user and server at once).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mosaic.core import human
from mosaic.core.keys import PublicKey

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key, and what it was said to be.

    Args:
        key: The key.
        person: It may be a person's.
        server: It may be a server's.
    """

    key: PublicKey
    person: bool = True
    server: bool = True

    @classmethod
    def parse(cls, text: str) -> NamedKey:
        """`mopub0…` (a person), `mosrv0…` (a server), or a bare key in z-base-32 or hexadecimal (either).

        Raises:
            InvalidText: none of these.
            InvalidKey: the bytes are no acceptable key.
        """
        text = text.strip()
        if _HEXADECIMAL.fullmatch(text):
            return cls(PublicKey.from_bytes(bytes.fromhex(text)))
        key = PublicKey.parse(text)
        return cls(
            key,
            person=not text.startswith(human.SERVER_KEY),
            server=not text.startswith(human.USER_KEY),
        )

    def __str__(self) -> str:
        return self.key.user_text if self.person else self.key.server_text
