"""Our server, broken on purpose: one variant for each rule, and the checks of the exam that must see it."""

from __future__ import annotations

import importlib
import pkgutil

from tests.broken.variant import VARIANTS, Variant


def everything() -> list[Variant]:
    """All variants, in the order of their modules."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("test_"):
            importlib.import_module(f"tests.broken.{module.name}")
    return VARIANTS
