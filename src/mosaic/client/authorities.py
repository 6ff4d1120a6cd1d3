"""The authorities whose certificates count in browser mode: the system's, or those in a file.

Source: websockets.md, edition §2 (browser mode).
"""

from __future__ import annotations

import ssl
from pathlib import Path

from mosaic.errors import LocalError

_BEGIN = b"-----BEGIN CERTIFICATE-----"
# Where systems keep them in one file, if OpenSSL does not know.
_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_HINT = "Name a file of certificates (PEM) in the settings (authorities_file)."


class Authorities:
    """Certificates in PEM, read when first needed.

    Args:
        path: A file; the system's certificates if empty.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._data = b""

    def certificates(self) -> bytes:
        """All of them.

        Raises:
            LocalError: the file can't be read or holds none, or the system has none.
        """
        if not self._data:
            self._data = _read(self._path) if self._path else _of_the_system()
        return self._data


def _read(path: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LocalError(f"{path} can't be read: {error.strerror}", hint=_HINT) from error
    if _BEGIN not in data:
        raise LocalError(f"{path} holds no certificate in PEM", hint=_HINT)
    return data


def _of_the_system() -> bytes:
    for path in (ssl.get_default_verify_paths().cafile, *_USUAL):
        if path and Path(path).is_file():
            return _read(path)
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not known:
        raise LocalError("this system has no certificates of authorities", hint=_HINT)
    return "".join(map(ssl.DER_cert_to_PEM_cert, known)).encode()
