"""The page for operators names commands, options, settings and numbers that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mosaic.cli.main import mosaic
from mosaic.node.configuration import PREFIX
from mosaic.node.metrics import METRICS
from mosaic.node.presets import names
from mosaic.node.setting_entries import entries
from mosaic.node.settings import NodeSettings
from mosaic.web.settings import WebSettings

PAGE = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
ALERTS = (Path(__file__).parents[1] / "packaging" / "alerts.yml").read_text(encoding="utf-8")


def lines() -> list[str]:
    """Every command of the page, in its blocks and in its text."""
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    written = [line.partition("#")[0].strip() for line in blocks.splitlines()]
    inline = [" ".join(found.split()) for found in re.findall(r"`(mosaic [^`]+)`", PAGE + ALERTS)]
    inline += re.findall(r'"[^"]*?\b(mosaic (?:admin|config|status)[\w ]*)[.:"]', ALERTS)
    return sorted({line for line in [*written, *inline] if line.startswith("mosaic ")})


@pytest.mark.parametrize("line", lines())
def test_every_command_is_one_with_these_options(line: str) -> None:
    command: click.Command = mosaic
    words = line.split()[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None and command.name == "backup":
            found = command.get_command(click.Context(command), "make")
            words.insert(0, "make")
        assert found is not None, words[0]
        command = found
        words.pop(0)
    known = {option for each in command.params for option in each.opts}
    assert set(re.findall(r"(?<!\S)--[\w-]+", " ".join(words))) <= known
    takes_words = any(isinstance(each, click.Argument) for each in command.params)
    assert takes_words or not words or words[0].startswith("--")


def test_every_section_and_setting_is_one() -> None:
    known = {
        **entries(NodeSettings()),
        **{f"page.{path}": each for path, each in entries(WebSettings()).items()},
    }
    sections = {path.rpartition(".")[0] for path in known} | {
        path for path, entry in known.items() if entry.tables is not None
    }
    sections |= {section.partition(".")[0] for section in sections}
    assert set(re.findall(r"`\[+([a-z.]+)\]+`", PAGE)) <= sections
    assert set(re.findall(r"\[([a-z]+)\]", re.sub(r"\[\w+\]\)|\w\[\w+\]", "", ALERTS))) <= sections
    last = {entry.name for entry in known.values()}
    assert set(re.findall(r"`(\w+) = ", PAGE)) <= last
    for name, section in re.findall(r"`(\w+)` in\s+`\[([a-z.]+)\]`", PAGE):
        assert f"{section}.{name}" in known
    assert PREFIX not in PAGE


def test_every_number_is_told() -> None:
    told = {f"mosaic_{row.name}" for row in METRICS}
    assert set(re.findall(r"`(mosaic_\w+)`", PAGE)) <= told


def test_every_preset_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(names())
