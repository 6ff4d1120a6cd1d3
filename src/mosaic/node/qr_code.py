"""QR codes of short texts, for a terminal and for a page.

Source: ISO/IEC 18004; this project's own design, docs/architecture.md "People find each other".
"""

from __future__ import annotations

import io
from typing import Final

import segno

from mosaic.errors import UsageError

# The light edge that scanners need, in modules: four for paper, two do on a screen.
_EDGE: Final = 4
_EDGE_OF_A_TERMINAL: Final = 2


def for_terminal(text: str) -> str:
    """The code in half blocks, two rows of it to a line; for light letters on a dark ground.

    Raises:
        UsageError: the text is too long for a code.
    """
    lines = io.StringIO()
    _code(text).terminal(lines, border=_EDGE_OF_A_TERMINAL, compact=True)
    return lines.getvalue().rstrip("\n")


def svg(text: str, *, scale: int = 4, alone: bool = False) -> str:
    """The code as an SVG element without any style, dark on light.

    Args:
        text: What it says.
        scale: Pixels for each module.
        alone: As a file of its own, not as a part of a page.

    Raises:
        UsageError: the text is too long for a code.
    """
    found = io.BytesIO()
    _code(text).save(
        found,
        kind="svg",
        scale=scale,
        border=_EDGE,
        light="#fff",
        xmldecl=alone,
        svgns=alone,
        nl=alone,
        svgclass=None if alone else "qr",
        lineclass=None,
    )
    return found.getvalue().decode()


def _code(text: str) -> segno.QRCode:
    try:
        return segno.make_qr(text, error="m", boost_error=False)
    except segno.DataOverflowError:
        raise UsageError(
            "this is too long for a QR code", hint="Pass it on as text, or name fewer servers in it."
        ) from None
