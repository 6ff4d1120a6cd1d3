"""One way to a server: a URL, and the form in which both sides prove their keys there.

Source: edition §2 (X.509 and raw public keys; native and browser mode).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mosaic.core.url import ServerUrl


class Form(StrEnum):
    """How keys are proven."""

    CERTIFICATE = "certificate"
    """In the TLS handshake, by self-signed X.509 certificates."""
    RAW_KEY = "raw_key"
    """In the TLS handshake, by raw public keys."""
    BROWSER = "browser"
    """In HELLO, after a TLS handshake with a certificate of an authority; over WebSocket only."""


@dataclass(frozen=True, slots=True)
class Way:
    """A URL and a form.

    Args:
        url: Where the server listens.
        form: How keys are proven there.
    """

    url: ServerUrl
    form: Form
