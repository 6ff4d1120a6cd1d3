from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from mosaic.errors import UsageError
from mosaic.node import qr_code

LINK = "mosaic:mopub0" + "y" * 52


def test_a_terminal_shows_a_square_with_a_light_edge() -> None:
    lines = qr_code.for_terminal(LINK).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert abs(len(lines) * 2 - len(lines[0])) <= 1
    assert set(lines[0]) == {"█"}


def test_a_page_gets_shapes_alone() -> None:
    for text in (LINK, "<script>alert(1)</script>"):
        svg = qr_code.svg(text)
        assert "xmlns" not in svg
        assert "script" not in svg
        assert "style" not in svg
        root = ET.fromstring(svg)
        assert root.tag == "svg"
        assert {child.tag for child in root.iter()} == {"svg", "g", "path"}


def test_a_file_stands_alone() -> None:
    text = qr_code.svg(LINK, alone=True)
    assert text.startswith("<?xml")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


def test_what_is_too_long_is_told() -> None:
    for make in (qr_code.svg, qr_code.for_terminal):
        with pytest.raises(UsageError, match="too long"):
            make("y" * 4_000)
