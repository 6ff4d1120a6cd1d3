"""Presets: settings for a kind of server, each a TOML text beside this module.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from importlib import resources
from typing import Final

PRESETS: Final = ("personal", "family", "community", "public", "archive")
"""The names, the most private first."""


def names() -> tuple[str, ...]:
    """All presets."""
    return PRESETS


def text(name: str) -> str:
    """The TOML text of a preset.

    Args:
        name: One of `names()`.
    """
    return resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
