"""What no message shows, whoever wrote it: secret keys, what opens the page, codes for pairing, logins.

Whoever pastes a secret into the wrong place finds it neither in the error that
follows nor in a log. Such texts are known by how they begin.

Source: human_encodings.md and encrypted_secret_key.md (mosec0, mocryptsec0); NIP-19 (nsec1), NIP-49
(ncryptsec1); this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "(hidden)"
"""In place of a secret."""

_ANY: Final = re.compile(r"(?i)sec[01]|token=|pair=|://[^\s/]+@")
"""Without this there is none of them: most messages are done with."""
# No public text can hold `mosec0`: z-base-32 has no zero. `nsec1` it can hold, so that must begin a word.
_KEY: Final = re.compile(r"(?i)mo(?:crypt)?sec0\w+|(?<![a-z0-9])n(?:crypt)?sec1\w+")
_WHOLE: Final = re.compile(r"(?i)mosec0[a-z0-9]{52}|(?<![a-z0-9])nsec1[a-z0-9]{58}")
TAKE_IT_OUT: Final = "Take it out: who reads it could be you, and nobody can take it back."
_OTHERS: Final = (
    re.compile(r"(?i)(?<=token=)[^\s&\"']+"),
    re.compile(r"(?i)(?<=[?&]pair=)\w+"),
    re.compile(r"(?<=://)[^\s/@\"']+(?=@)"),
)


def holds_secret_key(text: str) -> bool:
    """Whether a whole secret key, not encrypted, stands in a text that is to be published."""
    return _WHOLE.search(text) is not None


def hidden(text: str) -> str:
    """A text without the secrets in it."""
    if _ANY.search(text) is None:
        return text
    text = _KEY.sub(HIDDEN, text)
    for secret in _OTHERS:
        text = secret.sub(HIDDEN, text)
    return text
