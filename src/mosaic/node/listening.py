"""Listens where the settings of a node say.

Source: url.md, transports.md; edition §2 (native and browser mode).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import ListenFailed, UsageError
from mosaic.node.listeners import ListenAt
from mosaic.node.operating_settings import BrowserName
from mosaic.transport.transport import HostCertificate, Transport

if TYPE_CHECKING:
    from mosaic.node.node import Node


def listen(node: Node) -> None:
    """Listens everywhere that its settings say.

    Raises:
        UsageError: the file of a certificate can't be read.
        ListenFailed: an address can't be had; the hint names the option.
    """
    settings = node.settings.listen
    names = tuple(map(_certificate, settings.name))
    listeners = ((Transport.TCP, settings.tcp), (Transport.QUIC, settings.quic), (Transport.WS, settings.ws))
    for transport, where in listeners:
        if not where:
            continue
        ws = transport is Transport.WS
        at = ListenAt(transport, where.host, where.port, names if ws else (), plain=ws and settings.ws_plain)
        option = f"--{transport.value}"
        try:
            node.listen(at)
        except ListenFailed as error:
            hint = f"Another program may use the port. Name another with {option} HOST:PORT (0 for any),"
            hint = f"{hint} or leave it out with {option} off."
            if at.names:
                hint = f"Look at the files of --ws-cert and --ws-key. Or else: {hint}"
            raise ListenFailed(f"{option}: {error}", hint=hint) from error


def _certificate(named: BrowserName) -> HostCertificate:
    try:
        chain, key = Path(named.certificate).read_bytes(), Path(named.key).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{error.filename} can't be read: {error.strerror}",
            hint="Look at [[listen.name]] or --ws-cert, --ws-key.",
        ) from error
    return HostCertificate(named.name.lower(), chain, key)
